"""The comparison of both sides, with each of the ways in which they may count differently."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import CLAUDE, CLAUDE_US, NOON, PROPERTY

from bedrock_meter.dimensions import OTHER
from bedrock_meter.metrics import CACHE_READ_TOKENS, CACHE_WRITE_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS
from reconcile.compare import ALL, BUCKETS, Note, Used, compare, model_of, summed, total

PROFILE_ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456"
METERED = Used(model=CLAUDE, at=NOON, calls=9, tokens={INPUT_TOKENS: 900, OUTPUT_TOKENS: 90})
ACCOUNT = Used(model=CLAUDE, at=NOON, calls=10, tokens={INPUT_TOKENS: 1000, OUTPUT_TOKENS: 100})


def used(**changes: object) -> Used:
    """Give what was metered, with changes."""
    return replace(METERED, **changes)  # type: ignore[arg-type]  # the builder takes any field


def test_equal_sides_have_nothing_unmetered() -> None:
    """Where both sides say the same, nothing is unmetered, nothing drifts, and there is nothing to remark."""
    (line,) = compare([METERED], [METERED])
    assert (line.unmetered_tokens, line.unmetered_share, line.drift, line.notes) == (0, 0.0, 0.0, ())


def test_a_tenth_that_went_past_is_ten_percent() -> None:
    """Nine calls metered of ten: a tenth of the tokens is unmetered, and our count is a tenth below Bedrock's."""
    (line,) = compare([METERED], [ACCOUNT])
    assert line.unmetered_tokens == 110
    assert line.unmetered_share == pytest.approx(10.0)
    assert line.drift == pytest.approx(-10.0)
    assert (line.metered_calls, line.account_calls) == (9, 10)


def test_metered_too_much_is_drift_and_never_a_negative_share() -> None:
    """More metered than used is drift above 0; what is unmetered stays at 0."""
    (line,) = compare([ACCOUNT], [METERED])
    assert (line.unmetered_tokens, line.unmetered_share) == (0, 0.0)
    assert line.drift == pytest.approx(100 / 9)


def test_without_a_count_of_bedrock_there_is_no_percentage() -> None:
    """A model that Bedrock's metrics do not know has no share and no drift, and is remarked."""
    (line,) = compare([METERED], [])
    assert (line.unmetered_share, line.drift) == (None, None)
    assert line.notes == (Note.ONLY_METERED,)


def test_a_model_that_nobody_metered_is_unmetered_whole() -> None:
    """A model that only Bedrock knows went past the meter."""
    (line,) = compare([], [ACCOUNT])
    assert (line.unmetered_tokens, line.unmetered_share, line.drift) == (1100, 100.0, -100.0)


@pytest.mark.parametrize(
    "model_id",
    [
        CLAUDE,
        CLAUDE_US,
        f"global.{CLAUDE}",
        f"arn:aws:bedrock:us-east-1::foundation-model/{CLAUDE}",
        f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{CLAUDE_US}",
        PROFILE_ARN,
        "abc123def456",
    ],
)
def test_every_form_of_a_model_id_is_its_model(model_id: str) -> None:
    """Ids, profiles and ARNs of one model are one, application profiles by the list of them."""
    assert model_of(model_id, {PROFILE_ARN: CLAUDE, "abc123def456": CLAUDE}) == CLAUDE


def test_an_unknown_profile_keeps_its_name() -> None:
    """A profile that is not in the list, such as a deleted one, stays what it is."""
    assert model_of(PROFILE_ARN, {}) == "abc123def456"
    assert model_of("abc123def456", {}) == "abc123def456"


def test_profiles_of_one_model_are_added_up() -> None:
    """Two entries of one model and hour become one line."""
    (line,) = compare([METERED, METERED], [ACCOUNT])
    assert (line.metered_calls, line.metered_tokens) == (18, 1980)


def test_cached_tokens_that_bedrock_does_not_publish_are_set_aside() -> None:
    """Without a cache metric of Bedrock, our cached tokens must not hide input that went past."""
    mine = used(tokens={INPUT_TOKENS: 900, OUTPUT_TOKENS: 90, CACHE_READ_TOKENS: 5000})
    (line,) = compare([mine], [ACCOUNT])
    assert (line.aside, line.unmetered_tokens) == (5000, 110)
    assert Note.ASIDE in line.notes


