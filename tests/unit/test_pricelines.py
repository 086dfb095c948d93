"""A book written as the generator writes it is checked another way than any other JSON; both have to agree."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.books import a_row
from tests.builders import PROPERTY

from bedrock_meter import pricelines, pricerows
from bedrock_meter.errors import PriceBookError
from pricewatch import book

ROWS = [
    a_row(),
    a_row(above=200_000, rates={"input": "6", "output": "22.5"}),
    a_row(model="stability.sd3-5-large-v1:0", scope="in-region", region="us-east-1", rates={"images": "0.08"}),
    a_row(valid_from="2026-02-28", tier="latency"),
]


def a_text(*rows: Mapping[str, Any]) -> bytes:
    """Write a book as the generator does."""
    return book.dumps([dict(row) for row in rows], version="2026-11-23", sources=["a test"]).encode()


TEXT = a_text(*ROWS)
read = pricerows.read_rows
read_slowly: Callable[[bytes], tuple[str, Mapping[str, Any]]] = vars(pricerows)["_read_slowly"]


def outcome(reader: Callable[[bytes], tuple[str, Mapping[str, Any]]], text: bytes) -> object:
    """Give the version and all rows, or the error's words."""
    try:
        version, rows = reader(text)
    except PriceBookError as error:
        return str(error)
    return version, {model: list(rows[model]) for model in rows}


def is_quick(text: bytes) -> bool:
    """Tell whether a book is checked line by line."""
    return pricelines.head(text, lambda day: day.startswith("2026-")) is not None


def test_the_generators_form_is_checked_by_lines() -> None:
    """The packaged book and every other that the generator writes take the fast way, with the same rows."""
    assert is_quick(TEXT)
    assert is_quick(book.PATH.read_bytes())
    assert outcome(read, TEXT) == outcome(read_slowly, TEXT)
    assert outcome(read, book.PATH.read_bytes()) == outcome(read_slowly, book.PATH.read_bytes())


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(json.loads(TEXT)).encode(),
        TEXT.replace(b'{"above":0', b'{ "above":0', 1),
        TEXT.replace(b"\n", b"\r\n"),
        a_text(a_row(source="a source with a \u00e9")),
    ],
)
def test_another_form_is_no_fault(text: bytes) -> None:
    """What is written in another way, and right, is read as JSON; its checksum is that of the same rows."""
    assert not is_quick(text)
    assert isinstance(outcome(read, text), tuple)


@pytest.mark.parametrize(
    "text",
    [
        a_text(a_row(), a_row()),
        a_text(a_row(valid_from="2026-02-30")),
        a_text(a_row(rates={"output": "1", "cache_read": "1"})),
        a_text(a_row(rates={"input": "-1"})),
        a_text(a_row(region="everywhere")),
        a_text(a_row(tier="reserved")),
        TEXT.replace(b'"3"', b'"4"', 1),
        TEXT.replace(b"},\n", b"}\n", 1),
        TEXT.replace(b"}\n]", b"},\n]", 1),
        TEXT.replace(b'"rows": [\n', b'"rows": [\n,', 1),
        TEXT.replace(b'"schema": 1', b'"schema": 2', 1),
        TEXT.replace(b'"sources"', b'"sauces"', 1),
        TEXT.replace(b"a test", b'"rows": [', 1),
        TEXT + b"x",
        TEXT + b"\x0b",
        TEXT[:-3],
    ],
)
def test_a_wrong_book_is_refused_in_the_same_words(text: bytes) -> None:
    """The fast way accepts nothing that the other refuses, and the error is the other's, with the row named."""
    told = outcome(read, text)
    assert isinstance(told, str)
    assert told == outcome(read_slowly, text)


@given(at=st.integers(0, len(TEXT) - 1), gone=st.integers(0, 3), new=st.binary(max_size=3))
@PROPERTY
def test_any_damage_is_judged_alike(at: int, gone: int, new: bytes) -> None:
    """Wherever a few bytes are changed, both ways accept the same books, with the same rows."""
    text = TEXT[:at] + new + TEXT[at + gone :]
    assert outcome(read, text) == outcome(read_slowly, text)


pieces = st.sampled_from(
    [b",", b"\n", b"}", b"{", b"]", b'"', b"0", b"-", b"2026-13-01", b'"input":"1",', b'"rows": [', b" "]
)


@given(at=st.integers(0, len(TEXT) - 1), piece=pieces)
@PROPERTY
def test_pieces_of_json_are_judged_alike(at: int, piece: bytes) -> None:
    """The same for what JSON itself is made of."""
    text = TEXT[:at] + piece + TEXT[at:]
    assert outcome(read, text) == outcome(read_slowly, text)
