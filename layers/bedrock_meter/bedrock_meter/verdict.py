"""What became of a call, and how far its counts can be trusted, from how its exchange with Bedrock ended. Pure."""

from bedrock_meter.domain import Certainty, Ending, Status
from bedrock_meter.usage import Reading

# Statuses by which Bedrock says that it did not process the request at all, so that nothing can have been consumed.
_NOT_PROCESSED = frozenset({400, 401, 403, 404, 413, 429})
_THROTTLED, _FIRST_ERROR, _FIRST_SERVER_ERROR = 429, 400, 500
_MODEL_NOT_READY = "ModelNotReadyException"
"""A 429 that is no throttle: the model is being loaded."""


def status_of(ending: Ending, http_status: int | None, error_code: str | None) -> Status:
    """Give the class of an answer; `http_status` is the caller's, or what an exception inside a stream stands for."""
    if ending is Ending.REFUSED:
        return Status.SERVER_ERROR if (http_status or 0) >= _FIRST_SERVER_ERROR else Status.DENIED
    if http_status is None or ending not in {Ending.COMPLETE, Ending.CLIENT_GONE}:
        return Status.SERVER_ERROR
    if http_status == _THROTTLED and error_code != _MODEL_NOT_READY:
        return Status.THROTTLED
    if http_status >= _FIRST_SERVER_ERROR or error_code == _MODEL_NOT_READY:
        return Status.SERVER_ERROR
    return Status.CLIENT_ERROR if http_status >= _FIRST_ERROR else Status.OK


def certainty_of(ending: Ending, reading: Reading, http_status: int | None, *, unsent: bool = False) -> Certainty:
    """Tell how far the counts can be trusted.

    Args:
        ending: How the exchange ended.
        reading: What was counted.
        http_status: Bedrock's own; None when no answer arrived.
        unsent: Whether it is certain that nothing of the call has reached Bedrock.
    """
    if unsent or ending is Ending.REFUSED or http_status in _NOT_PROCESSED:
        return Certainty.EXACT
    whole = ending is Ending.COMPLETE
    if whole and reading.cut:
        return Certainty.AT_LEAST if reading.usage else Certainty.UNKNOWN
    if reading.complete or (whole and reading.complete_if_whole):
        return Certainty.EXACT
    return Certainty.UNKNOWN if reading.usage is None else Certainty.AT_LEAST
