"""Counts as they stand on the wire, before they become a `Usage`; and the one rule for what is a count."""

from dataclasses import dataclass

from bedrock_meter.domain import MAX_COUNT


def read_count(value: object) -> int:
    """Read one token count.

    Accepts integers, integral floats (guardrail traffic turns ``28`` into ``28.0``) and either as text (headers).

    Raises:
        ValueError: It is none of these, is negative, or is larger than any real count.
    """
    if isinstance(value, str):
        if not (value.isascii() and value.strip().removesuffix(".0").isdigit()):
            msg = "not a whole number"
            raise ValueError(msg)
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        msg = "not a whole number"
        raise ValueError(msg)
    if not 0 <= value <= MAX_COUNT:
        msg = "negative or absurdly large"
        raise ValueError(msg)
    return int(value)


@dataclass(slots=True, kw_only=True)
class Counts:
    """What one source says. ``cache_write`` is the sum over both lifetimes; the split is known only to bodies."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None


TOKEN_FIELDS = ("input", "output", "cache_read", "cache_write")
"""The fields that two sources of one call must agree on."""
