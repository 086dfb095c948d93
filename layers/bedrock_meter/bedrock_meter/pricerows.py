"""The form of a price book: one JSON document, read and checked whole before anything in it is used.

.. code-block:: text

    {"schema": 1, "version": "2026-11-23", "sha256": "...", "sources": ["..."], "rows": [
    {"model": "...", "region": "*", "scope": "global", "tier": "default", "above": 0, "valid_from": "2025-09-29",
     "checked": "2026-11-23", "source": "...", "rates": {"input": "3", "output": "15"}},
    ...]}

``sha256`` is that of the rows as JSON with sorted keys and no blanks. docs/prices.md says what the fields mean.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from json import JSONEncoder, loads
from operator import itemgetter
from typing import Any

from bedrock_meter import pricelines
from bedrock_meter.domain import Scope
from bedrock_meter.errors import PriceBookError

SCHEMA = 1
ANYWHERE = "*"
DEFAULT_TIER = "default"
LATENCY_TIER = "latency"
TIERS = frozenset({DEFAULT_TIER, "priority", "flex", "batch", LATENCY_TIER})

TOKEN_RATES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
"""The buckets that are priced per million tokens; every other name of a rate is a unit priced one by one."""

_CACHE_RATES = TOKEN_RATES[2:]
_BOOK_FIELDS = frozenset({"schema", "version", "sha256", "sources", "rows"})
_KEY_FIELDS = ("model", "region", "scope", "tier", "above", "valid_from")
_key = itemgetter(*_KEY_FIELDS)
_ROW_FIELDS = frozenset({*_KEY_FIELDS, "checked", "source", "rates"})
_SCOPES = frozenset(scope.value for scope in Scope)

_MODEL = re.compile(r"[a-z0-9][A-Za-z0-9._:-]{0,255}")
_REGION = re.compile(r"\*|[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}")
_MODEL_ON_LINE = re.compile(rb'^\{.*"model": ?"([!#-~]+)"', re.MULTILINE)
_VERSION_ON_LINE = re.compile(rb'^"version": ?"([!#-~]+)"', re.MULTILINE)
_RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,18})?")
_RATE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

_canonical = JSONEncoder(sort_keys=True, separators=(",", ":")).encode


type Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows of a book, by model."""


def read_rows(text: str | bytes) -> tuple[str, Rows]:
    """Check all of a book.

    Returns:
        Its version and its rows.

    Raises:
        PriceBookError: Anything is wrong with it; the error names the row.
    """
    written = text.encode() if isinstance(text, str) else text
    quick = pricelines.head(written, _is_day)
    if quick is not None:
        document, summed = quick
        _check_head(document)
        if _sum(summed) == document["sha256"]:
            return document["version"], LineRows(written)
    return _read_slowly(written)


def _read_slowly(written: bytes) -> tuple[str, Rows]:
    """Read a book as JSON, however it is written."""
    try:
        document = loads(written)
    except (ValueError, RecursionError):
        raise PriceBookError("it is no JSON document") from None
    if not isinstance(document, dict):
        raise PriceBookError("it is no JSON object")
    _check_head(document)
    rows: list[Mapping[str, Any]] = document["rows"]
    _Rows().check(rows)
    if _sum([_canonical(rows).encode()]) != document["sha256"]:
        raise PriceBookError("the checksum in sha256 is not that of the rows")
    by_model: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row)
    return document["version"], by_model


