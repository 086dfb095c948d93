"""What the demo proves it must be able to disprove: every kind of difference is told in a sentence."""

from collections import Counter as Tally
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.builders import NOON

from bedrock_meter.limits import Counter
from logmeter.door import Report
from meterctl.demo import account, keys, limits
from meterctl.demo.gateway import GATEWAY_ROLE
from reconcile.compare import Line
from reconcile.principals import Caller

SPENT = Decimal("0.09")
BUDGET = limits.Budget(
    answered=3,
    errors={"ServiceQuotaExceededException": 2},
    asked="0.02",
    message="full",
    counter=Counter(used=SPENT, spent=SPENT),
    usage={"spent": "0.09"},
)
RATE = limits.Rate(answered=5, raised="ThrottlingException", retry_after="7")
BOOKS = limits.Books(spent=SPENT, answered=3, refused=2)


def test_what_fits_together_is_no_problem() -> None:
    """Records, counter, report and limit that agree leave nothing to tell."""
    assert list(limits.problems(BUDGET, RATE, BOOKS)) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"counter": Counter(used=SPENT, spent=Decimal("0.0899999"))}, "counter says 0.0899999"),
        ({"counter": Counter(used=Decimal("0.1"), spent=SPENT)}, "holds included"),
        ({"usage": {"spent": "0.0900001"}}, "GET /usage says 0.0900001"),
        ({"usage": {"spent": None}}, "GET /usage says None"),
        ({"asked": "0.01"}, "0.01 were left"),
        ({"asked": None}, "asked for None"),
        ({"answered": 4}, "4 answers"),
        ({"errors": {}}, "records say"),
        ({"errors": {"ServiceQuotaExceededException": 2, "ThrottlingException": 1}}, "ThrottlingException"),
    ],
)
def test_a_cent_that_does_not_fit_is_told(changes: dict[str, Any], told: str) -> None:
    """Each place where the money is known is held against the records."""
    (sentence,) = limits.problems(replace(BUDGET, **changes), RATE, BOOKS)
    assert told in sentence


def test_more_than_the_limit_is_told() -> None:
    """Records above the amount are a problem, whatever the counter says."""
    more = Decimal("0.1000001")
    budget = replace(BUDGET, counter=Counter(used=more, spent=more), usage={"spent": str(more)})
    (sentence,) = limits.problems(budget, RATE, replace(BOOKS, spent=more))
    assert "0.1000001 USD were spent of 0.10" in sentence


@pytest.mark.parametrize("changes", [{"raised": ""}, {"retry_after": None}, {"answered": 4}])
def test_a_rate_that_does_not_hold_is_told(changes: dict[str, Any]) -> None:
    """No refusal, one without Retry-After, and one that came too early are problems."""
    (sentence,) = limits.problems(BUDGET, replace(RATE, **changes), BOOKS)
    assert sentence.startswith("crawler-rate")


def test_the_books_are_those_of_the_budget() -> None:
    """Only records under the budget count, and only those that it refused are refused."""
    lines: list[dict[str, Any]] = [
        {"limits": ["playground-monthly"], "cost_usd": "0.04"},
        {"limits": ["playground-monthly"], "cost_usd": "0.05"},
        {"refused_by": "playground-monthly"},
        {"limits": ["crawler-rate"], "cost_usd": "0.07"},
        {"cost_usd": "0.07", "refused_by": "crawler-rate"},
    ]
    assert limits.books(lines) == limits.Books(spent=SPENT, answered=2, refused=1)


def test_a_call_that_was_not_refused_is_told() -> None:
    """What goes through with a bad key, or fails otherwise, is a problem; the right refusal is none."""
    refused = type("AccessDeniedException", (ClientError,), {})({"Error": {"Message": "No."}}, "Converse")
    tried = [keys.Tried(what=what, error=error) for what, error in (("a", refused), ("b", None), ("c", OSError("x")))]

    assert [sentence[0] for sentence in keys.problems(tried)] == ["b", "c"]
    assert [one.message for one in tried] == ["No.", "None", "x"]


MODEL = "amazon.nova-lite-v1:0"
OURS = Caller(principal=GATEWAY_ROLE, model=MODEL, calls=9, tokens=90)
STRANGER = Caller(principal=account.BYPASS_ROLE, model=MODEL, calls=1, tokens=10)
LINE = Line(
    model=MODEL,
    at=NOON,
    metered_calls=9,
    account_calls=10,
    metered={"InputTokenCount": 90},
    account={"InputTokenCount": 100},
)
FOUND = account.Found(
    start=NOON,
    end=NOON,
    lines=[LINE],
    whole=LINE,
    callers=[OURS, STRANGER],
    report=Report(compared=9, counted=1),
    counted=[{"principal": f"{account.BYPASS_ROLE}/i-0abc", "cost_usd": "0.1", "UseCase": "unattributed"}],
)


def test_witnesses_that_agree_are_no_problem() -> None:
    """Gateway, log and metrics that fit leave nothing to tell, and the stranger is the one who is not the gateway."""
    assert list(account.problems(FOUND)) == []
    assert FOUND.strangers == [STRANGER]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lines": [replace(LINE, metered={"InputTokenCount": 89})]}, "metered 89 tokens, the log has 90"),
        ({"lines": [replace(LINE, account={"InputTokenCount": 101})]}, "has 101 tokens, the log 100"),
        ({"report": Report(compared=9, counted=1, disagreed=1)}, "'disagreed': 1"),
        ({"report": Report(compared=8, counted=1, awaiting=1)}, "'awaiting': 1"),
        ({"report": Report(compared=9, failed=Tally({"entry_unreadable": 1}))}, "entry_unreadable"),
        ({"counted": []}, "1 calls went past"),
    ],
)
def test_witnesses_that_differ_are_told(changes: dict[str, Any], told: str) -> None:
    """A token between any two of them, a call without its second witness, a bypass without a name: all are problems."""
    (sentence,) = account.problems(replace(FOUND, **changes))
    assert told in sentence
