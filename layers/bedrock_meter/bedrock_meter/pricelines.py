"""A price book as its generator writes it, one canonical row on each line, checked whole by one pattern.

That takes a fraction of the time of reading it as JSON, and a gateway takes a new book up beside calls. What is not
written exactly so is not wrong for that: it is left to `pricerows`, which reads every JSON and names the row that is
wrong.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from json import loads
from typing import Any

START = b'"rows": ['

_RATE = rb'"[a-z][a-z0-9_]{0,63}":"[0-9]{1,9}(?:\.[0-9]{1,18})?"'
# The fewer groups, the faster: what makes a row's key is above, model, place and offer.
_ROW = re.compile(
    rb'^\{"above":(?P<above>0|[1-9][0-9]{0,15}),"checked":"(?P<checked>[0-9-]{10})",'
    rb'"model":"(?P<model>[a-z0-9][A-Za-z0-9._:-]{0,255})","rates":\{(?P<rates>' + _RATE + rb"(?:," + _RATE + rb")*)\},"
    rb'"region":"(?P<place>(?:\*|[a-z]{2,3}(?:-[a-z]+)+-[0-9]{1,2})","scope":"(?:geo|global|in-region))",'
    rb'"source":"[ !#-\[\]-~]+",'
    rb'"tier":"(?P<offer>(?:batch|default|flex|latency|priority)","valid_from":"[0-9-]{10})"\},?$',
    re.MULTILINE,
)
_ABOVE, _CHECKED, _MODEL, _RATES, _PLACE, _OFFER = range(6)
_DAY = 10
_END = re.compile(rb"\n\][ \t\r\n]*\}[ \t\r\n]*")


def by_model(
    text: bytes, is_day: Callable[[str], bool]
) -> tuple[Mapping[str, Any], Mapping[str, list[bytes]], bytes] | None:
    """Check a book's rows without reading them.

    Args:
        text: The document.
        is_day: Tells whether a text is a day.

    Returns:
        The head of the document with some row, the lines of each model, and what the checksum is over; None when the
        book is written in another way, or anything is wrong with a row.
    """
    start, end = text.find(START) + len(START), text.rfind(b"\n]")
    if start < len(START) or end <= start or not _END.fullmatch(text, end):
        return None
    if text[start : start + 1] != b"\n":
        return None
    body = text[start + 1 : end]
    lines, found = body.split(b"\n"), _ROW.findall(body)
    if len(found) != len(lines) or not _is_list(body, len(lines)) or not _is_good(found, is_day):
        return None
    try:
        head = loads(text[:start] + b"0]}")
    except ValueError:
        return None
    models: dict[bytes, list[bytes]] = {}
    for line, row in zip(lines, found, strict=True):
        models.setdefault(row[_MODEL], []).append(line)
    listed = {model.decode(): of_model for model, of_model in models.items()}
    return head, listed, b"[" + body.replace(b"\n", b"") + b"]"


def _is_list(body: bytes, rows: int) -> bool:
    """Tell whether there is a comma between every two rows, and none after the last."""
    return body.count(b"},\n{") == rows - 1 and body.endswith(b"}")


def _is_good(found: Sequence[tuple[bytes, ...]], is_day: Callable[[str], bool]) -> bool:
    """Tell whether what the pattern cannot say of rows is right too."""
    days = {row[_CHECKED] for row in found} | {row[_OFFER][-_DAY:] for row in found}
    keys = {(row[_MODEL], row[_PLACE], row[_OFFER], row[_ABOVE]) for row in found}
    rates = {row[_RATES] for row in found}
    return (
        len(keys) == len(found)
        and all(is_day(day.decode()) for day in days)
        and all(b'"input":' in each or b'"cache_' not in each for each in rates)
    )