def test_cached_tokens_that_bedrock_publishes_count() -> None:
    """With a cache metric of Bedrock, both sides have cached tokens in their sums."""
    cached = {CACHE_READ_TOKENS: 50, CACHE_WRITE_TOKENS: 7}
    both = used(tokens={**METERED.tokens, **cached})
    (line,) = compare([both], [both])
    assert (line.metered_tokens, line.account_tokens, line.aside) == (1047, 1047, 0)


def test_calls_that_differ_by_failures_are_remarked() -> None:
    """The two definitions of Invocations differ by failed calls, which is said; more than that is not excused."""
    same = replace(ACCOUNT, tokens=METERED.tokens, failures=1)
    assert compare([METERED], [same])[0].notes == (Note.CALLS_OF_FAILURES,)
    assert compare([METERED], [replace(same, calls=12)])[0].notes == ()


def test_unregistered_models_may_explain_a_share() -> None:
    """Tokens metered as "other" are of some model: the models say so, and the sum of all counts them."""
    pool = used(model=OTHER, calls=1, tokens={INPUT_TOKENS: 100, OUTPUT_TOKENS: 10})
    lines = compare([METERED, pool], [ACCOUNT])
    by_model = {line.model: line for line in lines}
    assert by_model[CLAUDE].notes == (Note.OTHER_POOL,)
    assert by_model[OTHER].notes == ()
    whole = total(lines, at=NOON)
    assert (whole.model, whole.unmetered_tokens, whole.notes) == (ALL, 0, ())


def test_estimates_are_remarked() -> None:
    """Counts that are estimates need not be Bedrock's."""
    assert compare([used(estimated=2)], [METERED])[0].notes == (Note.ESTIMATED,)


def test_a_call_over_the_end_of_an_hour_is_level_in_the_sum() -> None:
    """What is in one hour here and in the next there is a difference by the hour and none over both."""
    later = NOON + timedelta(hours=1)
    ours = [METERED, used(at=later, calls=1, tokens={INPUT_TOKENS: 100, OUTPUT_TOKENS: 10})]
    lines = compare(ours, [ACCOUNT])
    assert [line.unmetered_tokens for line in lines] == [110, 0]
    (line,) = summed(lines)
    assert (line.at, line.unmetered_tokens, line.drift) == (NOON, 0, 0.0)


def test_no_line_at_all_is_an_empty_sum() -> None:
    """An hour without any call has a total of nothing, without a percentage."""
    whole = total([], at=NOON)
    assert (whole.metered_calls, whole.unmetered_tokens, whole.unmetered_share) == (0, 0, None)


_tokens = st.dictionaries(st.sampled_from(BUCKETS), st.integers(0, 10**6))
_side = st.lists(
    st.builds(
        Used,
        model=st.sampled_from([CLAUDE, "amazon.nova-lite-v1:0", OTHER]),
        at=st.sampled_from([NOON, NOON + timedelta(hours=1)]),
        calls=st.integers(0, 1000),
        tokens=_tokens,
        failures=st.integers(0, 5),
        estimated=st.integers(0, 5),
    ),
    max_size=8,
)


@PROPERTY
@given(metered=_side, account=_side)
def test_no_token_is_lost_or_made(metered: list[Used], account: list[Used]) -> None:
    """Every token of both sides is in exactly one line, and the total and the sums by model say the same."""
    lines = compare(metered, account)
    ours = sum(sum(each.tokens.values()) for each in metered)
    theirs = sum(sum(each.tokens.values()) for each in account)
    assert sum(line.metered_tokens + line.aside for line in lines) == ours
    assert sum(line.account_tokens for line in lines) == theirs
    whole = total(lines, at=NOON)
    assert (whole.metered_tokens + whole.aside, whole.account_tokens) == (ours, theirs)
    assert sum(line.metered_tokens for line in summed(lines)) == whole.metered_tokens
