"""The token counts of one call as two witnesses saw them: a door that metered it, and Bedrock's invocation log."""

from collections.abc import Mapping
from typing import Any

from bedrock_meter.domain import Record

COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
"""What is compared: the counts that the invocation log has. How long a cache write lives is not among them."""

type Tally = Mapping[str, int]
"""Counts by the names in `COUNTS`; one that is not there is unknown."""


def of_record(record: Record) -> Tally:
    """Take the counts of a record."""
    usage = record.usage
    if usage is None:
        return {}
    found = zip(COUNTS, (usage.input, usage.output, usage.cache_read, usage.cache_write), strict=True)
    return {name: count for name, count in found if count is not None}


def of_line(line: Mapping[str, Any]) -> Tally:
    """Take the counts out of the parsed EMF line of a record."""
    found = {name: line[name] for name in COUNTS if type(line.get(name)) is int}
    written = [line[name] for name in ("cache_write_5m_tokens", "cache_write_1h_tokens") if type(line.get(name)) is int]
    if written:
        found["cache_write_tokens"] = sum(written)
    return found


def differ(metered: Tally, logged: Tally) -> bool:
    """Tell whether the two disagree. Tokens that only one has are a disagreement; 0 is as good as unknown."""
    return any(metered.get(name, 0) != logged.get(name, 0) for name in COUNTS)
