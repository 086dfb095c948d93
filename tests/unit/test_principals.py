import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY
from tests.logs import CHATBOT_ROLE, session_of

from bedrock_meter.principals import MAX_PATTERNS, ArnPatterns, PrincipalMap, meet, meet_in_part, refuse_doubt

USER = "arn:aws:iam::123456789012:user/ada"


def test_the_arn_of_a_role_stands_for_its_sessions() -> None:
    """A role is written as IAM shows it, path and all, and matches the sessions of that role and no other principal."""
    patterns = ArnPatterns([CHATBOT_ROLE])
    assert session_of(CHATBOT_ROLE, "any-session") in patterns
    assert "arn:aws:sts::123456789012:assumed-role/Chatbot2/x" not in patterns
    assert "arn:aws:sts::999999999999:assumed-role/Chatbot/x" not in patterns
    assert USER not in patterns


@pytest.mark.parametrize(
    ("pattern", "arn", "matches"),
    [
        ("arn:aws:sts::*:assumed-role/app-?/*", "arn:aws:sts::1:assumed-role/app-1/s", True),
        ("arn:aws:sts::*:assumed-role/app-?/*", "arn:aws:sts::1:assumed-role/app-12/s", False),
        ("arn:aws:iam::1:role/app-*", "arn:aws:sts::1:assumed-role/app-blue/s", True),
        ("arn:aws:iam::1:user/a.b", "arn:aws:iam::1:user/axb", False),
        (USER, USER, True),
    ],
)
def test_stars_and_question_marks_are_wildcards(pattern: str, arn: str, *, matches: bool) -> None:
    """Nothing else in a pattern is special, not even what a regular expression would take for a wildcard."""
    assert (arn in ArnPatterns([pattern])) is matches


def test_no_patterns_match_nothing() -> None:
    """An empty set has no principal in it."""
    assert USER not in ArnPatterns()


def test_a_principal_has_the_use_cases_of_its_pattern() -> None:
    """Patterns of the same use cases may overlap; who matches none has no use case."""
    principals = PrincipalMap(
        {CHATBOT_ROLE: ("chatbot",), "arn:aws:sts::*:assumed-role/Chat*": ("chatbot",), USER: ("reports", "chatbot")}
    )
    assert principals.find(session_of(CHATBOT_ROLE)) == ("chatbot",)
    assert principals.find(USER) == ("reports", "chatbot")
    assert principals.find("arn:aws:iam::123456789012:user/bob") is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (CHATBOT_ROLE, "arn:aws:sts::*:assumed-role/Chat*"),
        (USER, USER.replace("ada", "a?a")),
        ("arn:aws:sts::1:assumed-role/*-blue/*", "arn:aws:sts::1:assumed-role/app-*/*"),
    ],
)
def test_two_use_cases_for_one_principal_are_refused(first: str, second: str) -> None:
    """The refusal names both patterns and both use cases."""
    with pytest.raises(ValueError, match="can match both") as refused:
        PrincipalMap({first: ("one",), second: ("two",)})
    assert all(text in str(refused.value) for text in (first, second, "(one)", "(two)"))
    with pytest.raises(ValueError, match="can match both") as refused:
        refuse_doubt(second, ("two",), {USER + "-other": ("two",), first: ("one",)})
    assert all(text in str(refused.value) for text in (first, second, "(one)", "(two)"))


def test_a_pattern_may_take_its_own_place() -> None:
    """Written anew with other use cases it is in no doubt with what it replaces; beyond the bound no other one fits."""
    refuse_doubt(USER, ("two",), {USER: ("one",)})
    full = {f"{USER}-{number}": ("one",) for number in range(MAX_PATTERNS)}
    refuse_doubt(f"{USER}-0", ("two",), full)
    with pytest.raises(ValueError, match=f"{MAX_PATTERNS} patterns already"):
        refuse_doubt(USER, ("two",), full)


@pytest.mark.parametrize("pattern", ["", "Chatbot", "arn:", "arn:aws:iam::1:role/with space", "*", "arn:" + "x" * 2044])
def test_what_is_no_arn_is_no_pattern(pattern: str) -> None:
    """A bare name, a bare star and text with blanks are refused: they would match nothing, or everything."""
    with pytest.raises(ValueError, match="no pattern of an ARN"):
        ArnPatterns([pattern])


def test_a_use_case_has_to_be_a_name() -> None:
    """What cannot be a use case is refused with the rule."""
    with pytest.raises(ValueError, match="'two words' is no use case name"):
        PrincipalMap({USER: ("chatbot", "two words")})
    with pytest.raises(ValueError, match="'' is no use case name"):
        PrincipalMap({USER: ()})


def test_there_is_a_bound_on_patterns() -> None:
    """A mapping that would take long to check is refused."""
    with pytest.raises(ValueError, match="more than 1000"):
        PrincipalMap({f"arn:aws:iam::1:user/u{number}": ("one",) for number in range(MAX_PATTERNS + 1)})


def test_a_star_stays_within_its_part() -> None:
    """As in IAM: a star for the account cannot reach into the resource, so these two have no principal in common."""
    one, other = "arn:aws:sts::1:assumed-role/A/*", "arn:aws:sts::*:assumed-role/B-?/x"
    assert not meet(one, other)
    assert meet(one, "arn:aws:sts::*:assumed-role/?/x")
    assert "arn:aws:sts::1:assumed-role/A:assumed-role/B-1/x" not in ArnPatterns([other])


globs = st.text("ab*?", max_size=7)


@PROPERTY
@given(first=globs, second=globs)
def test_patterns_that_a_text_matches_meet(first: str, second: str) -> None:
    """Whether two patterns meet is the same whichever comes first, and a common text is found wherever there is one."""
    texts = [""]
    for _ in range(5):
        texts += [text + char for text in texts if len(text) == len(texts[-1]) for char in "ab"]
    common = [text for text in texts if _matches(first, text) and _matches(second, text)]
    assert meet_in_part(first, second) == meet_in_part(second, first)
    assert not common or meet_in_part(first, second)


@PROPERTY
@given(pattern=globs)
def test_a_pattern_meets_itself(pattern: str) -> None:
    """Every pattern has a text, so it meets itself; and a star meets everything."""
    assert meet_in_part(pattern, pattern)
    assert meet_in_part(pattern, "*")


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern.replace("*", ".*").replace("?", "."), text) is not None
