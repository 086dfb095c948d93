"""Forecasts of a call's input from its body, and how they reach the record."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY, Bench, a_call, a_model

from bedrock_meter.domain import Ending, Operation
from bedrock_meter.estimate import Estimator
from bedrock_meter.forecast import Forecast
from bedrock_meter.forecaster import EstimateForecaster
from bedrock_meter.ports import Forecaster

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
