"""Forecasts of a call's input from its body, and how they reach the record."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import NOON, PROPERTY, Bench, a_call, a_model

from bedrock_meter.domain import Call, Certainty, Ending, Operation, Usage, UsageSource
from bedrock_meter.estimate import Estimator
from bedrock_meter.forecast import Forecast
from bedrock_meter.forecaster import EstimateForecaster, Expectation, sampled
from bedrock_meter.meter import Meter
from bedrock_meter.ports import Forecaster
from bedrock_meter.session import FORECAST_FAULT

ESTIMATOR = Estimator()
FORECASTER: Forecaster = EstimateForecaster(ESTIMATOR)
TEXT = "The quick brown fox jumps over the lazy dog. " * 20
BODY = {"messages": [{"role": "user", "content": [{"text": TEXT}]}]}


class Words:
    """A tokenizer that counts words."""

    def count(self, text: str) -> int | None:
        """Count them."""
        return len(text.split())


def test_a_forecast_is_the_estimate_and_the_bound() -> None:
    """What to expect is the estimate of the request, what it does not pass the upper bound of the same body."""
    body = json.dumps(BODY).encode()
    call = a_call(operation=Operation.CONVERSE)
    assert FORECASTER.forecast(call, body) == Forecast(
        tokens=ESTIMATOR.request(call.model, BODY).tokens,
        most=ESTIMATOR.upper_bound(call.model, len(body), BODY).tokens,
        method="bytes",
    )


def test_the_method_is_the_estimates() -> None:
    """With a tokenizer the forecast says so."""
    forecast = EstimateForecaster(Estimator(Words())).forecast(a_call(), json.dumps(BODY).encode())
    assert forecast.method == "tokenizer"
    assert forecast.tokens < FORECASTER.forecast(a_call(), json.dumps(BODY).encode()).tokens * 2


@pytest.mark.parametrize("body", [b"", b"no JSON", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":', b"null"])
def test_what_is_no_json_is_known_by_its_size(body: bytes) -> None:
    """Both numbers are the bound by size, and the method says that."""
    bound = ESTIMATOR.upper_bound(a_model(), len(body)).tokens
    assert FORECASTER.forecast(a_call(), body) == Forecast(tokens=bound, most=bound, method="bound")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["messages", "text", "x"]), inner),
    max_leaves=12,
)


@PROPERTY
@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()), st.booleans())
def test_any_body_has_a_forecast(body: bytes, named: bool) -> None:
    """No body makes it raise, and the expected number is never above the most."""
    forecast = FORECASTER.forecast(a_call(model=a_model() if named else None), body)
    assert 0 <= forecast.tokens <= forecast.most


def test_a_forecast_travels_to_the_record() -> None:
    """What was told before the call stands on its record; without one nothing does."""
    bench = Bench()
    forecast = Forecast(tokens=70, most=200, method="bytes")
    for given_, found in ((forecast, forecast), (None, None)):
        record = bench.meter.open(a_call(), forecast=given_).close(Ending.UNREACHABLE)
        assert record is not None
        assert record.forecast == found


CALL = a_call(operation=Operation.CONVERSE)
SENT = json.dumps(BODY).encode()
COUNTED = {"usage": {"inputTokens": 100, "cacheReadInputTokens": 80, "outputTokens": 5}, "stopReason": "end_turn"}


class Once:
    """A forecaster that can be asked once."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def forecast(self, _call: Call, body: bytes) -> Forecast:
        """Give a forecast."""
        self.asked.append(body)
        return Forecast(tokens=len(self.asked), most=9, method="bytes")


def test_nothing_is_worked_out_before_somebody_asks() -> None:
    """The body is read when the input is needed, and only once."""
    forecaster, expected = Once(), Expectation(None, SENT)
    assert (expected.told, forecaster.asked) == (None, [])
    assert expected.of(CALL, forecaster) == expected.of(CALL, forecaster) == expected.told
    assert forecaster.asked == [SENT]


def test_what_was_told_is_not_worked_out_again() -> None:
    """A forecast that was made before the call is the one that holds, and the body is not even kept."""
    told, forecaster = Forecast(tokens=7, most=9, method="count_tokens"), Once()
    assert Expectation(told, SENT).of(CALL, forecaster) is told
    assert forecaster.asked == []


def test_without_a_body_nothing_is_expected() -> None:
    """Nothing comes from nothing, nor from a body that was let go of."""
    expected = Expectation(None, SENT)
    expected.end()
    for nothing in (expected, Expectation(None, None)):
        assert nothing.of(CALL, FORECASTER) is None
    assert Expectation(None, SENT).of(CALL, None) is None


