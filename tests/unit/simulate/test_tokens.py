"""The token model can be checked by hand and is the same everywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterctl.simulate.tokens import Tokens, count, draw_length, draw_text, fingerprint


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_four_bytes_are_a_token(size: int, tokens: int) -> None:
    """A piece has one token for every four bytes begun."""
    assert count(size) == tokens


@given(key=st.binary(min_size=16, max_size=16), length=st.integers(1, 500))
def test_the_text_has_the_tokens_that_are_billed(key: bytes, length: int) -> None:
    """Counting the answer's text with the rule for input gives the answer's length."""
    text = draw_text(key, length)
    assert len(text.split()) == length
    assert count(len(text.encode())) == length


@given(key=st.binary(min_size=16, max_size=16))
def test_an_answer_is_20_to_199_tokens_long(key: bytes) -> None:
    """The drawn length stays inside the documented range."""
    assert 20 <= draw_length(key) <= 199


def test_draws_are_fixed_for_all_time() -> None:
    """The draws for a known key never change, so that figures in a report can be repeated."""
    key = fingerprint(b"a", b"key")
    assert key.hex() == "9f3eebdd7e44590b3cffc60806ad6187"
    assert draw_length(key) == 134
    assert draw_text(key, 5) == "gnu cod eel sun use"


def test_the_limits_between_parts_matter() -> None:
    """The same bytes cut in another place have another fingerprint."""
    assert fingerprint(b"ab", b"c") != fingerprint(b"a", b"bc")


def test_the_total_counts_each_bucket_once() -> None:
    """The total is the sum of the five disjoint buckets."""
    tokens = Tokens(input=1, output=20, cache_read=300, cache_write_5m=4000, cache_write_1h=50000)
    assert tokens.cache_write == 54000
    assert tokens.total == 54321
