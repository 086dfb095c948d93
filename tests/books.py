"""Small price books for tests: each row is a valid one, and a test names only what it is about."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from tests.builders import CLAUDE

from bedrock_meter.pricing import PriceBook

CLAUDE_RATES = {"input": "3", "output": "15", "cache_read": "0.3", "cache_write_5m": "3.75", "cache_write_1h": "6"}


def a_row(**changes: Any) -> dict[str, Any]:
    """Give a row: Claude through a geographic profile, from any Region."""
    row = {
        "model": CLAUDE,
        "region": "*",
        "scope": "geo",
        "tier": "default",
        "above": 0,
        "valid_from": "2026-01-01",
        "checked": "2026-11-23",
        "source": "a test",
        "rates": CLAUDE_RATES,
    }
    return row | changes


def as_json(rows: Sequence[object], **changes: Any) -> str:
    """Write a book as its generator does, one row on each line; the checksum is right unless it is changed."""
    canonical = json.dumps(rows, sort_keys=True, separators=(",", ":"))
    head = {"schema": 1, "version": "test", "sha256": hashlib.sha256(canonical.encode()).hexdigest(), "sources": []}
    fields = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in (head | changes).items()]
    lines = ",\n".join(json.dumps(row) for row in rows)
    return "{" + ",\n".join([*fields, f'"rows": [\n{lines}\n]']) + "}\n"


def a_book(*rows: dict[str, Any]) -> PriceBook:
    """Give a book of rows; without any, of the one that `a_row` gives."""
    return PriceBook.from_json(as_json(rows or [a_row()]))
