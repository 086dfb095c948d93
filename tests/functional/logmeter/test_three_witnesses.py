"""One traffic script, three witnesses: the gateway's records, the invocation log, and what the simulator served."""

import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from tests.functional.gateway.door import ACCESS_KEY, ENVIRON, USE_CASE, client_of, run_handler
from tests.functional.logmeter.rig import Rig, running
from tests.logs import CHATBOT_ROLE, GATEWAY_ROLE, session_of

from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.config import Settings
from meterctl.lambda_front import LambdaFront
from meterctl.simulate import InvocationLog, Simulator

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LLAMA = "meta.llama3-1-8b-instruct-v1:0"
BYPASS_KEY = "AKIABYPASS"
COUNTS = ("InputTokenCount", "OutputTokenCount", "CacheReadInputTokenCount", "CacheWriteInputTokenCount")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A Bedrock that logs, a gateway in front of it, and a log door behind it."""

    bedrock: Simulator
    gateway_url: str
    gateway_lines: io.StringIO
    log: Path
    rig: Rig

    @property
    def logged(self) -> list[str]:
        """The lines of the invocation log."""
        return self.log.read_text(encoding="utf-8").splitlines()

    @property
    def metered(self) -> list[str]:
        """The lines of the gateway."""
        return self.gateway_lines.getvalue().splitlines()


@pytest.fixture(params=[False, True], ids=["metadata", "full"])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """All of it on this machine; the log once without bodies and once with them."""
    log, lines = tmp_path / "invocations.ndjson", io.StringIO()
    identities = {ACCESS_KEY: session_of(GATEWAY_ROLE), BYPASS_KEY: session_of(CHATBOT_ROLE)}
    written = InvocationLog(path=log, bodies=request.param, identities=identities)
    with Simulator(seed=3, invocation_log=written) as bedrock:
        settings = Settings(upstream_url=bedrock.url, region="us-east-1", use_case=USE_CASE)
        sink = StreamSink.for_settings(settings, lines)
        with (
            run_handler(settings, sink=sink, environ=ENVIRON) as handler,
            LambdaFront(handler) as front,
            running(monkeypatch) as rig,
        ):
            yield World(bedrock=bedrock, gateway_url=front.url, gateway_lines=lines, log=log, rig=rig)


def bypassing(bedrock: Simulator) -> "BedrockRuntimeClient":
    """Make a client that calls Bedrock itself."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=bedrock.url,
        region_name="us-east-1",
        aws_access_key_id=BYPASS_KEY,
        aws_secret_access_key="none",
        config=Config(retries={"total_max_attempts": 1}),
    )


def call(runtime: "BedrockRuntimeClient", turn: int) -> None:
    """Make the call of one turn: every operation, with a cached prefix where the model has a cache."""
    messages: Any = [{"role": "user", "content": [{"text": f"Question {turn} of the canary"}]}]
    system: Any = [{"text": "Be brief. " * 40}, {"cachePoint": {"type": "default"}}]
    body = json.dumps(
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 60, "messages": [{"role": "user", "content": "Why?"}]}
    )
    match turn % 4:
        case 0:
            runtime.converse(modelId=CLAUDE, messages=messages, system=system)
        case 1:
            list(runtime.converse_stream(modelId=CLAUDE, messages=messages, system=system)["stream"])
        case 2:
            runtime.invoke_model(modelId=CLAUDE, body=body)["body"].read()
        case _:
            list(
                runtime.invoke_model_with_response_stream(
                    modelId=LLAMA, body=json.dumps({"prompt": f"Why {turn}?", "max_gen_len": 40})
                )["body"]
            )


def tokens(lines: list[Mapping[str, Any]]) -> Counter[str]:
    """Add up the token metrics of lines."""
    total: Counter[str] = Counter()
    for line in lines:
        total.update({name: line[name] for name in COUNTS if name in line})
    return total


def test_the_gateway_and_the_log_agree_to_the_token(world: World) -> None:
    """Every call through the gateway is in the log; the two are compared call by call, and nothing is counted twice."""
    runtime = client_of(world.gateway_url)
    for turn in range(20):
        call(runtime, turn)
    of_gateway = world.rig.deliver(world.metered, delivery="gateway")
    of_log = world.rig.deliver(world.logged, delivery="log")
    assert (of_gateway.awaiting, of_log.compared, of_log.disagreed, of_log.counted) == (20, 20, 0, 0)
    assert world.rig.lines == []


def test_a_tenth_that_goes_past_is_counted_by_the_log_alone(world: World) -> None:
    """Of 20 calls 2 bypass the gateway: what both doors count together is what was served, and the two are named."""
    through, past = client_of(world.gateway_url), bypassing(world.bedrock)
    for turn in range(20):
        call(past if turn % 10 == 4 else through, turn)
    world.rig.deliver(world.metered, delivery="gateway")
    report = world.rig.deliver(world.logged, delivery="log")
    assert (report.compared, report.disagreed, report.counted, report.failed) == (18, 0, 2, {})
    assert {line["principal"] for line in world.rig.lines} == {session_of(CHATBOT_ROLE)}
    assert [line["UseCase"] for line in world.rig.lines] == ["chatbot"] * 2

    served = world.bedrock.ledger
    assert tokens([*map(json.loads, world.metered), *world.rig.lines]) == {
        "InputTokenCount": sum(one.input_tokens for one in served),
        "OutputTokenCount": sum(one.output_tokens for one in served),
        "CacheReadInputTokenCount": sum(one.cache_read_tokens for one in served),
        "CacheWriteInputTokenCount": sum(one.cache_write_5m_tokens + one.cache_write_1h_tokens for one in served),
    }
    assert len(world.metered) + len(world.rig.lines) == len(served) == 20


def test_a_record_of_the_log_costs_what_a_record_of_the_gateway_costs(world: World) -> None:
    """The same call has the same price, whichever door it is counted by."""
    for runtime in (client_of(world.gateway_url), bypassing(world.bedrock)):
        runtime.invoke_model(
            modelId=CLAUDE,
            body=json.dumps(
                {"anthropic_version": "x", "max_tokens": 60, "messages": [{"role": "user", "content": "Why?"}]}
            ),
        )["body"].read()
    world.rig.deliver(world.metered, delivery="gateway")
    world.rig.deliver(world.logged, delivery="log")
    (of_gateway,), (of_log,) = map(json.loads, world.metered), world.rig.lines
    assert of_gateway["price_row"] == of_log["price_row"]
    assert of_gateway["cost_usd"] == of_log["cost_usd"]
