"""A price book as its generator writes it, one canonical row on each line, checked whole without reading it.

One pattern finds the shape of every row, and what comes up again and again (models, days, places, rates) is checked
once. That takes a fraction of the time of reading it as JSON, and a gateway takes a new book up beside calls. What is
not written exactly so is not wrong for that: it is left to `pricerows`, which reads every JSON and names the row that
is wrong.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from json import loads
from typing import Any

START = b'"rows": ['

# Three pieces of a line, each of which comes up again and again. Possessive, which is a third of the time.
_ROW = re.compile(rb'^\{("above":[^{}\n]++)\{([^{}\n]++)\},("region":[^{}\n]++)\},?+$', re.MULTILINE)

_DAY = rb"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MODEL = re.compile(
    rb'"above":(0|[1-9][0-9]{0,15}),"checked":"(?P<day>'
    + _DAY
    + rb')","model":"([a-z0-9][A-Za-z0-9._:-]{0,255})","rates":'
)
_RATE = rb'"[a-z][a-z0-9_]{0,63}+":"[0-9]{1,9}+(?:\.[0-9]{1,18}+)?+"'
_RATES = re.compile(_RATE + rb"(?:," + _RATE + rb")*+")
_OFFER = re.compile(
    rb'"region":"(\*|[a-z]{2,3}(?:-[a-z]+)+-[0-9]{1,2})","scope":"(geo|global|in-region)","source":"[ !#-\[\]-~]+",'
    rb'"tier":"(batch|default|flex|latency|priority)","valid_from":"(?P<day>' + _DAY + rb')"'
)
_PIECE = 1 << 15
_END = re.compile(rb"\n\][ \t\r\n]*\}[ \t\r\n]*")


def head(text: bytes, is_day: Callable[[str], bool]) -> tuple[dict[str, Any], Iterator[bytes]] | None:
    """Check a book's rows without reading them.

    Args:
        text: The document.
        is_day: Tells whether a text is a day.

    Returns:
        The head of the document with some row, and what the checksum is over, in pieces; None when the book is written
        in another way, or anything is wrong with a row.
    """
    start, end = text.find(START) + len(START) + 1, text.rfind(b"\n]")
    if start <= len(START) or end <= start or text[start - 1 : start] != b"\n" or not _END.fullmatch(text, end):
        return None
    # Positions and not slices, here and below: a copy of the text costs as much as finding its rows.
    rows = _ROW.findall(text, start, end)
    between = text.count(b"\n", start, end)
    # As many rows as lines, with a comma between every two and none after the last.
    if len(rows) != between + 1 or text.count(b"},\n{", start, end) != between or not text.startswith(b"}", end - 1):
        return None
    if not _good(rows, is_day):
        return None
    try:
        document: dict[str, Any] = loads(text[: start - 1] + b"0]}")
    except ValueError:
        return None
    return document, _without_line_ends(text, start, end)


def _without_line_ends(text: bytes, start: int, end: int) -> Iterator[bytes]:
    yield b"["
    for place in range(start, end, _PIECE):
        yield text[place : min(place + _PIECE, end)].replace(b"\n", b"")
    yield b"]"


def _good(rows: Sequence[tuple[bytes, bytes, bytes]], is_day: Callable[[str], bool]) -> bool:
    """Tell whether every piece is right, and every row has a key of its own."""
    models = {each: _MODEL.fullmatch(each) for each in {row[0] for row in rows}}
    rates = {row[1] for row in rows}
    offers = {each: _OFFER.fullmatch(each) for each in {row[2] for row in rows}}
    found = [each for each in (*models.values(), *offers.values()) if each is not None]
    if len(found) < len(models) + len(offers) or not all(
        is_day(day) for day in {each["day"].decode() for each in found}
    ):
        return False
    # Of a key, neither the day of the check nor the source is a part.
    what = {each.string: each.group(1, 3) for each in found if each.re is _MODEL}
    where = {each.string: each.groups() for each in found if each.re is _OFFER}
    return (
        len({(what[row[0]], where[row[2]]) for row in rows}) == len(rows)
        and all(map(_RATES.fullmatch, rates))
        # A cache rate needs the input's.
        and all(b'"input":' in each or b'"cache_' not in each for each in rates)
    )
