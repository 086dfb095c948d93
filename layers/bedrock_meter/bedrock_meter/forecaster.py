"""The size of a call's input before it is sent, by estimate: ``EstimateForecaster(estimator).forecast(call, body)``.

A `Forecaster` of `ports`. It asks nobody and takes some 50 ms for each MB of a body (docs/estimates.md has figures), so
it runs only where somebody needs the answer.
"""

import json
from typing import Any

from bedrock_meter.domain import Call
from bedrock_meter.estimate import Estimator
from bedrock_meter.forecast import Forecast


class EstimateForecaster:
    """Forecasts from what stands in the body. Safe to share between threads; never raises.

    Args:
        estimator: Counts tokens.
    """

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator

    def forecast(self, call: Call, body: bytes) -> Forecast:
        """Tell what the input of a call will come to.

        A body that is no JSON, as some imported models take, is known by its size alone: then `tokens` is the bound.
        Where a body has parts that cannot be counted (video, audio, files elsewhere) neither number has them in it.

        Args:
            call: The call, described.
            body: The body that will be sent.
        """
        document = _json(body)
        bound = self._estimator.upper_bound(call.model, len(body), document)
        if document is None:
            return Forecast(tokens=bound.tokens, most=bound.tokens, method=bound.method)
        estimate = self._estimator.request(call.model, document)
        return Forecast(tokens=estimate.tokens, most=max(estimate.tokens, bound.tokens), method=estimate.method)


def _json(body: bytes) -> Any:
    """Parse a body; None where it is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
