"""CountTokens before a call, against the simulator, and against a stub that is slow, fails, or talks nonsense."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.builders import Bench, a_call, a_model
from tests.functional.gateway.calls import CLAUDE, CLAUDE_BODY, CONVERSE_BODY
from tests.functional.gateway.stub import (
    Reply,
    StubUpstream,
    http,
    sends,
    sends_then_closes,
    sends_then_resets,
    stays_silent,
)

from awshttp.credentials import EnvironmentCredentials
from bedrock_meter.config import Settings
from bedrock_meter.domain import Call, Ending, Operation
from bedrock_meter.estimate import Estimator
from bedrock_meter.forecaster import EstimateForecaster
from bedrock_meter.meter import Meter
from gateway.count_tokens import FAILED, REFUSED, CountTokens, forecaster
from gateway.upstream import Upstream
from meterctl.simulate import Simulator

CONVERSE = a_call(operation=Operation.CONVERSE)
INVOKE = a_call(operation=Operation.INVOKE_MODEL)
ESTIMATE = EstimateForecaster(Estimator()).forecast(CONVERSE, CONVERSE_BODY)
JSON = {"Content-Type": "application/json"}
COUNTED = sends(http(200, JSON, b'{"inputTokens":42}'))
SETTINGS = Settings(count_tokens_bytes=1, count_tokens_seconds=5)


class Asked:
    """A forecaster in front of a server."""

    def __init__(self, url: str, settings: Settings = SETTINGS) -> None:
        credentials = EnvironmentCredentials("AKIDEXAMPLE", "secret", None)
        self.upstream = Upstream(url=url, region="us-east-1", credentials=lambda: credentials, read_timeout=30)
        self.bench = Bench()
        self.bench.meter = Meter(
            sink=self.bench.sink, clock=self.bench.clock, faults=self.bench.faults, estimator=Estimator()
        )
        found = forecaster(settings, self.bench.meter, self.upstream)
        assert found is not None
        self.forecaster = found


@pytest.fixture
def stub() -> Iterator[StubUpstream]:
    """Run a server that counts 42."""
    with StubUpstream(COUNTED) as running:
        yield running


@pytest.fixture
def asked(stub: StubUpstream) -> Iterator[Asked]:
    """Ask it."""
    made = Asked(stub.url)
    yield made
    made.upstream.close()


def test_the_count_is_the_forecast_and_the_most(stub: StubUpstream, asked: Asked) -> None:
    """What Bedrock counts is what it bills, so nothing more has to be held; the model is asked for by its bare id."""
    forecast = asked.forecaster.forecast(CONVERSE, CONVERSE_BODY)
    assert (forecast.tokens, forecast.most, forecast.method) == (42, 42, "count_tokens")
    (seen,) = stub.seen
    assert (seen.method, seen.target) == ("POST", f"/model/{CLAUDE.replace(':', '%3A')}/count-tokens")
    assert (seen.header("authorization") or "").startswith("AWS4-HMAC-SHA256 ")
    assert json.loads(seen.body) == {"input": {"converse": json.loads(CONVERSE_BODY)}}


def test_only_what_is_counted_is_sent(stub: StubUpstream, asked: Asked) -> None:
    """CountTokens refuses members of a Converse body that it does not know; those stay here."""
    counted = {
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
        "system": [{"text": "Be kind."}],
        "toolConfig": {"tools": []},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    }
    more = {"inferenceConfig": {"maxTokens": 9}, "requestMetadata": {"team": "x"}, "serviceTier": {"type": "flex"}}
    asked.forecaster.forecast(CONVERSE, json.dumps(counted | more).encode())
    assert json.loads(stub.seen[0].body) == {"input": {"converse": counted}}


def test_the_body_of_an_invocation_is_sent_whole(stub: StubUpstream, asked: Asked) -> None:
    """InvokeModel's body goes as it is, in base64."""
    assert asked.forecaster.forecast(INVOKE, CLAUDE_BODY).tokens == 42
    sent = json.loads(stub.seen[0].body)
    assert base64.b64decode(sent["input"]["invokeModel"]["body"]) == CLAUDE_BODY


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (CONVERSE, b'{"messages":[]}'),
        (replace(CONVERSE, model=a_model("amazon.nova-lite-v1:0")), CONVERSE_BODY),
        (replace(CONVERSE, model=None), CONVERSE_BODY),
        (
            replace(
                CONVERSE, model=a_model("arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc")
            ),
            CONVERSE_BODY,
        ),
        (replace(CONVERSE, operation=Operation.MESSAGES), CONVERSE_BODY),
        (replace(CONVERSE, operation=Operation.APPLY_GUARDRAIL), CONVERSE_BODY),
    ],
)
def test_nobody_is_asked_without_need(stub: StubUpstream, call: Call, body: bytes) -> None:
    """A small body, a model that is not counted or not known, and other operations are estimated."""
    asked = Asked(stub.url, replace(SETTINGS, count_tokens_bytes=len(CONVERSE_BODY)))
    assert asked.forecaster.forecast(call, body) == EstimateForecaster(Estimator()).forecast(call, body)
    assert stub.connections == 0
    assert asked.bench.faults.codes == []


