"""Where a JSON answer keeps its counts, as data: a `Shape` is a row of paths, and `read` follows them.

A path is dotted. ``results[].tokenCount`` sums over a list; ``usage.cacheDetails[ttl=1h].inputTokens`` sums over the
entries whose ``ttl`` is ``1h``; ``images[#]`` is how many entries a list has, not counting empty ones. A field may have
several paths: the first that is there counts, they are never added.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bedrock_meter.usage.counts import Counts, read_count

type Step = tuple[str, tuple[str, str] | None, str]
"""A key to follow; for a list also the ``(key, value)`` that its entries must have; and what is done there."""

_KEY, _EACH, _LENGTH = "key", "each", "length"
_STEP = re.compile(
    r"(?P<key>[^.\[]+)(?P<list>\[(?:(?P<name>\w+)=(?P<value>\w+))?\])?(?P<length>(?<!\])\[#\](?=$))?(?:\.|$)"
)
# A stop reason is a word of the model's API. Anything longer is not one, and might be content.
_WORD = re.compile(r"\w{1,64}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9:/._-]{0,2047}")


def path(text: str) -> tuple[Step, ...]:
    """Compile one path; done at import, so that a wrong row cannot reach a call."""
    steps = tuple(
        (
            m["key"],
            (m["name"], m["value"]) if m["name"] else None,
            _EACH if m["list"] else _LENGTH if m["length"] else _KEY,
        )
        for m in _STEP.finditer(text)
    )
    if not steps or "".join(m.group() for m in _STEP.finditer(text)) != text or text.endswith("."):
        msg = f"not a path: {text!r}"
        raise ValueError(msg)
    return steps


def paths(*texts: str) -> "Paths":
    """Compile the alternatives of one field, the preferred one first."""
    return tuple(path(text) for text in texts)


type Paths = tuple[tuple[Step, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The row of one kind of body: for each field its paths. A body that does not have a field leaves it empty."""

    input: Paths = ()
    output: Paths = ()
    cache_read: Paths = ()
    cache_write: Paths = ()
    cache_write_1h: Paths = ()
    total: Paths = ()
    """The body's own sum; only where it is known to be the sum of everything."""
    cache_in_input: bool = False
    """Whether ``input`` counts cached tokens too; they are then taken out of it."""
    units: tuple[tuple[str, Paths], ...] = ()
    """Units that are not tokens, by name."""
    stop_reason: Paths = ()
    latency_ms: Paths = ()
    invoked_model: Paths = ()
    """The model behind a prompt router."""
    counts: tuple[tuple[str, Paths], ...] = field(init=False, repr=False, compare=False)
    """The count fields that have paths, so that a reader looks for nothing else."""

    def __post_init__(self) -> None:
        """Collect the fields that have paths."""
        names = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "total")
        object.__setattr__(self, "counts", tuple((name, getattr(self, name)) for name in names if getattr(self, name)))


@dataclass(slots=True, kw_only=True)
class Body:
    """What a JSON answer said."""

    counts: Counts = field(default_factory=Counts)
    units: dict[str, int] = field(default_factory=dict)
    stop_reason: str | None = None
    latency_ms: int | None = None
    invoked_model: str | None = None
    disagreement: bool = False
    """The body contradicts itself."""
    faults: list[str] = field(default_factory=list)


def read(shape: Shape, document: Mapping[str, Any]) -> Body:
    """Follow every path of a row through a parsed answer. Never raises: what is no count is a fault, and unknown."""
    body = Body()
    for name, alternatives in shape.counts:
        try:
            setattr(body.counts, name, _count(alternatives, document))
        except ValueError:
            if name != "total":  # it only checks the others
                body.faults.append(f"body_{name}_not_a_count")
    for name, alternatives in shape.units:
        try:
            if (units := _count(alternatives, document)) is not None:
                body.units[name] = units
        except ValueError:
            body.faults.append("body_units_not_a_count")
    if shape.latency_ms:
        try:
            body.latency_ms = _count(shape.latency_ms, document)
        except ValueError:
            body.faults.append("body_latency_not_a_count")
    if shape.cache_in_input:
        body.disagreement = body.counts.take_cache_out_of_input()
    body.disagreement |= body.counts.contradicts_total()
    body.stop_reason = _text(shape.stop_reason, document, _WORD)
    body.invoked_model = _text(shape.invoked_model, document, _MODEL)
    return body


NOTHING = Shape()
"""Nothing is read from a body that nobody described; Bedrock's own counts are read without it."""


def read_first(shapes: tuple[Shape, ...], document: Mapping[str, Any]) -> tuple[Shape, Body]:
    """Read a document by the first shape that counts something in it, else by the first that finds anything."""
    first = None
    for shape in shapes:
        body = read(shape, document)
        if body.counts.known() or body.units or body.faults:
            return shape, body
        if first is None and body.stop_reason is not None:
            first = shape, body
    return first or (NOTHING, Body())


def _count(alternatives: Paths, document: Mapping[str, Any]) -> int | None:
    for steps in alternatives:
        values = _follow(steps, document)
        if type(values) is tuple:  # one value or none, as for nearly every path
            if values and values[0] is not None:
                return read_count(values[0])
        elif found := [read_count(value) for value in values if value is not None]:
            return read_count(sum(found))
    return None


def _text(alternatives: Paths, document: Mapping[str, Any], pattern: re.Pattern[str]) -> str | None:
    for steps in alternatives:
        for value in _follow(steps, document):
            if isinstance(value, str) and pattern.fullmatch(value):
                return value
    return None


def _follow(steps: tuple[Step, ...], value: Any) -> tuple[Any, ...] | Iterator[Any]:
    """Give the values at the end of a path. Written out for the plain keys that most paths consist of."""
    for number, (key, condition, kind) in enumerate(steps):
        if type(value) is not dict or key not in value:
            return ()
        value = value[key]
        if kind != _KEY:
            if type(value) is not list:
                return ()
            if kind == _LENGTH:
                return (sum(1 for entry in value if entry),)
            return _each(value, condition, steps[number + 1 :])
    return (value,)


def _each(entries: list[Any], condition: tuple[str, str] | None, rest: tuple[Step, ...]) -> Iterator[Any]:
    for entry in entries:
        if condition is None or (isinstance(entry, dict) and entry.get(condition[0]) == condition[1]):
            yield from _follow(rest, entry)
