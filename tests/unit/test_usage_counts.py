"""The one rule for what is a count."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY

from bedrock_meter.domain import MAX_COUNT
from bedrock_meter.usage.counts import read_count


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (0, 0),
        (28, 28),
        (28.0, 28),
        ("28", 28),
        ("28.0", 28),
        (" 28 ", 28),
        ("007", 7),
        (MAX_COUNT, MAX_COUNT),
        (str(MAX_COUNT), MAX_COUNT),
        (-0.0, 0),
    ],
)
def test_counts(value: object, count: int) -> None:
    """Whole numbers count, as an integer, as the float that guardrail traffic makes of it, and as a header's text."""
    read = read_count(value)
    assert read == count
    assert type(read) is int


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, [], {}, b"28", [28]),
        *(-1, -1.0, 28.5, MAX_COUNT + 1, 10**400, float("nan"), float("inf"), float("-inf")),
        *("", " ", "-1", "+1", "28.5", "28.00", "1e3", "0x1c", "1_000", "1,000", "ten", ".0", "nan", "inf"),
        *("\u0662", "²", "1" * 400, "1" * 5000, str(MAX_COUNT + 1), "28\x00"),
    ],
)
def test_no_counts(value: object) -> None:
    """Nothing else is a count, and the error does not repeat what it was."""
    with pytest.raises(ValueError, match=r"^(not a whole number|negative or absurdly large)$"):
        read_count(value)


@given(number=st.integers(-(10**12), 10**12), write=st.sampled_from([int, float, str, "{}.0".format, " {}".format]))
@PROPERTY
def test_exactly_the_whole_numbers_up_to_the_bound(number: int, write: Any) -> None:
    """However it is written, a whole number is a count if and only if it lies between 0 and the bound."""
    if 0 <= number <= MAX_COUNT:
        assert read_count(write(number)) == number
        return
    with pytest.raises(ValueError, match=r"whole|negative"):
        read_count(write(number))


@given(number=st.floats(allow_nan=True, allow_infinity=True))
@PROPERTY
def test_a_float_counts_only_when_it_is_whole(number: float) -> None:
    """A fraction, an infinity and a NaN are no counts."""
    if number.is_integer() and 0 <= number <= MAX_COUNT:
        assert read_count(number) == number
        return
    with pytest.raises(ValueError, match=r"whole|negative"):
        read_count(number)


@given(text=st.text())
@PROPERTY
def test_any_text_is_a_count_or_a_value_error(text: str) -> None:
    """No text makes another exception, and what counts consists of ASCII digits."""
    try:
        count = read_count(text)
    except ValueError:
        return
    assert text.strip().removesuffix(".0").lstrip("0") in {str(count), ""}
