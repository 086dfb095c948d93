"""A stream that ended before its counts came: what it had not told by then is estimated. Pure."""

from collections.abc import Callable
from dataclasses import replace

from bedrock_meter.domain import Call, Usage, UsageSource
from bedrock_meter.estimate import Estimator, Method
from bedrock_meter.forecast import Forecast
from bedrock_meter.usage import Reading


def with_estimate(
    reading: Reading, call: Call, estimator: Estimator, expected: Callable[[], Forecast | None]
) -> Reading:
    """Put estimates into the reading of a stream that lacks its counts; give any other reading back as it is.

    The input is what the stream had told, else what was expected. The output is that of the text that was relayed: what
    a model thought and did not show is billed too, and is not in it. A stream that Bedrock had begun and that had said
    nothing yet has consumed its input, unless it told of an error; its output stays unknown.

    Args:
        reading: What was read.
        call: The call.
        estimator: Counts the output.
        expected: Tells what is expected of the input, asked only when it is needed.
    """
    if reading.complete or reading.complete_if_whole or reading.said is None:
        return reading
    known = reading.usage or Usage(source=UsageSource.ESTIMATE)
    output = known.output
    if reading.said:
        text, share = reading.said.text()
        # A stream may have stated a first output count, which is a placeholder or the count so far.
        output = max(round(estimator.text(call.model, text).tokens * share), known.output or 0)
    elif reading.usage is not None or reading.error_code is not None:
        return reading
    tokens = _input(known, expected) if known.input is None else known.input
    if tokens is None and output is None:
        return reading
    return replace(reading, usage=replace(known, input=tokens, output=output, source=UsageSource.ESTIMATE))


def _input(known: Usage, expected: Callable[[], Forecast | None]) -> int | None:
    """Give the input tokens beside the cached ones. A bound is no estimate: less may have been consumed."""
    forecast = expected()
    if forecast is None or forecast.method == Method.BOUND:
        return None
    return max(forecast.tokens - known.total_input, 0)
