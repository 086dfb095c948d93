"""Where a JSON answer keeps its counts, as data: a `Shape` is a row of paths, and `read` follows them.

A path is dotted. ``results[].tokenCount`` sums over a list; ``usage.cacheDetails[ttl=1h].inputTokens`` sums over the
entries whose ``ttl`` is ``1h``. A field may have several paths: the first that is there counts, they are never added.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bedrock_meter.usage.counts import Counts, read_count

type Step = tuple[str, tuple[str, str] | None, bool]
"""A key to follow; for a list also the ``(key, value)`` that its entries must have, and whether it is a list."""

_STEP = re.compile(r"(?P<key>[^.\[]+)(?P<list>\[(?:(?P<name>\w+)=(?P<value>\w+))?\])?(?:\.|$)")


def path(text: str) -> tuple[Step, ...]:
    """Compile one path; done at import, so that a wrong row cannot reach a call."""
    steps = tuple(
        (m["key"], (m["name"], m["value"]) if m["name"] else None, m["list"] is not None) for m in _STEP.finditer(text)
    )
    if not steps or "".join(m.group() for m in _STEP.finditer(text)) != text:
        msg = f"not a path: {text!r}"
        raise ValueError(msg)
    return steps


def paths(*texts: str) -> tuple[tuple[Step, ...], ...]:
    """Compile the alternatives of one field, the preferred one first."""
    return tuple(path(text) for text in texts)


type Paths = tuple[tuple[Step, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The row of one family: for each field its paths. A family that does not have a field leaves it empty."""

    input: Paths = ()
    output: Paths = ()
    cache_read: Paths = ()
    cache_write: Paths = ()
    cache_write_1h: Paths = ()
    stop_reason: Paths = ()
    latency_ms: Paths = ()


@dataclass(slots=True, kw_only=True)
class Body:
    """What a JSON answer said."""

    counts: Counts = field(default_factory=Counts)
    stop_reason: str | None = None
    latency_ms: int | None = None
    faults: list[str] = field(default_factory=list)


def read(shape: Shape, document: Mapping[str, Any]) -> Body:
    """Follow every path of a row through a parsed answer. Never raises: what is no count is a fault, and unknown."""
    body = Body()
    for name in ("input", "output", "cache_read", "cache_write", "cache_write_1h"):
        try:
            setattr(body.counts, name, _count(getattr(shape, name), document))
        except ValueError:
            body.faults.append(f"body_{name}_not_a_count")
    try:
        body.latency_ms = _count(shape.latency_ms, document)
    except ValueError:
        body.faults.append("body_latency_not_a_count")
    body.stop_reason = _text(shape.stop_reason, document)
    return body


def _count(alternatives: Paths, document: Mapping[str, Any]) -> int | None:
    for steps in alternatives:
        found = [read_count(value) for value in _follow(steps, document) if value is not None]
        if found:
            return read_count(sum(found))
    return None


def _text(alternatives: Paths, document: Mapping[str, Any]) -> str | None:
    values = (value for steps in alternatives for value in _follow(steps, document))
    # A stop reason is a word of the model's API. Anything longer is not one, and might be content.
    return next((value for value in values if isinstance(value, str) and re.fullmatch(r"\w{1,64}", value)), None)


def _follow(steps: tuple[Step, ...], value: Any) -> Iterator[Any]:
    if not steps:
        yield value
        return
    (key, condition, is_list), rest = steps[0], steps[1:]
    if not isinstance(value, dict) or key not in value:
        return
    if not is_list:
        yield from _follow(rest, value[key])
    elif isinstance(value[key], list):
        for entry in value[key]:
            if condition is None or (isinstance(entry, dict) and entry.get(condition[0]) == condition[1]):
                yield from _follow(rest, entry)
