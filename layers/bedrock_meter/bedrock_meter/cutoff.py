"""A stream that ended before its counts came: its output is estimated from what it had said by then. Pure."""

from dataclasses import replace

from bedrock_meter.domain import Call, Usage, UsageSource
from bedrock_meter.estimate import Estimator
from bedrock_meter.usage import Reading


def with_estimate(reading: Reading, call: Call, estimator: Estimator) -> Reading:
    """Put an estimated output into a reading that lacks its counts; give any other reading back as it is.

    The input stays as far as the stream had told it. The estimate is of what was relayed: what a model thought and did
    not show is billed as output too, and is not in it.
    """
    if reading.complete or reading.complete_if_whole or not reading.said:
        return reading
    text, share = reading.said.text()
    estimated = round(estimator.text(call.model, text).tokens * share)
    known = reading.usage or Usage(source=UsageSource.ESTIMATE)
    # A stream may have stated a first output count, which is a placeholder or the count so far.
    usage = replace(known, output=max(estimated, known.output or 0), source=UsageSource.ESTIMATE)
    return replace(reading, usage=usage)