def test_the_sample_is_the_same_on_every_run() -> None:
    """Whether a call is in it follows from its id; none and all are exact, and a share is about that share."""
    ids = [f"6a3d2e1c-0000-4000-8000-{number:012d}" for number in range(10_000)]
    assert [each for each in ids if sampled(each, 0)] == []
    assert all(sampled(each, 1) for each in ids)
    tenth = [each for each in ids if sampled(each, 0.1)]
    assert 900 < len(tenth) < 1100
    assert [each for each in ids if sampled(each, 0.1)] == tenth
    assert {each for each in ids if sampled(each, 0.01)} <= set(tenth)


def a_bench(share: float, estimator: Estimator | None = ESTIMATOR) -> Bench:
    """Give a meter that compares a share of the calls."""
    bench = Bench()
    bench.meter = Meter(
        sink=bench.sink, clock=bench.clock, faults=bench.faults, estimator=estimator, estimate_sample=share
    )
    return bench


def answered(
    bench: Bench, *, status: int = 200, body: object = COUNTED, forecast: Forecast | None = None
) -> Forecast | None:
    """Run an exchange, and give what its record says of the forecast."""
    session = bench.meter.open(CALL, forecast=forecast, body=SENT)
    session.sending()
    session.head(status, {"content-type": "application/json"})
    session.feed(json.dumps(body).encode())
    record = session.close(Ending.COMPLETE)
    assert record is not None
    assert record.faults == ()
    return record.forecast


def test_a_sampled_call_has_a_forecast_beside_its_count() -> None:
    """In the sample the estimate is made when the real count is there; outside it nothing is computed."""
    assert answered(a_bench(1)) == FORECASTER.forecast(CALL, SENT)
    assert answered(a_bench(0)) is None


def test_there_is_nothing_to_compare_with() -> None:
    """A call that failed or was not counted, and a meter without an estimator, make no estimate."""
    assert answered(a_bench(1), status=400, body={"message": "no"}) is None
    assert answered(a_bench(1), body={"usage": {}}) is None
    assert answered(a_bench(1, None)) is None


def test_a_forecast_from_before_the_call_is_the_one_compared() -> None:
    """What a limit was held by is what the record shows, in the sample or not."""
    told = Forecast(tokens=170, most=170, method="count_tokens")
    assert answered(a_bench(1), forecast=told) == answered(a_bench(0), forecast=told) == told


def test_a_failing_estimate_costs_no_record() -> None:
    """The record is written without a forecast, and counts the fault."""

    class Broken:
        """A tokenizer that breaks its promise."""

        def count(self, _text: str) -> int | None:
            """Raise."""
            raise RuntimeError

    bench = a_bench(1, Estimator(Broken()))
    session = bench.meter.open(CALL, body=SENT)
    session.head(200, {"content-type": "application/json"})
    session.feed(json.dumps(COUNTED).encode())
    record = session.close(Ending.COMPLETE)
    assert record is not None
    assert (record.faults, record.forecast, record.outcome.certainty) == ((FORECAST_FAULT,), None, Certainty.EXACT)


def test_a_cut_off_stream_has_its_input_from_the_body() -> None:
    """ConverseStream tells its input at the very end; cut off before, it is estimated, as a lower bound."""
    bench = a_bench(0)
    call = a_call(operation=Operation.CONVERSE_STREAM, streaming=True, received_at=NOON)
    session = bench.meter.open(call, body=SENT)
    session.sending()
    session.head(200, {"content-type": "application/vnd.amazon.eventstream"})
    record = session.close(Ending.CLIENT_GONE)
    assert record is not None
    assert record.usage == Usage(input=FORECASTER.forecast(call, SENT).tokens, source=UsageSource.ESTIMATE)
    assert record.outcome.certainty is Certainty.AT_LEAST


def test_the_body_is_let_go_of() -> None:
    """Whoever keeps a closed session does not keep the prompt."""
    session = a_bench(0).meter.open(CALL, body=b"canary-" + SENT)
    assert b"canary-" in bytes_in(session)
    session.close(Ending.UNREACHABLE)
    assert b"canary-" not in bytes_in(session)


def bytes_in(session: object) -> bytes:
    """Give all bytes objects that a session refers to, joined."""
    found, waiting, seen = [], [session], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, bytes):
            found.append(each)
        elif isinstance(each, list | tuple | set | frozenset):
            waiting.extend(each)
        elif hasattr(each, "__dict__"):
            waiting.extend(vars(each).values())
    return b"".join(found)