def test_it_is_off_by_default(stub: StubUpstream) -> None:
    """Without the setting the forecast is the estimate."""
    asked = Asked(stub.url, Settings())
    assert not isinstance(asked.forecaster, CountTokens)
    assert asked.forecaster.forecast(CONVERSE, CONVERSE_BODY) == ESTIMATE
    assert stub.connections == 0


NONSENSE = [
    b"", b"no JSON", b"[42]", b'"inputTokens"', b"{}", b'{"inputTokens":null}', b'{"inputTokens":"42"}',
    b'{"inputTokens":-1}', b'{"inputTokens":0}', b'{"inputTokens":true}', b'{"inputTokens":4.2}',
    b'{"inputTokens":1e99}',
    b'{"inputTokens":99999999999999}', b'{"inputTokens":42,"p":"' + b"x" * 70_000 + b'"}', b"[" * 60_000, b"\xff\xfe",
]  # fmt: skip


@pytest.mark.parametrize(
    "reply",
    [
        *(sends(http(200, JSON, body)) for body in NONSENSE),
        sends(http(500, JSON, b'{"message":"no"}')),
        sends(http(429, JSON, b'{"message":"Too many requests"}')),
        sends_then_closes(http(200, JSON, b'{"inputTokens":42}', length=100)),
        sends_then_closes(b"nonsense\r\n\r\n"),
        sends_then_resets(b""),
    ],
)
def test_whatever_goes_wrong_is_an_estimate(stub: StubUpstream, asked: Asked, reply: Reply) -> None:
    """The forecast is the estimate; the fault is on the next record; and the next call asks again."""
    stub.replies_with(reply)
    assert asked.forecaster.forecast(CONVERSE, CONVERSE_BODY) == ESTIMATE
    record = asked.bench.meter.open(CONVERSE).close(Ending.UNREACHABLE)
    assert record is not None
    assert record.faults == (FAILED,)
    stub.replies_with(COUNTED)
    assert asked.forecaster.forecast(CONVERSE, CONVERSE_BODY).tokens == 42


def test_nobody_is_there() -> None:
    """A Bedrock that cannot be reached is an estimate, too."""
    with StubUpstream(COUNTED) as gone:
        pass
    asked = Asked(gone.url)
    assert asked.forecaster.forecast(CONVERSE, CONVERSE_BODY) == ESTIMATE
    assert asked.bench.faults.codes == [FAILED]


@pytest.mark.parametrize("said", [b"", http(200, JSON, b'{"inputTokens":4', length=18)])
def test_a_slow_answer_is_not_waited_for(stub: StubUpstream, said: bytes) -> None:
    """After the time limit the estimate is made, whether Bedrock is silent or stops in the middle of its answer."""
    stub.replies_with(stays_silent(said))
    asked = Asked(stub.url, replace(SETTINGS, count_tokens_seconds=0.1))
    assert asked.forecaster.forecast(CONVERSE, CONVERSE_BODY) == ESTIMATE
    assert asked.bench.faults.codes == [FAILED]


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_model_that_is_refused_is_not_asked_for_again(stub: StubUpstream, asked: Asked, status: int) -> None:
    """The refusal costs one round trip, not one for each call; other models are asked for as before."""
    stub.replies_with(sends(http(status, JSON, b'{"message":"The provided model doesn\'t support counting tokens."}')))
    assert [asked.forecaster.forecast(CONVERSE, CONVERSE_BODY) for _ in range(3)] == [ESTIMATE] * 3
    assert len(stub.seen) == 1
    assert asked.bench.faults.codes == [REFUSED]
    stub.replies_with(COUNTED)
    other = replace(CONVERSE, model=a_model("us.anthropic.claude-opus-4-8"))
    assert asked.forecaster.forecast(other, CONVERSE_BODY).method == "count_tokens"


def test_the_simulator_counts_what_it_bills() -> None:
    """The whole way against the simulator: the count of a Converse body and of an InvokeModel body."""
    with Simulator(seed=1) as bedrock:
        asked = Asked(bedrock.url)
        try:
            forecasts = [
                asked.forecaster.forecast(call, body)
                for call, body in ((CONVERSE, CONVERSE_BODY), (INVOKE, CLAUDE_BODY))
            ]
        finally:
            asked.upstream.close()
    assert [forecast.method for forecast in forecasts] == ["count_tokens", "count_tokens"]
    assert all(forecast.tokens == forecast.most > 0 for forecast in forecasts)
    assert asked.bench.faults.codes == []
