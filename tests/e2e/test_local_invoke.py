import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.sam_local import EVENTS, Invocation, SamLocal, emf_lines
from tests.e2e.witness import Witness, due_metrics, metrics_of, token_metrics, tokens

pytestmark = pytest.mark.e2e

EXPECTED: dict[str, dict[str, Any]] = json.loads((EVENTS / "expected.json").read_text(encoding="utf-8"))
# Words of the prompts, in the events and in the last test; none may stand in a log.
CANARIES = ("rivers of Europe", "names only", "Name three")


def header(invocation: Invocation, name: str) -> str | None:
    """Give a header of the proxy result, or None."""
    headers = {key.lower(): values for key, values in invocation.result["multiValueHeaders"].items()}
    return headers[name][0] if name in headers else None


@pytest.mark.parametrize("name", [name for name, answer in EXPECTED.items() if answer["error_type"] is None])
def test_a_call_is_answered_and_metered(name: str, sam_local: SamLocal, witness: Witness, env_vars: Path) -> None:
    """A call gets Bedrock's answer and leaves exactly one metric line, with the counts that Bedrock billed."""
    before = len(witness.served())
    invocation = sam_local.invoke("GatewayFunction", EVENTS / f"{name}.json", env_vars)
    (served,) = witness.served()[before:]
    (line,) = emf_lines(invocation.log)
    assert invocation.result["statusCode"] == EXPECTED[name]["status"]
    assert header(invocation, "x-amzn-errortype") is None
    assert header(invocation, "x-amzn-requestid") == served["request_id"] == line["bedrock_request_id"]
    assert tokens(line) == tokens(served) != {}
    assert token_metrics(line) == due_metrics(served)
    assert metrics_of(line)["Invocations"] == 1
    assert not [canary for canary in CANARIES if canary in invocation.log]


@pytest.mark.parametrize("name", [name for name, answer in EXPECTED.items() if answer["error_type"] is not None])
def test_a_refused_call_is_not_forwarded(name: str, sam_local: SamLocal, witness: Witness, env_vars: Path) -> None:
    """A call that the gateway refuses gets Bedrock's shape of error, never reaches Bedrock, and leaves one line."""
    before = len(witness.served())
    invocation = sam_local.invoke("GatewayFunction", EVENTS / f"{name}.json", env_vars)
    assert witness.served()[before:] == []
    (line,) = emf_lines(invocation.log)
    assert invocation.result["statusCode"] == line["http_status"] == EXPECTED[name]["status"]
    assert header(invocation, "x-amzn-errortype") == line["error_code"] == EXPECTED[name]["error_type"]
    assert json.loads(invocation.result["body"]).keys() == {"message"}
    assert tokens(line) == {}
    assert "Invocations" not in metrics_of(line)
    assert not [canary for canary in CANARIES if canary in invocation.log]


def test_use_cases_become_dimensions(sam_local: SamLocal, env_vars: Path) -> None:
    """The use case that the header of `encoded-arn.json` names is the dimension that the call is counted under."""
    (line,) = emf_lines(sam_local.invoke("GatewayFunction", EVENTS / "encoded-arn.json", env_vars).log)
    assert line["UseCase"] == "summaries"
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "BedrockMeter"
    assert line["model_profile"] == "simclaude000"


def test_a_function_with_the_layer_is_metered(
    sam_local: SamLocal, witness: Witness, env_vars: Path, tmp_path: Path
) -> None:
    """The sample function, which calls Bedrock itself, leaves one metric line with the counts that Bedrock billed."""
    event = tmp_path / "question.json"
    event.write_text(json.dumps({"question": "Name three rivers of Europe."}), encoding="utf-8")
    before = len(witness.served())
    invocation = sam_local.invoke("ExampleFunction", event, env_vars)
    (served,) = witness.served()[before:]
    (line,) = emf_lines(invocation.log)
    assert invocation.result["answer"]
    assert line["bedrock_request_id"] == served["request_id"]
    assert tokens(line) == tokens(served) != {}
    assert token_metrics(line) == due_metrics(served)
    assert not [canary for canary in CANARIES if canary in invocation.log]
