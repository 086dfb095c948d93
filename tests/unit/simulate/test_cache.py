"""The prompt cache divides the input into disjoint buckets."""

from hypothesis import given
from hypothesis import strategies as st

from meterctl.simulate.prompt import Lifetime, Prompt, Segment, split_by_cache
from meterctl.simulate.tokens import Tokens

lifetimes: st.SearchStrategy[Lifetime | None] = st.sampled_from([None, "5m", "1h"])
segments = st.builds(
    lambda text, lifetime: Segment.of("messages.user", text, lifetime), st.text(min_size=1, max_size=30), lifetimes
)
prompts = st.builds(lambda pieces: Prompt(segments=tuple(pieces)), st.lists(segments, max_size=8))


def piece(size: int, lifetime: Lifetime | None = None) -> Segment:
    """Return a piece of `size` tokens."""
    return Segment.of("messages.user", "abcd" * size, lifetime)


@given(prompt=prompts)
def test_no_token_is_lost_or_counted_twice(prompt: Prompt) -> None:
    """The input buckets add up to the prompt, on the call that writes and on the call that reads."""
    first = split_by_cache(prompt, scope=b"m", known=frozenset())
    second = split_by_cache(prompt, scope=b"m", known=frozenset(first.written))
    assert first.tokens.total == second.tokens.total == prompt.tokens


@given(prompt=prompts)
def test_the_second_call_reads_what_the_first_one_wrote(prompt: Prompt) -> None:
    """A repeated prompt writes nothing and reads exactly what was written."""
    first = split_by_cache(prompt, scope=b"m", known=frozenset())
    second = split_by_cache(prompt, scope=b"m", known=frozenset(first.written))
    assert second.written == ()
    assert second.tokens == Tokens(input=first.tokens.input, cache_read=first.tokens.cache_write)


def test_each_mark_writes_with_its_own_lifetime() -> None:
    """The pieces up to a mark are written with that mark's lifetime, the rest is plain input."""
    prompt = Prompt(segments=(piece(1), piece(2, "1h"), piece(4), piece(8, "5m"), piece(16)))
    split = split_by_cache(prompt, scope=b"m", known=frozenset())
    assert split.tokens == Tokens(input=16, cache_write_1h=3, cache_write_5m=12)
    assert len(split.written) == 2


def test_a_longer_prompt_reads_the_known_part_and_writes_the_rest() -> None:
    """A conversation that grows reads its beginning."""
    begin = (piece(5, "1h"),)
    known = split_by_cache(Prompt(segments=begin), scope=b"m", known=frozenset()).written
    grown = split_by_cache(Prompt(segments=(*begin, piece(7, "5m"), piece(1))), scope=b"m", known=frozenset(known))
    assert grown.tokens == Tokens(input=1, cache_read=5, cache_write_5m=7)


def test_a_new_mark_inside_a_known_prefix_writes_nothing() -> None:
    """What is read anyway is not written again, even where a mark is new."""
    known = split_by_cache(Prompt(segments=(piece(2), piece(3, "5m"))), scope=b"m", known=frozenset()).written
    marked = split_by_cache(Prompt(segments=(piece(2, "5m"), piece(3, "5m"))), scope=b"m", known=frozenset(known))
    assert marked.tokens == Tokens(cache_read=5)
    assert marked.written == ()


def test_another_model_does_not_read_the_prefix() -> None:
    """Prefixes belong to their scope."""
    prompt = Prompt(segments=(piece(5, "5m"),))
    known = split_by_cache(prompt, scope=b"one", known=frozenset()).written
    assert split_by_cache(prompt, scope=b"other", known=frozenset(known)).tokens == Tokens(cache_write_5m=5)
