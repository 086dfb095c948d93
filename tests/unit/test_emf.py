"""The EMF line: every record gives a valid one, and its metrics are those of the contract."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from tests.builders import (
    CLAUDE,
    CLAUDE_US,
    NOON,
    PROPERTY,
    a_call,
    a_record,
    a_usage,
    an_emf,
    an_outcome,
    records,
)
from tests.unit.emf_schema import problems

from bedrock_meter.domain import Certainty, Ending, Operation, Record, Status, UsageSource
from bedrock_meter.emf import Emf
from bedrock_meter.forecast import Forecast
from bedrock_meter.metrics import DIRECTIVES

BY_USE_CASE_AND_MODEL = (("UseCase", "ModelId"), ("Service",))
SPEED = (("UseCase",), ("ModelId",), ("Service",))
SERVICE = (("Service",),)
CONTRACT = {
    ("Invocations", "Count", BY_USE_CASE_AND_MODEL),
    ("InputTokenCount", "Count", BY_USE_CASE_AND_MODEL),
    ("OutputTokenCount", "Count", BY_USE_CASE_AND_MODEL),
    ("CacheReadInputTokenCount", "Count", BY_USE_CASE_AND_MODEL),
    ("CacheWriteInputTokenCount", "Count", BY_USE_CASE_AND_MODEL),
    ("EstimatedCostUSD", "None", BY_USE_CASE_AND_MODEL),
    ("InvocationClientErrors", "Count", BY_USE_CASE_AND_MODEL),
    ("InvocationServerErrors", "Count", BY_USE_CASE_AND_MODEL),
    ("InvocationThrottles", "Count", BY_USE_CASE_AND_MODEL),
    ("InvocationsDenied", "Count", BY_USE_CASE_AND_MODEL),
    ("UsageEstimated", "Count", BY_USE_CASE_AND_MODEL),
    ("UsageDisagreement", "Count", BY_USE_CASE_AND_MODEL),
    ("Unpriced", "Count", BY_USE_CASE_AND_MODEL),
    ("InvocationLatency", "Milliseconds", SPEED),
    ("TimeToFirstToken", "Milliseconds", SPEED),
    ("OutputTokensPerSecond", "Count/Second", SPEED),
    ("MeterOverhead", "Milliseconds", SERVICE),
    ("ColdStart", "Count", SERVICE),
    ("MeterFaults", "Count", SERVICE),
}
"""What records give."""
MEASURED = {
    ("BudgetUsed", "Percent", (("Limit",), ("Service",))),
    ("UnmeteredTokens", "Count", (("ModelId",), ("Service",))),
    ("UnmeteredShare", "Percent", (("ModelId",), ("Service",))),
    ("ReconciliationDrift", "Percent", (("ModelId",), ("Service",))),
    ("PriceDrift", "Count", SERVICE),
    ("Deployments", "Count", (("Service", "Version"),)),
}
"""What measurements give; a line has exactly the dimension set that it was asked for."""


def encode(record: Record, emf: Emf | None = None) -> dict[str, Any]:
    """Encode a record, check the line, and give it parsed."""
    line = (emf or an_emf()).line(record)
    assert problems(line) == []
    root: dict[str, Any] = json.loads(line)
    return root


def series(root: dict[str, Any]) -> set[tuple[str, str, tuple[tuple[str, ...], ...]]]:
    """Give every metric of a line with its unit and its dimension sets."""
    return {
        (metric["Name"], metric["Unit"], tuple(map(tuple, directive["Dimensions"])))
        for directive in root["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }


def metrics(record: Record, emf: Emf | None = None) -> dict[str, float]:
    """Give the metrics of a record that CloudWatch would see."""
    root = encode(record, emf)
    return {name: root[name] for name, _, _ in series(root)}


def everything() -> Record:
    """Give a record that has as many metrics as one record can have."""
    return a_record(
        call=a_call(streaming=True), cost=Decimal("0.012"), disagreement=True, cold_start=True, faults=("sink_fault",)
    )


@given(record=records)
@settings(PROPERTY, max_examples=150)
def test_every_record_gives_a_valid_line(record: Record) -> None:
    """Whatever a record holds, CloudWatch can read its line, and only metrics of the contract are in it."""
    root = encode(record)
    assert series(root) <= CONTRACT
    assert all(root[name] for name, _, _ in series(root)), "a zero was sent as a metric"


def test_the_table_of_directives_is_the_contract() -> None:
    """Names, units and dimension sets are the published ones, and no metric stands in two directives."""
    table = [
        (name, unit, directive.dimension_sets)
        for directive in DIRECTIVES.values()
        for name, unit in directive.metrics.items()
    ]
    assert len(table) == len(CONTRACT | MEASURED)
    assert set(table) == CONTRACT | MEASURED


def test_metrics_that_exclude_each_other_cover_the_contract() -> None:
    """Every metric of the contract is sent by some record, with its unit and its dimension sets."""
    sent = series(encode(everything()))
    for status in Status:
        sent |= series(encode(a_record(outcome=an_outcome(status=status))))
    sent |= series(encode(a_record(usage=a_usage(source=UsageSource.ESTIMATE))))
    assert sent == CONTRACT


def test_values_of_a_good_call() -> None:
    """Each metric has the value of its bucket, and the two cache writes are one metric."""
    assert metrics(everything()) == {
        "Invocations": 1,
        "InputTokenCount": 11,
        "OutputTokenCount": 22,
        "CacheReadInputTokenCount": 33,
        "CacheWriteInputTokenCount": 99,
        "EstimatedCostUSD": 0.012,
        "UsageDisagreement": 1,
        "InvocationLatency": 1500.0,
        "TimeToFirstToken": 500.0,
        "OutputTokensPerSecond": 22.0,
        "MeterOverhead": 1.25,
        "ColdStart": 1,
        "MeterFaults": 1,
    }


def test_zero_and_unknown_counts_are_left_out() -> None:
    """A metric that is 0 or unknown is no member of the line; an unknown property is absent and a known 0 is there."""
    usage = a_usage(input=5, output=0, cache_read=None, cache_write_5m=0, cache_write_1h=None)
    root = encode(a_record(usage=usage))
    assert root["InputTokenCount"] == 5
    assert not {"OutputTokenCount", "CacheReadInputTokenCount", "CacheWriteInputTokenCount"} & root.keys()
    assert (root["output_tokens"], root["cache_write_5m_tokens"]) == (0, 0)
    assert not {"cache_read_tokens", "cache_write_1h_tokens"} & root.keys()


def test_no_usage_gives_no_token_metric() -> None:
    """Without counts there is nothing to price, so the call is not counted as unpriced either."""
    sent = metrics(a_record(usage=None))
    assert sent.keys() == {"Invocations", "InvocationLatency", "MeterOverhead"}


def test_an_unpriced_call_is_counted_and_costs_no_zero() -> None:
    """An unknown price is the metric Unpriced, and no cost of 0 USD."""
    root = encode(a_record(cost=None))
    assert root["Unpriced"] == 1
    assert not {"EstimatedCostUSD", "cost_usd"} & root.keys()


def test_a_priced_call_without_a_cost_is_not_unpriced() -> None:
    """Where the book has a price and a count is unknown, the row is told, and the book is not blamed."""
    root = encode(a_record(cost=None, price_row="acme.model-v1|*|geo|default|0|2026-01-01"))
    assert root["price_row"] == "acme.model-v1|*|geo|default|0|2026-01-01"
    assert not {"EstimatedCostUSD", "cost_usd", "Unpriced"} & root.keys()


def test_a_free_call_costs_nothing_and_is_not_unpriced() -> None:
    """A cost of 0 is a property, no metric, and no missing price."""
    root = encode(a_record(cost=Decimal(0)))
    assert root["cost_usd"] == "0"
    assert not {"EstimatedCostUSD", "Unpriced"} & root.keys()


def test_cost_is_exact_as_a_property() -> None:
    """The property keeps every digit, without an exponent; only the metric is a float."""
    root = encode(a_record(cost=Decimal("0.000000123456789012345")))
    assert root["cost_usd"] == "0.000000123456789012345"
    assert root["EstimatedCostUSD"] == pytest.approx(1.23456789e-7)


@pytest.mark.parametrize(
    ("operation", "status", "ending", "http_status", "expected"),
    [
        (Operation.INVOKE_MODEL, Status.OK, Ending.COMPLETE, 200, {"Invocations", "InvocationLatency"}),
        (Operation.COUNT_TOKENS, Status.OK, Ending.COMPLETE, 200, set()),
        (Operation.INVOKE_MODEL, Status.CLIENT_ERROR, Ending.COMPLETE, 400, {"InvocationClientErrors"}),
        (Operation.INVOKE_MODEL, Status.CLIENT_ERROR, Ending.COMPLETE, 424, {"InvocationClientErrors", "Invocations"}),
        (Operation.INVOKE_MODEL, Status.THROTTLED, Ending.COMPLETE, 429, {"InvocationThrottles"}),
        (Operation.INVOKE_MODEL, Status.SERVER_ERROR, Ending.COMPLETE, 500, {"InvocationServerErrors", "Invocations"}),
        (
            Operation.INVOKE_MODEL,
            Status.SERVER_ERROR,
            Ending.TRUNCATED,
            200,
            {"InvocationServerErrors", "Invocations"},
        ),
        (Operation.INVOKE_MODEL, Status.SERVER_ERROR, Ending.UNREACHABLE, 503, {"InvocationServerErrors"}),
        (Operation.INVOKE_MODEL, Status.DENIED, Ending.REFUSED, 403, {"InvocationsDenied"}),
        (Operation.UNKNOWN, Status.DENIED, Ending.REFUSED, 404, {"InvocationsDenied"}),
    ],
)
def test_each_outcome_counts_once(
    operation: Operation, status: Status, ending: Ending, http_status: int, expected: set[str]
) -> None:
    """An outcome is one fault metric, and an invocation where AWS/Bedrock counts one."""
    outcome = an_outcome(status=status, ending=ending, http_status=http_status)
    sent = metrics(a_record(call=a_call(operation=operation), usage=None, outcome=outcome))
    assert sent.keys() - {"MeterOverhead"} == expected


@pytest.mark.parametrize(
    ("first_byte", "duration", "output", "expected"),
    [
        (500.0, 1500.0, 100, 100.0),
        (500.0, 2000.0, 1, 0.667),
        (500.0, 500.0, 100, None),
        (None, 1500.0, 100, None),
        (500.0, None, 100, None),
        (500.0, 1500.0, 0, None),
        (500.0, 1500.0, None, None),
    ],
)
def test_output_speed(
    first_byte: float | None, duration: float | None, output: int | None, expected: float | None
) -> None:
    """Speed is tokens over the time after the first byte; without a time or tokens there is none."""
    record = a_record(
        call=a_call(streaming=True),
        usage=a_usage(output=output),
        outcome=an_outcome(first_byte_ms=first_byte, duration_ms=duration),
    )
    assert metrics(record).get("OutputTokensPerSecond") == expected


def test_a_buffered_call_has_no_first_token() -> None:
    """The first byte of a buffered answer says nothing about the first token."""
    assert not {"TimeToFirstToken", "OutputTokensPerSecond"} & metrics(a_record()).keys()


def test_the_timestamp_is_the_end_of_the_call() -> None:
    """Milliseconds since 1970 of the arrival plus the duration; without a duration that of the arrival."""
    record = a_record(call=a_call(received_at=NOON + timedelta(microseconds=1999)))
    arrival = int(NOON.timestamp()) * 1000 + 1
    assert encode(record)["_aws"]["Timestamp"] == arrival + 1500
    unsent = replace(record, outcome=an_outcome(duration_ms=None))
    assert encode(unsent)["_aws"]["Timestamp"] == arrival


def test_what_limits_did_to_a_call() -> None:
    """The line says which limits count the call, what they held, and which one refused it; without any, nothing."""
    root = encode(a_record(limits=("a", "b:day"), held=Decimal("0.0156"), refused_by="b:day"))
    assert (root["limits"], root["held_usd"], root["refused_by"]) == (["a", "b:day"], "0.0156", "b:day")
    assert not encode(a_record()).keys() & {"limits", "held_usd", "refused_by"}


def test_properties_of_a_call() -> None:
    """Everything that is no metric is a property, under a name that does not change."""
    call = a_call(
        tags={"use_case": "chatbot", "team": "search", "key_id": "k1"},
        max_output_tokens=512,
        tier="flex",
        attempt=2,
    )
    usage = a_usage(other={"images": 2})
    root = encode(
        a_record(call=call, usage=usage, outcome=an_outcome(attempts=3), cost=Decimal("0.5"), faults=("reader_fault",))
    )
    metric_names = {name for name, _, _ in CONTRACT}
    assert {name: value for name, value in root.items() if name not in metric_names | {"_aws"}} == {
        "UseCase": "chatbot",
        "ModelId": CLAUDE_US,
        "Service": "meter-test",
        "request_id": "6a3d2e1c-0000-4000-8000-000000000001",
        "bedrock_request_id": "b0d1c2e3-0000-4000-8000-000000000002",
        "use_case": "chatbot",
        "team": "search",
        "key_id": "k1",
        "operation": "InvokeModel",
        "model_id": CLAUDE_US,
        "model_base": CLAUDE,
        "model_profile": CLAUDE_US,
        "model_scope": "geo",
        "region": "us-east-1",
        "tier": "flex",
        "streaming": False,
        "client_attempt": 2,
        "sdk_attempts": 3,
        "input_bytes": 120,
        "max_output_tokens": 512,
        "status": "ok",
        "ending": "complete",
        "http_status": 200,
        "stop_reason": "end_turn",
        "duration_ms": 1500.0,
        "bedrock_latency_ms": 1400,
        "certainty": "exact",
        "cost_usd": "0.5",
        "meter_faults": ["reader_fault"],
        "input_tokens": 11,
        "output_tokens": 22,
        "cache_read_tokens": 33,
        "cache_write_5m_tokens": 44,
        "cache_write_1h_tokens": 55,
        "other_units": {"images": 2},
        "usage_source": "header",
        "version": "0.0.1",
    }


def test_an_error_is_named() -> None:
    """The AWS name of an error is a property."""
    outcome = an_outcome(status=Status.THROTTLED, http_status=429, error_code="ThrottlingException", stop_reason=None)
    root = encode(a_record(usage=None, outcome=outcome))
    assert (root["error_code"], root["status"]) == ("ThrottlingException", "throttled")
    assert "stop_reason" not in root


def test_hostile_text_stays_inside_its_property() -> None:
    """Quotes, line ends, escapes and lone surrogates cannot end the line or add a member."""
    hostile = 'x","Invocations":99,"y":"\n\r\u2028\x00\x1b\ud800'
    line = an_emf().line(a_record(call=a_call(id=hostile, tags={"use_case": hostile, "team": hostile})))
    assert problems(line) == []
    root = json.loads(line)
    assert (root["request_id"], root["team"], root["Invocations"]) == (hostile, hostile, 1)
    assert line.isascii()


FORECAST = Forecast(tokens=110, most=300, method="tokenizer")


def estimate_ratio(**changes: Any) -> object:
    """Give the property of a record with this forecast and these other fields."""
    return json.loads(an_emf().line(a_record(**{"forecast": FORECAST, **changes}))).get("EstimateRatio")


def test_a_forecast_is_held_against_the_truth() -> None:
    """All input, cached or not, divided by what was forecast; a property and no metric, so that it costs no series."""
    line = json.loads(an_emf().line(a_record(forecast=FORECAST)))
    assert line["EstimateRatio"] == 1.3  # (11 + 33 + 44 + 55) / 110
    assert (line["forecast_tokens"], line["forecast_method"]) == (110, "tokenizer")
    assert "EstimateRatio" not in json.dumps(line["_aws"])
    assert estimate_ratio(forecast=replace(FORECAST, tokens=700)) == 0.2043


def test_only_what_is_known_for_certain_is_a_truth() -> None:
    """An estimate, a lower bound and an unknown input teach nothing."""
    assert estimate_ratio(forecast=None) is None
    assert estimate_ratio(usage=None) is None
    assert estimate_ratio(usage=a_usage(input=None)) is None
    assert estimate_ratio(outcome=an_outcome(certainty=Certainty.AT_LEAST)) is None
    assert estimate_ratio(forecast=replace(FORECAST, tokens=0)) is None
