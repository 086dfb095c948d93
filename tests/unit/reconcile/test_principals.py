"""Who called past the meter, from rows of the invocation log's query."""

import pytest
from tests.builders import CLAUDE, CLAUDE_US

from reconcile.principals import Caller, named, role_name, unmetered

GATEWAY = "arn:aws:sts::123456789012:assumed-role/meter-GatewayRole-1A2B/meter-GatewayFunction"
PERSON = "arn:aws:sts::123456789012:assumed-role/DataScience/jane@example.com"
OTHER_PERSON = "arn:aws:sts::123456789012:assumed-role/DataScience/joe@example.com"
USER = "arn:aws:iam::123456789012:user/batch"


def row(principal: str, *, calls: int = 1, tokens: tuple[int, int, int, int] = (1, 2, 3, 4)) -> dict[str, str]:
    """Make a row as Logs Insights gives it: text, and sums as floats."""
    sums = {f"tokens{place}": f"{count}.0" for place, count in enumerate(tokens)}
    return {"principal": principal, "model": CLAUDE_US, "calls": str(calls), **sums}


def test_callers_are_named_without_their_session() -> None:
    """Sessions of a role are added up under the role, whose session name may be a person's; most tokens come first."""
    rows = [row(USER), row(PERSON, calls=2), row(OTHER_PERSON)]
    found = unmetered(rows, metered=[], aliases={})
    role = "arn:aws:sts::123456789012:assumed-role/DataScience"
    assert found == [
        Caller(principal=role, model=CLAUDE, calls=3, tokens=20),
        Caller(principal=USER, model=CLAUDE, calls=1, tokens=10),
    ]
    assert named(found) == 30


@pytest.mark.parametrize(
    "metered",
    [
        "meter-GatewayRole-1A2B",
        "arn:aws:iam::123456789012:role/meter-GatewayRole-1A2B",
        "arn:aws:iam::123456789012:role/path/meter-GatewayRole-1A2B",
        "arn:aws:iam::*:role/meter-Gateway*",
    ],
)
def test_metered_roles_are_left_out(metered: str) -> None:
    """A role is known by its name, its ARN with or without a path, or a pattern of either."""
    assert [one.principal for one in unmetered([row(GATEWAY), row(USER)], metered=[metered], aliases={})] == [USER]


def test_a_record_without_an_identity_is_not_lost() -> None:
    """A row without principal, model or sums is still counted."""
    assert unmetered([{"calls": "3"}], metered=["x"], aliases={}) == [
        Caller(principal="unknown", model="unknown", calls=3, tokens=0)
    ]


def test_a_user_is_its_own_name() -> None:
    """What is no role has no role name; its ARN stands for it."""
    assert role_name(USER) == USER
