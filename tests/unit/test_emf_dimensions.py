"""The dimensions of an EMF line: only what is registered or real becomes a paid series."""

import json
from typing import Any

import pytest
from hypothesis import given
from tests.builders import (
    CLAUDE,
    CLAUDE_US,
    PROPERTY,
    a_call,
    a_model,
    a_record,
    an_emf,
    an_outcome,
    records,
)
from tests.unit.emf_schema import problems

from bedrock_meter.domain import Ending, Record, Status
from bedrock_meter.emf import Emf


def encode(record: Record, emf: Emf | None = None) -> dict[str, Any]:
    """Encode a record, check the line, and give it parsed."""
    line = (emf or an_emf()).line(record)
    assert problems(line) == []
    root: dict[str, Any] = json.loads(line)
    return root


APPLICATION_PROFILE = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3d4e5f6"


# The metrics contract, written out by hand: name, unit, dimension sets.
@given(record=records)
@PROPERTY
def test_dimension_values_come_from_a_closed_list(record: Record) -> None:
    """Only registered use cases and models become dimension values; everything else is ``other``."""
    root = encode(record, an_emf(models=frozenset({CLAUDE})))
    assert root["UseCase"] in {"chatbot", "other"}
    assert root["ModelId"] == "other" or CLAUDE in {record.call.model and record.call.model.base, root["ModelId"]}
    assert root["Service"] == "meter-test"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"use_case": "chatbot"}, "chatbot"),
        ({"use_case": "made-up"}, "other"),
        ({"use_case": ""}, "other"),
        ({}, "other"),
    ],
)
def test_use_case_dimension(tags: dict[str, str], expected: str) -> None:
    """A use case that is not registered is ``other`` as a dimension and keeps its name as a property."""
    root = encode(a_record(call=a_call(tags=tags)))
    assert root["UseCase"] == expected
    assert root.get("use_case") == tags.get("use_case")


def test_a_registered_use_case_that_cannot_be_a_dimension() -> None:
    """A name that CloudWatch would reject is ``other``, even when it is registered."""
    root = encode(a_record(call=a_call(tags={"use_case": "büro"})), an_emf(use_cases=frozenset({"büro"})))
    assert root["UseCase"] == "other"


@pytest.mark.parametrize(
    ("raw", "registered", "expected"),
    [
        (CLAUDE, None, CLAUDE),
        (CLAUDE_US, None, CLAUDE_US),
        (CLAUDE_US, frozenset({CLAUDE_US}), CLAUDE_US),
        (CLAUDE_US, frozenset({CLAUDE}), CLAUDE_US),
        (CLAUDE, frozenset({CLAUDE_US}), "other"),
        (CLAUDE, frozenset({"meta.llama3-8b-instruct-v1:0"}), "other"),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{CLAUDE}", None, CLAUDE),
        (APPLICATION_PROFILE, None, "other"),
        (APPLICATION_PROFILE, frozenset({"a1b2c3d4e5f6"}), "a1b2c3d4e5f6"),
        ("a" * 300, None, "other"),
        ("with\nline", None, "other"),
    ],
)
def test_model_dimension(raw: str, registered: frozenset[str] | None, expected: str) -> None:
    """A registered or acknowledged model is a dimension by the name that AWS/Bedrock uses; the raw id is a property."""
    root = encode(a_record(call=a_call(model=a_model(raw))), an_emf(models=registered))
    assert root["ModelId"] == expected
    assert root["model_id"] == raw


def test_no_model_is_other() -> None:
    """A call whose route named no model has no model property."""
    root = encode(a_record(call=a_call(model=None)))
    assert root["ModelId"] == "other"
    assert not {"model_id", "model_base", "model_profile", "model_scope", "region"} & root.keys()


@pytest.mark.parametrize(
    ("status", "ending", "http_status", "expected"),
    [
        (Status.OK, Ending.COMPLETE, 200, "junk.model-9"),
        (Status.THROTTLED, Ending.COMPLETE, 429, "other"),
        (Status.OK, Ending.CLIENT_GONE, 200, "junk.model-9"),
        (Status.SERVER_ERROR, Ending.TRUNCATED, 200, "junk.model-9"),
        (Status.SERVER_ERROR, Ending.TIMED_OUT, 200, "junk.model-9"),
        (Status.CLIENT_ERROR, Ending.COMPLETE, 400, "other"),
        (Status.CLIENT_ERROR, Ending.COMPLETE, 403, "other"),
        (Status.CLIENT_ERROR, Ending.COMPLETE, 404, "other"),
        (Status.DENIED, Ending.REFUSED, 400, "other"),
        (Status.SERVER_ERROR, Ending.REFUSED, 500, "other"),
        (Status.SERVER_ERROR, Ending.UNREACHABLE, 503, "other"),
        (Status.SERVER_ERROR, Ending.UNREACHABLE, None, "other"),
        (Status.SERVER_ERROR, Ending.TIMED_OUT, 408, "other"),
    ],
)
def test_a_model_that_bedrock_did_not_acknowledge_is_no_dimension(
    status: Status, ending: Ending, http_status: int | None, expected: str
) -> None:
    """A made-up model id makes no series, unless Bedrock itself took it for a model.

    The gateway's own 408 is no answer of Bedrock's.
    """
    outcome = an_outcome(status=status, ending=ending, http_status=http_status)
    root = encode(a_record(call=a_call(model=a_model("junk.model-9")), outcome=outcome))
    assert root["ModelId"] == expected


def test_a_model_that_was_accepted_once_stays_a_dimension() -> None:
    """After one accepted call the throttles and errors of a model count under its id."""
    emf = an_emf()
    throttled = a_record(outcome=an_outcome(status=Status.THROTTLED, http_status=429))
    assert encode(throttled, emf)["ModelId"] == "other"
    assert encode(a_record(), emf)["ModelId"] == CLAUDE_US
    assert encode(throttled, emf)["ModelId"] == CLAUDE_US


def test_accepted_models_are_bounded() -> None:
    """An upstream that accepts every id still cannot make series without end; models from before the bound remain."""
    emf = an_emf()
    shown = [encode(a_record(call=a_call(model=a_model(f"made.up-{number}"))), emf)["ModelId"] for number in range(501)]
    assert shown[499:] == ["made.up-499", "other"]
    assert encode(a_record(call=a_call(model=a_model("made.up-0"))), emf)["ModelId"] == "made.up-0"


def test_namespace_and_service_are_those_of_the_deployment() -> None:
    """Every directive is in the namespace that was set."""
    root = encode(a_record(disagreement=True), an_emf(namespace="Team/Meter", service="prod-meter"))
    assert {directive["Namespace"] for directive in root["_aws"]["CloudWatchMetrics"]} == {"Team/Meter"}
    assert root["Service"] == "prod-meter"
