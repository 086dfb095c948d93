"""Readers of answers that are one document: JSON bodies, error bodies, and answers that cost nothing."""

import json
from collections.abc import Mapping, Sequence

from bedrock_meter.domain import Call, Family, Operation, UsageSource
from bedrock_meter.usage import failures
from bedrock_meter.usage import headers as token_headers
from bedrock_meter.usage.counts import Counts
from bedrock_meter.usage.families import row_for
from bedrock_meter.usage.reading import Reading, has_all, merge
from bedrock_meter.usage.shape import Body, read_first
from bedrock_meter.usage.units import guardrail_usage, trace_usage

MAX_BODY = 32 * 1024 * 1024
"""The largest answer that is parsed, in bytes. A Lambda answer ends at 6 MB and the largest documented Bedrock answers
(images as base64) at 25 MB; beyond this only the headers count, so that memory stays bounded."""

ANSWER_NOT_JSON = "answer_not_json"
ANSWER_TOO_LARGE = "answer_too_large_to_read"

DOCUMENTS_PER_SEARCH_UNIT = 100
"""A rerank query with more documents is billed as several (https://aws.amazon.com/bedrock/pricing/)."""

_GUARDRAIL_OPERATIONS = frozenset({Operation.APPLY_GUARDRAIL, Operation.INVOKE_GUARDRAIL_CHECKS})
_SILENT = Body()
"""What an answer without a document says; it is only read."""


class UncountedReader:
    """An answer without counts.

    Args:
        free: Whether it is certain that the call costs nothing. CountTokens does not
            (https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html), nor does asking for the state of
            an asynchronous call; starting one does, and only its result, in S3, tells what.
    """

    def __init__(self, *, free: bool) -> None:
        self._free = free
        self.content_started = False

    def feed(self, chunk: bytes) -> None:
        """Take nothing from it."""
        self.content_started |= bool(chunk)

    def result(self) -> Reading:
        """Tell whether nothing is owed."""
        return Reading(complete=self._free)


class _Buffer:
    """Collects a body up to `MAX_BODY`."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    @property
    def content_started(self) -> bool:
        return self._size > 0

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


class ErrorReader(_Buffer):
    """An error answer: nothing was consumed that Bedrock would say. Only the name of the error is of interest."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._headers = headers

    @property
    def content_started(self) -> bool:
        """An error has no first token."""
        return False

    def result(self) -> Reading:
        """Tell the name of the error."""
        if (code := token_headers.error_code(self._headers)) is not None:
            return Reading(error_code=code)
        return Reading(error_code=failures.of_answer(self._headers, self.document()[0]))


class JsonReader(_Buffer):
    """A buffered answer: token headers first, then the body by the row of its operation or family."""

    def __init__(self, call: Call, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._call = call
        self._headers = headers

    def result(self) -> Reading:
        """Tell the counts."""
        family = _family(self._call)
        billed, faults = token_headers.counts(self._headers)
        document, unread = self.document() if row_for(self._call.operation, family).bodies else ({}, [])
        if self._call.operation is Operation.INVOKE_MODEL and family is Family.OTHER:
            unread = []  # nobody said that this body is JSON
        latency = token_headers.latency_ms(self._headers)
        return read_document(self._call, document, billed=billed, faults=faults + unread, latency_ms=latency)


def read_document(
    call: Call,
    document: Mapping[str, object],
    *,
    billed: Counts,
    faults: Sequence[str] = (),
    latency_ms: int | None = None,
    sources: tuple[UsageSource, UsageSource] = (UsageSource.HEADER, UsageSource.BODY),
) -> Reading:
    """Read the counts of an answer that is one document: those that Bedrock bills by, then the body's own.

    Args:
        call: The call that is answered.
        document: The parsed body; empty where there is none.
        billed: What Bedrock itself counted.
        faults: What could not be read so far.
        latency_ms: Bedrock's own latency, where it is known without the body.
        sources: What the two sources are called in the usage.
    """
    row = row_for(call.operation, _family(call))
    body = _SILENT
    if document and row.bodies:
        _, body = read_first(row.bodies, document)
        _add_units(call, body, document)
    usage, disagreement = merge(billed, body.counts, units=body.units, sources=sources)
    return Reading(
        usage=usage,
        complete=has_all(usage, row.needs) and ("search_units" not in row.needs or call.documents is not None),
        stop_reason=body.stop_reason,
        latency_ms=body.latency_ms if latency_ms is None else latency_ms,
        invoked_model=body.invoked_model,
        disagreement=disagreement or body.disagreement,
        faults=(*faults, *body.faults),
    )


def _family(call: Call) -> Family:
    return call.model.family if call.model else Family.OTHER


def _add_units(call: Call, body: Body, document: Mapping[str, object]) -> None:
    if call.operation in _GUARDRAIL_OPERATIONS:
        units, faults = guardrail_usage(document)
    else:
        units, faults = trace_usage(document.get("trace") or document.get("amazon-bedrock-trace"))
    body.units |= units
    body.faults += faults
    results = body.units.pop("results", None)
    if results is not None:
        # The answer may be shorter than the list of documents, so without that it is a lower bound.
        documents = max(results, call.documents or 0, 1)
        body.units["search_units"] = -(-documents // DOCUMENTS_PER_SEARCH_UNIT)
