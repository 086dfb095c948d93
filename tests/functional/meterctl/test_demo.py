"""The demo is what a newcomer runs first: it has to end well, and it has to be able to fail."""

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.books import a_row, as_json

from bedrock_meter.adapters import pricebook
from meterctl.demo import account, command, traffic
from meterctl.demo.registry import BUDGET, CHATBOT, CRAWLER, PLAYGROUND, SUMMARIZER
from meterctl.summary import read_lines, summarise

HOUR = {"cache_write_1h": "6.6"}
MOST_LINES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the demo, at prices that a person can reckon with."""

    output: str
    lines: list[dict[str, Any]]
    html: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the whole demo once."""
    folder = tmp_path_factory.mktemp("demo")
    prices, emf, html = folder / "prices.json", folder / "emf.jsonl", folder / "report.html"
    nova = {"input": "0.06", "output": "0.24"}
    llama = {"input": "0.72", "output": "0.72"}
    rows = [
        a_row(rates={"input": "3.3", "output": "16.5", "cache_read": "0.33", "cache_write_5m": "4.125"} | HOUR),
        a_row(model="amazon.nova-lite-v1:0", scope="in-region", rates=nova),
        a_row(model="meta.llama3-3-70b-instruct-v1:0", rates=llama),
    ]
    prices.write_text(as_json(rows), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pricebook, "PACKAGED", prices)
        pricebook.packaged_book.cache_clear()
        try:
            result = CliRunner().invoke(command.demo, ["--emf", str(emf), "--html", str(html)])
        finally:
            pricebook.packaged_book.cache_clear()
    assert result.exit_code == 0, (result.output, result.exception)
    lines = read_lines(emf.read_text(encoding="utf-8").splitlines())
    return Run(output=result.output, lines=lines, html=html.read_text(encoding="utf-8"))


def test_the_demo_agrees_with_the_simulator(run: Run) -> None:
    """It shows every use case and model, keeps valid lines, and reads well where it is no terminal."""
    for text in (CHATBOT, SUMMARIZER, "nova-lite", "claude-sonnet-4-5", "llama3-3", "4 ValidationException"):
        assert text in run.output
    assert "every token bucket of every record is equal" in run.output
    assert "<figure" in run.html
    calls = [line for line in run.lines if "UseCase" in line]
    assert {line["UseCase"] for line in calls} == {CHATBOT, SUMMARIZER, PLAYGROUND, CRAWLER}
    assert any(line.get("InvocationThrottles") for line in calls)
    assert all(not line["ModelId"].startswith("acme") for line in calls)
    shown = run.output.splitlines()
    assert max(map(len, shown)) <= command.LOG_WIDTH
    assert len(shown) < MOST_LINES


def test_the_demo_shows_the_dollars_of_a_hand_computed_table(run: Run) -> None:
    """Dollars by use case and model are what the tokens cost by hand, in the lines exactly and in the table rounded."""
    calls = [line for line in run.lines if line.get("UseCase") in {CHATBOT, SUMMARIZER}]
    # In millionths of a dollar, tokens times dollars for a million of them:
    assert {(row.use_case, row.model): row.cost for row in summarise(calls)} == {
        # 612 x 0.06 + 2,508 x 0.24 = 36.72 + 601.92
        ("chatbot", traffic.NOVA): Decimal("0.00063864"),
        ("chatbot", "other"): Decimal(0),
        # 612 x 3.30 + 2,266 x 16.50 = 2,019.60 + 37,389
        ("chatbot", traffic.CLAUDE): Decimal("0.0394086"),
        # 200 x 3.30 + 3,260 x 16.50 + 6,024 x 0.33 + 667 x 4.125 + 839 x 6.60
        # = 660 + 53,790 + 1,987.92 + 2,751.375 + 5,537.40
        ("summarizer", traffic.CLAUDE): Decimal("0.064726695"),
        # (7,585 + 2,475) x 0.72
        ("summarizer", traffic.LLAMA): Decimal("0.0072432"),
    }
    for shown in ("0.0006", "0.0394", "0.0647", "0.0072", "Together 0.1120 USD"):
        assert shown in run.output


def test_the_demo_refuses_and_stops_at_the_cent(run: Run) -> None:
    """Bad keys and a forbidden model are refused, the budget is never overspent, the rate says when to come back."""
    for what in ("a key that nobody made", "a revoked key", "a model that playground may not call"):
        assert re.search(rf"{what} +AccessDeniedException", run.output)
    under = [line for line in run.lines if BUDGET.id in line.get("limits", ())]
    spent = sum((Decimal(line["cost_usd"]) for line in under), Decimal(0))
    worst = max(Decimal(line["held_usd"]) for line in under)
    assert BUDGET.amount - worst < spent <= BUDGET.amount
    refused = sum(line.get("refused_by") == BUDGET.id for line in run.lines)
    assert f"{len(under)} were answered, {refused} raised ServiceQuotaExceededException" in run.output
    assert run.output.count(f"{spent.normalize():f}") >= 4  # the message, the records, the counter, GET /usage
    assert re.search(r"ThrottlingException, with Retry-After: \d+ ", run.output)
    assert "Records, counter and GET /usage agree to the last digit" in run.output


def test_the_demo_names_who_went_past(run: Run) -> None:
    """Three witnesses agree to the token, and the principal of the bypass is named with its calls."""
    assert re.search(rf"{account.BYPASS_ROLE} +{account.TIMES} calls", run.output)
    assert re.search(r"all models +([\d,]+) +\1 +1,800 +[\d,]+ +1,800\n", run.output)
    assert "Gateway, invocation log and AWS/Bedrock agree to the token" in run.output


def test_the_demo_fails_when_anything_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference that any of the scenes finds makes the exit code 1 and is named."""
    for scene, found in (("_metered", ["a token differs"]), ("_guarded", ["a cent differs"]), ("_reconciled", [])):
        monkeypatch.setattr(command, scene, lambda _stage, found=found: found)
    result = CliRunner().invoke(command.demo, ["--html", str(tmp_path / "report.html")])

    assert result.exit_code == 1
    for sentence in ("2 differences", "a token differs", "a cent differs"):
        assert sentence in result.output
