"""The file of the price book: one JSON document, sorted, one row on a line, with a checksum over its rows."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import bedrock_meter
from pricewatch.errors import PriceDataError

type Row = dict[str, Any]
"""A row as it stands in the file: strings, an integer, and the rates as decimal strings by name."""
type Key = tuple[str, str, str, str, int]
"""What a row prices: model, Region, scope, tier, band."""

SCHEMA = 1
PATH = Path(bedrock_meter.__file__).parent / "prices.json"
SCOPES = ("in-region", "geo", "global")
TIERS = ("default", "priority", "flex", "batch", "latency")
FIELDS = frozenset(
    {"model", "region", "scope", "tier", "above", "valid_from", "checked", "source", "rates"},
)
_RATE = re.compile(r"(0|[1-9]\d{0,8})(\.\d{0,11}[1-9])?")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_REGION = re.compile(r"\*|[a-z]{2}(-[a-z]+)+-\d")


def key(row: Mapping[str, Any]) -> Key:
    """Tell what a row prices."""
    return row["model"], row["region"], row["scope"], row["tier"], row["above"]


def order(row: Mapping[str, Any]) -> tuple[Key, str]:
    """Give the place of a row in the file: by key, then from the oldest to the newest."""
    return key(row), row["valid_from"]


def checksum(rows: Sequence[Mapping[str, Any]]) -> str:
    """Compute the sha256 of the canonical rows, in hex."""
    return hashlib.sha256(_canonical(rows).encode()).hexdigest()


def dumps(rows: Sequence[Row], *, version: str, sources: Sequence[str]) -> str:
    """Write the document. Each row is in its canonical form, so that readers need not encode it to check the sum."""
    head = {"schema": SCHEMA, "version": version, "sha256": checksum(rows), "sources": list(sources)}
    lines = [f"{json.dumps(name)}: {json.dumps(value)},\n" for name, value in head.items()]
    body = ",\n".join(_canonical(row) for row in rows)
    return "{" + "".join(lines) + '"rows": [\n' + body + "\n]}\n"


def verify(document_text: str) -> list[Row]:
    """Check a document whole: its schema, checksum, order and every row.

    Returns:
        The rows.

    Raises:
        PriceDataError: It is not a book; the message names the row.
    """
    try:
        document = json.loads(document_text)
    except ValueError as error:
        raise PriceDataError(f"the book is no JSON: {error}") from error
    if not isinstance(document, dict) or set(document) != {"schema", "version", "sha256", "sources", "rows"}:
        raise PriceDataError("the book has not the fields schema, version, sha256, sources and rows")
    if document["schema"] != SCHEMA:
        raise PriceDataError(f"schema {document['schema']} is not {SCHEMA}")
    rows = document["rows"]
    if not isinstance(rows, list) or not rows:
        raise PriceDataError("the book has no rows")
    for number, row in enumerate(rows):
        fault = _fault(row)
        if fault:
            raise PriceDataError(f"row {number} ({name(row)}): {fault}")
    _verify_order(rows)
    if document["sha256"] != checksum(rows):
        raise PriceDataError("the checksum is not that of the rows")
    if dumps(rows, version=document["version"], sources=document["sources"]) != document_text:
        raise PriceDataError("the book is not written one row on a line")
    return rows


def name(row: object) -> str:
    """Name a row for people."""
    if not isinstance(row, Mapping):
        return "no object"
    return "|".join(str(row.get(part)) for part in ("model", "region", "scope", "tier", "above", "valid_from"))


def rates(row: Mapping[str, Any]) -> dict[str, Decimal]:
    """Read the rates of a row."""
    return {bucket: Decimal(rate) for bucket, rate in row["rates"].items()}


def text(rate: Decimal) -> str:
    """Write a rate in its one form: no exponent, no trailing zero."""
    plain = format(rate, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def is_rate(rate: Decimal) -> bool:
    """Tell whether a book takes a rate: not negative, below a thousand million, 12 decimals at most."""
    return rate.is_finite() and _RATE.fullmatch(text(rate)) is not None


def written(values: Mapping[str, Decimal]) -> dict[str, str]:
    """Write rates, by name, in their order."""
    return {bucket: text(values[bucket]) for bucket in sorted(values)}


def a_row(where: Key, prices: Mapping[str, Decimal], *, since: date, day: date, source: str) -> Row:
    """Make a row.

    Args:
        where: What it prices.
        prices: Its rates.
        since: The first day on which it holds.
        day: The day on which it was compared with its source.
        source: Where the rates come from.
    """
    model, region, scope, tier, above = where
    return {
        "model": model,
        "region": region,
        "scope": scope,
        "tier": tier,
        "above": above,
        "valid_from": since.isoformat(),
        "checked": day.isoformat(),
        "source": source,
        "rates": written(prices),
    }


def sources(document_text: str) -> list[str]:
    """Read what a verified book was made from."""
    named: list[str] = json.loads(document_text)["sources"]
    return named


def version(document_text: str) -> str:
    """Read the version of a verified book: the day on which it was made."""
    return str(json.loads(document_text)["version"])


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _verify_order(rows: list[Row]) -> None:
    for before, after in pairwise(rows):
        if order(before) == order(after):
            raise PriceDataError(f"{name(after)}: stands twice")
        if order(before) > order(after):
            raise PriceDataError(f"{name(after)}: out of order")
    bands = {key(row)[:4] for row in rows if row["above"] == 0}
    for row in rows:
        if key(row)[:4] not in bands:
            raise PriceDataError(f"{name(row)}: there is no row for shorter requests")


def _fault(row: object) -> str | None:  # noqa: PLR0911 - one check a line
    if not isinstance(row, dict) or set(row) != FIELDS:
        return "not the fields of a row"
    if not isinstance(row["model"], str) or not row["model"] or not isinstance(row["source"], str) or not row["source"]:
        return "no model or no source"
    if not isinstance(row["region"], str) or not _REGION.fullmatch(row["region"]):
        return f"{row['region']!r} is no Region"
    if row["scope"] not in SCOPES or row["tier"] not in TIERS:
        return f"unknown scope {row['scope']!r} or tier {row['tier']!r}"
    if type(row["above"]) is not int or row["above"] < 0:
        return f"{row['above']!r} is no number of tokens"
    if not _is_day(row["valid_from"]) or not _is_day(row["checked"]):
        return "valid_from or checked is no ISO date"
    if not isinstance(row["rates"], dict) or not row["rates"]:
        return "the rates are missing"
    for bucket, rate in row["rates"].items():
        if not _NAME.fullmatch(bucket) or not isinstance(rate, str) or not _RATE.fullmatch(rate):
            return f"{bucket}: {rate!r} is no rate"
    return None


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def holding(rows: Sequence[Row], *, day: date, region: str | None = None) -> list[Row]:
    """Pick the rows that hold on a day: the newest of each key, and a Region's own before the general one.

    Args:
        rows: The rows of a book, in order.
        day: The day.
        region: Only what holds for calls in this Region; every Region when None.
    """
    newest = {key(row): row for row in rows if row["valid_from"] <= day.isoformat()}
    if region is None:
        return list(newest.values())
    own = {where for where in newest if where[1] == region}
    general = {where for where in newest if where[1] == "*" and (where[0], region, *where[2:]) not in own}
    return [row for where, row in newest.items() if where in own or where in general]


def place_of_rate(rate_name: str) -> tuple[int, str]:
    """Give the place of a rate's column: tokens first, in the order in which people read them."""
    known = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    return (known.index(rate_name) if rate_name in known else len(known)), rate_name
