"""The size of a call's input, by estimate: before it is sent, or when it ended without Bedrock's own count. Pure.

``EstimateForecaster(estimator).forecast(call, body)`` is a `Forecaster` of `ports`. It asks nobody and takes some 50 ms
for each MB of a body (docs/estimates.md has figures), so it runs only where somebody needs the answer; `Expectation`
puts it off until then.
"""

import json
from typing import Any
from zlib import crc32

from bedrock_meter.domain import Call
from bedrock_meter.estimate import Estimator
from bedrock_meter.estimate.content import read
from bedrock_meter.forecast import Forecast
from bedrock_meter.ports import Forecaster

_HASHES = 2**32


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
        content = None if document is None else read(document)
        bound = self._estimator.upper_bound(call.model, len(body), content)
        if content is None:
            return Forecast(tokens=bound.tokens, most=bound.tokens, method=bound.method)
        estimate = self._estimator.request(call.model, content)
        return Forecast(tokens=estimate.tokens, most=max(estimate.tokens, bound.tokens), method=estimate.method)


class Expectation:
    """What is expected of the input of one call: told before it, or worked out from its body when somebody asks.

    The body is content. It is held here while the call lasts, and let go of by `end`; nothing but a number comes out.

    Args:
        told: What was told before the call; None where nobody had asked.
        body: The body, for whoever asks later; None where there is none.
    """

    def __init__(self, told: Forecast | None, body: bytes | None) -> None:
        self.told = told
        self._body = None if told is not None else body

    def of(self, call: Call, forecaster: Forecaster | None) -> Forecast | None:
        """Give it; None where there is nothing to work it out from."""
        if self.told is None and self._body is not None and forecaster is not None:
            self.told = forecaster.forecast(call, self._body)
        return self.told

    def end(self) -> None:
        """Let go of the body."""
        self._body = None


def sampled(call_id: str, share: float) -> bool:
    """Tell whether a call is among a share of all calls, always the same way for the same id.

    Args:
        call_id: Our id of the call.
        share: From 0 for none to 1 for all.
    """
    return crc32(call_id.encode()) < share * _HASHES


def _json(body: bytes) -> Any:
    """Parse a body; None where it is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
