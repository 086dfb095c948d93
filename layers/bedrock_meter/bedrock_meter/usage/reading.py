"""What a reader finds, and how the counts of two sources become one usage."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Protocol

from bedrock_meter.domain import Usage, UsageSource
from bedrock_meter.usage.counts import TOKEN_FIELDS, Counts
from bedrock_meter.usage.said import Said

_tokens = attrgetter(*TOKEN_FIELDS)
_SILENT = _tokens(Counts())


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reader found."""

    usage: Usage | None = None
    """The counts, or None when there were none."""
    complete: bool = False
    """Whether every count that the answer can have is known for certain."""
    complete_if_whole: bool = False
    """Nothing is missing, provided that the answer arrived whole; only the transport knows that it did."""
    cut: bool = False
    """The last bytes were the beginning of something that did not come."""
    stop_reason: str | None = None
    """Why the model stopped."""
    latency_ms: int | None = None
    """Bedrock's own latency, where it gave one."""
    error_code: str | None = None
    """The AWS exception name of an error answer, or of an exception inside a stream."""
    error_status: int | None = None
    """The HTTP status that an exception inside a stream stands for; its answer's own status was 200."""
    invoked_model: str | None = None
    """The model that a prompt router chose."""
    disagreement: bool = False
    """Two sources gave different numbers for the same count."""
    faults: tuple[str, ...] = ()
    """What could not be read."""
    said: Said | None = field(default=None, compare=False, repr=False)
    """What a stream has said so far, where its counts did not come; None for other answers."""


class UsageReader(Protocol):
    """Reads one answer as its bytes pass by."""

    @property
    def content_started(self) -> bool:
        """Whether the first piece of the answer itself has arrived; for a buffered answer its first byte."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""

    def result(self) -> Reading:
        """Tell what was read so far. May be asked at any time; an answer that broke off gives what it had."""


def merge(
    billed: Counts,
    body: Counts,
    *,
    units: Mapping[str, int] | None = None,
    sources: tuple[UsageSource, UsageSource] = (UsageSource.HEADER, UsageSource.BODY),
) -> tuple[Usage | None, bool]:
    """Join the counts that Bedrock bills by with those of the model's own body.

    Args:
        billed: What the token headers or the invocation metrics say.
        body: What the body says.
        units: Units that are not tokens.
        sources: What the two are called in the usage.

    Returns:
        The usage, None when neither source gave a count; and whether the two differed anywhere.
    """
    told, own = _tokens(billed), _tokens(body)
    taken, disagreement = told, False
    if own != _SILENT:
        pairs = tuple(zip(told, own, strict=True))
        taken = tuple(second if first is None else first for first, second in pairs)
        disagreement = any(first is not None and second not in {None, first} for first, second in pairs)
    one_hour = body.cache_write_1h
    if taken == _SILENT and one_hour is None and not units:
        return None, disagreement
    input_tokens, output, cache_read, cache_write = taken
    if cache_write is not None and one_hour is not None and one_hour > cache_write:
        one_hour, disagreement = cache_write, True
    # The first two are the input and the output: a usage is the body's as soon as one of them is.
    from_body = taken[:2] != told[:2] or (told == _SILENT and not billed.known())
    usage = Usage(
        input=input_tokens,
        output=output,
        cache_read=cache_read,
        cache_write_5m=None if cache_write is None else cache_write - (one_hour or 0),
        cache_write_1h=one_hour,
        other=dict(units or {}),
        source=sources[1] if from_body else sources[0],
    )
    return usage, disagreement


def has_all(usage: Usage | None, needs: Collection[str]) -> bool:
    """Tell whether a usage knows everything that a row needs; where it needs nothing, any count will do."""
    if usage is None:
        return False
    return all(name in usage.other or getattr(usage, name, None) is not None for name in needs)
