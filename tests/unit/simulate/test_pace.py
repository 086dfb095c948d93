"""When frames are due."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterctl.simulate.answer import Frame
from meterctl.simulate.pace import Pace, schedule


def dues(tokens: list[int], pace: Pace) -> list[float]:
    """Return when frames with so many tokens are due."""
    return [due for _, due in schedule([Frame(data=b"x", tokens=count) for count in tokens], pace)]


def test_the_head_comes_at_once_and_the_text_at_its_rate() -> None:
    """Frames before the text wait for nothing, those after it for the frame before them."""
    pace = Pace(first_token_ms=100, tokens_per_second=100)
    assert dues([0, 4, 4, 2, 0], pace) == [0, 100, 140, 160, 160]


def test_without_a_rate_all_text_comes_with_the_first_token() -> None:
    """As fast as possible is the default."""
    assert dues([0, 4, 4, 0], Pace(first_token_ms=100)) == [0, 100, 100, 100]
    assert dues([0, 4, 4, 0], Pace()) == [0, 0, 0, 0]


@given(st.lists(st.integers(0, 5)), st.floats(0.1, 1e4), st.floats(0, 1e4))
def test_time_does_not_run_backwards(tokens: list[int], rate: float, first: float) -> None:
    """No frame is due before the one in front of it."""
    times = dues(tokens, Pace(first_token_ms=first, tokens_per_second=rate))
    assert times == sorted(times)


def test_a_pace_that_makes_no_sense_is_refused() -> None:
    """A rate is positive and a time is not negative."""
    with pytest.raises(ValueError, match="has to be positive"):
        Pace(tokens_per_second=0)
    with pytest.raises(ValueError, match="cannot be negative"):
        Pace(first_token_ms=-1)
