"""Every event file in ``events/``, replayed through the handler as ``sam local invoke -e`` would send it."""

import base64
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.functional.gateway.door import ENVIRON, REGION, invoke_event, run_handler
from tests.functional.gateway.test_calls import buckets, served_buckets

from bedrock_meter.adapters.memory import MemorySink
from bedrock_meter.config import Settings
from meterctl.simulate import Simulator

ROOT = Path(__file__).parents[3]
EVENTS = {path.stem: path for path in sorted((ROOT / "events").glob("*.json"))}
# Those of the other functions are replayed where those are tested.
del EVENTS["account-create"], EVENTS["authorizer"], EVENTS["logmeter"], EVENTS["reconcile"]
EXPECTED: Mapping[str, Mapping[str, Any]] = json.loads(EVENTS.pop("expected").read_text(encoding="utf-8"))
PARAMETERS: Mapping[str, str] = json.loads(EVENTS.pop("env").read_text(encoding="utf-8"))["Parameters"]


def load(name: str) -> Mapping[str, Any]:
    """Read an event."""
    event: Mapping[str, Any] = json.loads(EVENTS[name].read_text(encoding="utf-8"))
    return event


def environment(upstream_url: str) -> dict[str, str]:
    """Give the function's environment of a local run, with the simulator of this test as Bedrock."""
    return {**PARAMETERS, **ENVIRON, "BEDROCK_METER_UPSTREAM_URL": upstream_url, "AWS_REGION": REGION}


def outcome(result: Mapping[str, Any]) -> tuple[int, str | None]:
    """Give the status of a result and its error type, without what follows the name."""
    headers = {name.lower(): values for name, values in result["multiValueHeaders"].items()}
    error_type = headers.get("x-amzn-errortype", [None])[0]
    return result["statusCode"], error_type and error_type.partition(":")[0]


def body_of(result: Mapping[str, Any]) -> bytes:
    """Give the bytes of a result's body."""
    body: str = result["body"]
    return base64.b64decode(body) if result["isBase64Encoded"] else body.encode()


def test_every_event_has_an_expectation() -> None:
    """There is no event without an expected answer, and no expectation without its event."""
    assert EVENTS.keys() == EXPECTED.keys()
    assert len(EVENTS) >= 9


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_gets_its_expected_answer(bedrock: Simulator, name: str) -> None:
    """An event gives the expected status and error type, one record, and the tokens that the simulator served."""
    sink = MemorySink()
    settings = Settings.from_env(environment(bedrock.url))
    with run_handler(settings, sink=sink) as handler:
        result = invoke_event(handler, load(name))

    expected = EXPECTED[name]
    assert outcome(result) == (expected["status"], expected["error_type"])
    json.loads(body_of(result))
    (record,) = sink.records
    assert record.call.id == load(name)["requestContext"]["requestId"]
    assert record.outcome.http_status == expected["status"]
    if expected["status"] == 200:
        (served,) = bedrock.ledger
        assert buckets(record) == served_buckets(served)
        assert served.output_tokens > 0
    else:
        assert bedrock.ledger == ()
        assert record.usage is None


def test_an_event_of_each_kind_succeeds_and_fails() -> None:
    """The replay is not of refusals alone."""
    kinds = Counter(expected["status"] == 200 for expected in EXPECTED.values())
    assert kinds[True] >= 5
    assert kinds[False] >= 4


REPLAY = """
import json, sys
from gateway.app import lambda_handler

class Context:
    aws_request_id = "lambda-1"
    def get_remaining_time_in_millis(self):
        return 60_000

for line in sys.stdin:
    result = lambda_handler(json.loads(line), Context())
    print(json.dumps(result), file=sys.stderr)
"""


def test_the_deployed_handler_prints_one_metric_line_per_event(bedrock: Simulator) -> None:
    """A process that starts as Lambda starts it answers every event and writes one EMF line for each, and no more."""
    paths = [str(ROOT / "layers" / "bedrock_meter"), str(ROOT / "src")]
    program = f"import sys; sys.path[:0] = {paths!r}\n{REPLAY}"
    names = list(EVENTS)
    run = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", program],
        input="\n".join(json.dumps(load(name)) for name in names),
        env={**environment(bedrock.url), "AWS_LAMBDA_FUNCTION_NAME": "gateway"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    results = [json.loads(line) for line in run.stderr.splitlines()]
    assert {name: outcome(result) for name, result in zip(names, results, strict=True)} == {
        name: (expected["status"], expected["error_type"]) for name, expected in EXPECTED.items()
    }
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [line["request_id"] for line in lines] == [load(name)["requestContext"]["requestId"] for name in names]
    served = {entry.request_id: entry for entry in bedrock.ledger}
    metered = [line for line in lines if line["http_status"] == 200]
    assert {line["bedrock_request_id"] for line in metered} == served.keys()
    for line in metered:
        entry = served[line["bedrock_request_id"]]
        assert (line["InputTokenCount"], line["OutputTokenCount"]) == (entry.input_tokens, entry.output_tokens)
        assert line["UseCase"] in {"chatbot", "summaries"}
    assert [line.get("ColdStart") for line in lines] == [1] + [None] * (len(lines) - 1)
    assert all(line["_aws"]["CloudWatchMetrics"] for line in lines)
