"""One line of Bedrock's invocation log, checked; and its parts, where what is wrong is told as a fault and not guessed.

See https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html. AWS does not document the values
of ``status`` and ``errorCode``.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bedrock_meter.domain import Operation
from bedrock_meter.errors import LogEntryError
from bedrock_meter.usage.failures import STREAM_EXCEPTIONS

SCHEMA = "ModelInvocationLog"
SCHEMA_VERSION = "1."
"""The beginning of the versions that are understood; AWS counts up the part before the point when fields change."""

MAX_SKEW = timedelta(hours=2)
"""How far an entry's own time may lie from the time at which it was written to the log; CloudWatch refuses metrics from
further in the future than this."""

NOT_JSON, SCHEMA_UNKNOWN, NO_REQUEST_ID = "entry_not_json", "entry_schema_unknown", "entry_without_request_id"
TIME_UNREADABLE, CLOCK_SKEW = "log_time_unreadable", "log_clock_skew"
OPERATION_UNKNOWN, ERROR_UNKNOWN = "log_operation_unknown", "log_error_unknown"

# The errors of bedrock-runtime by name; those that streams have too come from there
# (https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html).
_STATUSES: Mapping[str, int] = {
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    **{name[:1].upper() + name[1:]: status for name, status in STREAM_EXCEPTIONS.items()},
}
_ERROR_STATUS = re.compile(r"[45][0-9]{2}")
_OK = 200
_MAX_TEXT = 2048
_MAX_CODE = 128
"""Longer than any error's name."""


def parse_line(line: str) -> Mapping[str, Any] | None:
    """Give the entry of an invocation; None for a line of another kind.

    Raises:
        LogEntryError: The line is an invocation of an unknown schema or without an id, or it is JSON that breaks off.
    """
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        if line.lstrip()[:1] != "{":
            return None
        raise LogEntryError(NOT_JSON, "the line begins as JSON and is not; CloudWatch may have cut it") from None
    if not isinstance(entry, dict) or entry.get("schemaType") != SCHEMA:
        return None
    if not str(entry.get("schemaVersion")).startswith(SCHEMA_VERSION):
        raise LogEntryError(SCHEMA_UNKNOWN, f"schemaVersion is not {SCHEMA_VERSION}x; a newer version may read it")
    if not text(entry.get("requestId")):
        raise LogEntryError(NO_REQUEST_ID, "the entry has no requestId, so it could not be counted once and only once")
    return entry


def http_status(entry: Mapping[str, Any], code: str | None) -> int | None:
    """Give the status of the answer; None for an error that nobody knows."""
    for stated in (entry.get("status"), code):
        if stated is not None and _ERROR_STATUS.fullmatch(str(stated)):
            return int(stated)
    return _OK if code is None else _STATUSES.get(code)


def error_code(entry: Mapping[str, Any]) -> str | None:
    """Give the name of the error; None for a call that went well."""
    stated = entry.get("errorCode")
    return None if stated is None or stated == "" else str(stated)[:_MAX_CODE]


def operation(entry: Mapping[str, Any], faults: list[str]) -> Operation:
    """Give the operation; one that nobody knows is still counted."""
    try:
        return Operation(str(entry.get("operation")))
    except ValueError:
        faults.append(OPERATION_UNKNOWN)
        return Operation.UNKNOWN


def time(entry: Mapping[str, Any], written: datetime | None, faults: list[str]) -> datetime:
    """Give the entry's own time; that of the log event where the two are too far apart or there is only one."""
    try:
        own = datetime.fromisoformat(entry["timestamp"])
        own = own if own.tzinfo else own.replace(tzinfo=UTC)
    except (KeyError, TypeError, ValueError):
        if written is None:
            raise LogEntryError(
                TIME_UNREADABLE, "the entry has no timestamp, and nothing else tells its time"
            ) from None
        faults.append(TIME_UNREADABLE)
        return written
    if written is not None and abs(own - written) > MAX_SKEW:
        faults.append(CLOCK_SKEW)
        return written
    return own


def part(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Give a member that is an object; an empty one where it is not."""
    value = entry.get(name)
    return value if isinstance(value, dict) else {}


def text(value: object, longest: int = _MAX_TEXT) -> str | None:
    """Give a value that is a text of at most so many characters; None where it is not."""
    return value if isinstance(value, str) and 0 < len(value) <= longest else None
