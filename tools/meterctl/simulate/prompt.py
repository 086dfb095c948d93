"""What a request asks of a model, without its text: sizes, digests and cache marks.

A `Segment` keeps the length and a digest of a piece of the prompt. The text itself is not kept, so nothing that is
stored or reported later can contain it.
"""

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Self

from meterctl.simulate.answer import invalid
from meterctl.simulate.tokens import Tokens, count, fingerprint

type Lifetime = Literal["5m", "1h"]

DEFAULT_LIFETIME: Final[Lifetime] = "5m"
_PREFIX_AND_REST: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One piece of a prompt: a text block, a tool, an image."""

    size: int
    """UTF-8 bytes."""
    digest: bytes
    """Stands for the piece's place and content in the prompt cache."""
    lifetime: Lifetime | None = None
    """Set where the prompt up to and with this piece is to be cached."""

    @classmethod
    def of(cls, place: str, content: object, lifetime: Lifetime | None = None) -> Self:
        """Measure `content`: a text as it is, anything else as compact JSON."""
        text = content if isinstance(content, str) else json.dumps(content, separators=(",", ":"), sort_keys=True)
        # JSON may carry lone surrogates, which have no strict UTF-8 form.
        data = text.encode("utf-8", "surrogatepass")
        return cls(size=len(data), digest=fingerprint(place.encode("utf-8", "surrogatepass"), data), lifetime=lifetime)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request as the token model sees it."""

    segments: tuple[Segment, ...]
    """In the order in which the prompt cache sees them: tools, system, messages."""
    max_tokens: int | None = None
    """The caller's limit for the answer; None where it set none."""
    amount: int = 1
    """How many images, vectors or ranks are asked for."""
    units: Mapping[str, int] = field(default_factory=dict)
    """What is billed besides tokens."""

    @property
    def tokens(self) -> int:
        """All input tokens, cached or not."""
        return sum(count(segment.size) for segment in self.segments)

    @property
    def wants_cache(self) -> bool:
        """Whether any piece carries a cache mark."""
        return any(segment.lifetime for segment in self.segments)


def mark_prefix(prompt: Prompt) -> Prompt:
    """Return `prompt` with a cache mark before its last piece, for models that cache without being told."""
    if prompt.wants_cache or len(prompt.segments) < _PREFIX_AND_REST:
        return prompt
    *first, prefix, last = prompt.segments
    return replace(prompt, segments=(*first, replace(prefix, lifetime=DEFAULT_LIFETIME), last))


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSplit:
    """Input tokens divided by what the prompt cache does with them."""

    tokens: Tokens
    """The input buckets; output is 0."""
    written: tuple[bytes, ...]
    """The prefixes that the cache holds from now on."""


def split_by_cache(prompt: Prompt, *, scope: bytes, known: Container[bytes]) -> CacheSplit:
    """Divide the input tokens of `prompt` into plain, read and written ones.

    The longest marked prefix that is known is read; the pieces between later marks are written, each with the lifetime
    of the mark that ends it; what follows the last mark is plain input. Two things are simpler than on Bedrock: there
    is no least length of a prefix, and nothing expires.

    Args:
        prompt: The request.
        scope: What a prefix belongs to, such as the model.
        known: The prefixes that earlier calls wrote.
    """
    running, chain = 0, fingerprint(scope)
    read = marked = 0
    unread: list[tuple[int, Lifetime, bytes]] = []
    for segment in prompt.segments:
        running += count(segment.size)
        chain = fingerprint(chain, segment.digest)
        if segment.lifetime is None:
            continue
        if chain in known:
            read, unread = running, []
        else:
            unread.append((running - marked, segment.lifetime, chain))
        marked = running
    return CacheSplit(
        tokens=Tokens(
            input=running - marked,
            cache_read=read,
            cache_write_5m=sum(size for size, lifetime, _ in unread if lifetime == "5m"),
            cache_write_1h=sum(size for size, lifetime, _ in unread if lifetime == "1h"),
        ),
        written=tuple(prefix for _, _, prefix in unread),
    )


def read_lifetime(mark: Mapping[str, Any], where: str) -> Lifetime:
    """Return the lifetime that a cache mark asks for; raise a ValidationException for any but 5m and 1h."""
    match mark.get("ttl", DEFAULT_LIFETIME):
        case "5m":
            return "5m"
        case "1h":
            return "1h"
        case _:
            raise invalid(f"{where}.ttl: Input should be '5m' or '1h'")


def take_object(value: Any, where: str) -> dict[str, Any]:
    """Return `value` as an object, or raise a ValidationException that names the place."""
    if not isinstance(value, dict):
        raise invalid(f"{where}: Input should be an object")
    return value


def take_list(value: Any, where: str, *, least: int = 0) -> list[Any]:
    """Return `value` as a list of at least `least` items, or raise a ValidationException that names the place."""
    if not isinstance(value, list) or len(value) < least:
        raise invalid(f"{where}: Input should be a list with at least {least} items")
    return value


def take_text(value: Any, where: str) -> str:
    """Return `value` as a text that is not empty, or raise a ValidationException that names the place."""
    if not isinstance(value, str) or not value:
        raise invalid(f"{where}: Input should be a text that is not empty")
    return value


def take_limit(value: Any, where: str) -> int | None:
    """Return `value` as a positive integer or None, or raise a ValidationException that names the place."""
    if value is None:
        return None
    # bool is a subclass of int; JSON's `true` is no number.
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise invalid(f"{where}: Input should be a positive integer")
    return value
