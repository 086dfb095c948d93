"""What an answer consumed: ``reader_for(call, status, headers) -> UsageReader``; ``feed`` it, then ask ``result``.

Precedence: Bedrock's own count (the token headers of InvokeModel, the ``usage`` of Converse), then the body of the
model family for what that lacks, such as how long a cache write lives. A reader never raises; what it cannot read is a
fault by name and an unknown count.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bedrock_meter.domain import Call, Family, Operation, Usage, UsageSource
from bedrock_meter.usage import headers as token_headers
from bedrock_meter.usage.counts import TOKEN_FIELDS, Counts
from bedrock_meter.usage.families import UNKNOWN, shape_for
from bedrock_meter.usage.shape import Body, Shape, read

MAX_BODY = 32 * 1024 * 1024
"""The largest answer that is parsed, in bytes. A Lambda answer ends at 6 MB and the largest documented Bedrock answers
(images as base64) at 25 MB; beyond this only the headers count, so that memory stays bounded."""

ANSWER_NOT_JSON = "answer_not_json"
ANSWER_TOO_LARGE = "answer_too_large_to_read"

_HTTP_ERROR = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reader found."""

    usage: Usage | None = None
    """The counts, or None when there were none."""
    complete: bool = False
    """Whether both input and output are known."""
    stop_reason: str | None = None
    """Why the model stopped."""
    latency_ms: int | None = None
    """Bedrock's own latency, where it gave one."""
    error_code: str | None = None
    """The AWS exception name of an error answer."""
    disagreement: bool = False
    """Two sources gave different numbers for the same count."""
    faults: tuple[str, ...] = ()
    """What could not be read."""


class UsageReader(Protocol):
    """Reads one answer as its bytes pass by."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""

    def result(self) -> Reading:
        """Tell what was read so far. May be asked at any time; an answer that broke off gives what it had."""


def reader_for(call: Call, http_status: int, headers: Mapping[str, str]) -> UsageReader:
    """Choose the reader of an answer by its status, operation and family.

    Args:
        call: The call that is answered.
        http_status: The status of the answer.
        headers: Its headers with lower-case names.
    """
    if http_status >= _HTTP_ERROR:
        return _ErrorReader(headers)
    if call.operation in {Operation.COUNT_TOKENS, Operation.UNKNOWN}:
        return _FreeReader()
    family = call.model.family if call.model else Family.OTHER
    return _JsonReader(shape_for(call.operation, family), headers)


class _FreeReader:
    """CountTokens costs nothing (https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html)."""

    def feed(self, chunk: bytes) -> None:
        pass

    def result(self) -> Reading:
        return Reading(complete=True)


class _Buffer:
    """Collects a body up to `MAX_BODY`."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= MAX_BODY:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()

    def document(self) -> tuple[dict[str, object], list[str]]:
        """Parse what was collected: a JSON object, or an empty one and the fault."""
        if self._size > MAX_BODY:
            return {}, [ANSWER_TOO_LARGE]
        try:
            document = json.loads(b"".join(self._chunks))
        except (ValueError, RecursionError):
            return {}, [ANSWER_NOT_JSON]
        return (document, []) if isinstance(document, dict) else ({}, [ANSWER_NOT_JSON])


class _ErrorReader(_Buffer):
    """An error answer: nothing was consumed that Bedrock would say. Only the name of the error is of interest."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._headers = headers

    def result(self) -> Reading:
        code = token_headers.error_code(self._headers)
        if code is None:
            # Recorded Bedrock errors carry the name in the header; `__type` is where other AWS JSON services put it.
            stated = self.document()[0].get("__type")
            code = (
                token_headers.error_code({token_headers.ERROR_TYPE: stated.rpartition("#")[2]})
                if isinstance(stated, str)
                else None
            )
        return Reading(error_code=code)


class _JsonReader(_Buffer):
    """A buffered answer: token headers first, then the body by the row of its family."""

    def __init__(self, shape: Shape, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._shape = shape
        self._headers = headers

    def result(self) -> Reading:
        billed, faults = token_headers.counts(self._headers)
        body = Body()
        if self._shape is not UNKNOWN:
            document, body_faults = self.document()
            body = read(self._shape, document)
            faults += body_faults + body.faults
        usage, disagreement = merge(billed, body.counts)
        latency = token_headers.latency_ms(self._headers)
        return Reading(
            usage=usage,
            complete=usage is not None and usage.input is not None and usage.output is not None,
            stop_reason=body.stop_reason,
            latency_ms=body.latency_ms if latency is None else latency,
            disagreement=disagreement,
            faults=tuple(faults),
        )


def merge(billed: Counts, body: Counts) -> tuple[Usage | None, bool]:
    """Join the counts of the headers and of the body.

    Returns:
        The usage, None when neither source gave a count; and whether the two differed anywhere.
    """
    taken, disagreement, from_body = Counts(), False, False
    for name in TOKEN_FIELDS:
        first, second = getattr(billed, name), getattr(body, name)
        disagreement |= first is not None and second is not None and first != second
        from_body |= first is None and second is not None and name in {"input", "output"}
        setattr(taken, name, second if first is None else first)
    one_hour = body.cache_write_1h
    if taken == Counts() and one_hour is None:
        return None, disagreement
    if taken.cache_write is not None and one_hour is not None and one_hour > taken.cache_write:
        one_hour, disagreement = taken.cache_write, True
    five_minutes = None if taken.cache_write is None else taken.cache_write - (one_hour or 0)
    usage = Usage(
        input=taken.input,
        output=taken.output,
        cache_read=taken.cache_read,
        cache_write_5m=five_minutes,
        cache_write_1h=one_hour,
        source=UsageSource.BODY if from_body or billed == Counts() else UsageSource.HEADER,
    )
    return usage, disagreement