class LineRows(Mapping[str, Sequence[Mapping[str, Any]]]):
    """Rows of a book by model, each on a line of its own; those of a model are looked for when it is asked for.

    Reading all of them takes several times as long as starting the rest of the library does, and a process calls a
    few models.

    Args:
        text: The book.

    Raises:
        PriceBookError: From ``[model]``: a row of it is wrong; the error names the row.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text

    def __getitem__(self, model: str) -> Sequence[Mapping[str, Any]]:
        """Read and check the rows of a model."""
        lines = [line for line in self._lines(model) if line.startswith(b"{")]
        if not lines:
            raise KeyError(model)
        try:
            rows = [loads(line.rstrip(b",\r")) for line in lines]
        except ValueError:
            raise PriceBookError("a row is no JSON", row=model) from None
        _Rows().check(rows)
        return rows

    def _lines(self, model: str) -> Iterator[bytes]:
        # Within a text of JSON the quotes would have a backslash before them, so that only the field itself is found.
        named = re.compile(rb'"model": ?"' + re.escape(model.encode()) + rb'"')
        for found in named.finditer(self._text):
            end = self._text.find(b"\n", found.end())
            yield self._text[self._text.rfind(b"\n", 0, found.start()) + 1 : end if end >= 0 else None]

    def __iter__(self) -> Iterator[str]:
        """Go through the models."""
        return iter(dict.fromkeys(name.decode() for name in _MODEL_ON_LINE.findall(self._text)))

    def __len__(self) -> int:
        """Count the models."""
        return len(list(iter(self)))


def packaged_rows(text: bytes) -> tuple[str, Rows]:
    """Take the rows of a book that was checked when it was packaged, with one row on each line.

    Returns:
        Its version, empty when it has none, and its rows.
    """
    version = _VERSION_ON_LINE.search(text)
    return "" if version is None else version[1].decode(), LineRows(text)


def _check_head(document: Mapping[str, Any]) -> None:
    schema = document.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise PriceBookError(f"its schema {schema} is newer than {SCHEMA}, which this version reads")
    if type(schema) is not int or schema != SCHEMA:
        raise PriceBookError(f"its schema has to be {SCHEMA}")
    if document.keys() != _BOOK_FIELDS:
        raise PriceBookError(f"its fields have to be {', '.join(sorted(_BOOK_FIELDS))}")
    sources = document["sources"]
    if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
        raise PriceBookError("its sources have to be a list of texts")
    for name in ("version", "sha256"):
        if not isinstance(document[name], str) or not document[name]:
            raise PriceBookError(f"its {name} has to be a text")
    if not isinstance(document["rows"], list) or not document["rows"]:
        raise PriceBookError("its rows have to be a list that is not empty")


def _sum(pieces: Iterable[bytes]) -> str:
    """Give the checksum of canonical rows: keys sorted, no blanks, one list."""
    from hashlib import sha256  # noqa: PLC0415 - its import takes longer than that of all of this library's prices

    total = sha256()
    for piece in pieces:
        total.update(piece)
    return total.hexdigest()


class _Rows:
    """Checks rows, and remembers the texts that it has found good: the same ones come up in row after row."""

    def __init__(self) -> None:
        self._texts: Mapping[str, _Texts] = {
            "model": _Texts(lambda text: bool(_MODEL.fullmatch(text)), "a foundation model id"),
            "region": _Texts(lambda text: bool(_REGION.fullmatch(text)), f"an AWS Region or {ANYWHERE}"),
            "scope": _Texts(_SCOPES.__contains__, f"one of {', '.join(sorted(_SCOPES))}"),
            "tier": _Texts(TIERS.__contains__, f"one of {', '.join(sorted(TIERS))}"),
            "valid_from": _Texts(_is_day, "a day such as 2026-11-23"),
            "checked": _Texts(_is_day, "a day such as 2026-11-23"),
            "source": _Texts(bool, "a text"),
        }
        self._names = _Texts(lambda text: bool(_RATE_NAME.fullmatch(text)), "in lower_snake_case")
        self._rates = _Texts(lambda text: bool(_RATE.fullmatch(text)), "a decimal text, 0 or more, such as 3.75")

    def check(self, rows: Sequence[Any]) -> None:
        """Refuse the first row that is wrong, or that has the key of an earlier one."""
        seen: set[tuple[object, ...]] = set()
        for number, row in enumerate(rows, 1):
            problem = self._problem(row)
            if problem is None:
                key = _key(row)
                if key not in seen:
                    seen.add(key)
                    continue
                problem = "an earlier row has the same key"
            raise PriceBookError(problem, row=_named(number, row))

    def _problem(self, row: Any) -> str | None:
        if not isinstance(row, dict):
            return "it is no JSON object"
        if row.keys() != _ROW_FIELDS:
            return f"missing or unknown fields: {', '.join(sorted(row.keys() ^ _ROW_FIELDS))[:200]}"
        for name, texts in self._texts.items():
            value = row[name]
            if type(value) is not str or (value not in texts.known and not texts.good(value)):
                return f"{name} has to be {texts.rule}"
        above = row["above"]
        if type(above) is not int or above < 0:
            return "above has to be a whole number, 0 or more"
        return self._rates_problem(row["rates"])

    def _rates_problem(self, rates: Any) -> str | None:
        if not isinstance(rates, dict) or not rates:
            return "the rates are missing"
        names, amounts = self._names, self._rates
        for name, rate in rates.items():
            if name not in names.known and not names.good(name):
                return f"the name of a rate has to be {names.rule}"
            if type(rate) is not str or (rate not in amounts.known and not amounts.good(rate)):
                return f"the rate {name} has to be {amounts.rule}"
        if "input" not in rates and not rates.keys().isdisjoint(_CACHE_RATES):
            return "the rate input is missing"
        return None


class _Texts:
    """A kind of text, and those of it that were found good, which callers look up first because a set is faster."""

    def __init__(self, is_good: Callable[[str], bool], rule: str) -> None:
        self.rule = rule
        self.known: set[str] = set()
        self._is_good = is_good

    def good(self, text: str) -> bool:
        """Tell whether a text is of this kind."""
        if not self._is_good(text):
            return False
        self.known.add(text)
        return True


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _named(number: int, row: Any) -> str:
    """Name a row by its place in the list, from 1, and by as much of its key as it has."""
    if not isinstance(row, dict):
        return f"row {number}"
    return f"row {number} ({'|'.join(str(row.get(name, '?'))[:100] for name in _KEY_FIELDS)})"
