"""Counts as they stand on the wire, before they become a `Usage`; and the one rule for what is a count."""

from dataclasses import dataclass

from bedrock_meter.domain import MAX_COUNT


def read_count(value: object) -> int:
    """Read one token count.

    Accepts integers, integral floats (guardrail traffic turns ``28`` into ``28.0``) and either as text (headers).

    Raises:
        ValueError: It is none of these, is negative, or is larger than any real count.
    """
    if type(value) is int and 0 <= value <= MAX_COUNT:  # nearly always
        return value
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
    total: int | None = None
    """The source's own sum of everything; it is checked and goes no further."""

    def known(self) -> bool:
        """Tell whether any bucket is known."""
        return any(getattr(self, name) is not None for name in BUCKETS)

    def update(self, later: "Counts") -> None:
        """Take what a later part of the same stream says.

        Streamed counts are cumulative, so they are never added. The output is what was said last, because Claude
        opens with a placeholder. Of the others the largest counts: they are known from the start, and some models
        repeat them later as 0, or not at all.
        """
        for name in BUCKETS:
            value, before = getattr(later, name), getattr(self, name)
            if value is not None and (before is None or name == "output" or value > before):
                setattr(self, name, value)

    def take_cache_out_of_input(self) -> bool:
        """Make the buckets disjoint where the source counts cached tokens, read and written, as input too.

        Returns:
            Whether the source contradicts itself: less input than cached tokens. Then the input is left as it is.
        """
        cached = (self.cache_read or 0) + (self.cache_write or 0)
        if self.input is None or not cached:
            return False
        if self.input < cached:
            return True
        self.input -= cached
        return False

    def contradicts_total(self) -> bool:
        """Tell whether the buckets do not add up to the source's own sum."""
        if self.total is None or self.input is None or self.output is None:
            return False
        return self.total != self.input + self.output + (self.cache_read or 0) + (self.cache_write or 0)


TOKEN_FIELDS = ("input", "output", "cache_read", "cache_write")
"""The fields that two sources of one call must agree on."""
BUCKETS = (*TOKEN_FIELDS, "cache_write_1h")
"""Every field that is a count of its own."""
