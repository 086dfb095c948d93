"""The prediction of series and of their cost: by hand, and against lines that are really written."""

import json
from decimal import Decimal
from itertools import product

import pytest
from click.testing import CliRunner
from tests.builders import a_call, a_model, a_record, a_usage, an_emf, an_outcome

from bedrock_meter.domain import Status
from meterctl.series import LINE_BYTES, Choice, log_usd, monthly_usd, predict, series

MODELS = ("amazon.nova-lite-v1:0", "us.meta.llama3-3-70b-instruct-v1:0")
USE_CASES = ("chatbot", "search", "batch")


def test_series_are_metrics_times_combinations() -> None:
    """Each directive makes every metric for every combination of values, with "other" among use cases and models."""
    rows = {row.directive: row.series for row in predict(Choice(use_cases=3, models=2, limits=4))}
    assert rows == {
        "volume": 6 * (4 * 3 + 1),
        "faults": 7 * (4 * 3 + 1),
        "speed": 3 * (4 + 3 + 1),
        "service": 3,
        "budget": 4 + 1,
        "reconciliation": 3 * (3 + 1),
        "prices": 1,
        "deploy": 1,
    }


def test_more_stacks_and_versions_make_more_series() -> None:
    """Sets with the service are one for each stack, and deployments one for each version of each."""
    rows = {row.directive: row.series for row in predict(Choice(use_cases=1, models=1, versions=5, services=2))}
    assert rows["deploy"] == 10
    assert rows["service"] == 6
    assert rows["volume"] == 6 * (2 * 2 + 2)


def test_no_line_makes_a_series_that_was_not_predicted() -> None:
    """Lines of every use case, model and status, by the real encoder, have no more series than predicted."""
    emf = an_emf(use_cases=frozenset(USE_CASES), models=frozenset(MODELS))
    found = set()
    for use_case, model, status, streaming in product((*USE_CASES, "x"), (*MODELS, "acme.x"), Status, (True, False)):
        call = a_call(model=a_model(model), tags={"use_case": use_case}, streaming=streaming)
        for faults, usage in ((("sink_fault",), a_usage()), ((), None)):
            record = a_record(
                call=call,
                usage=usage,
                outcome=an_outcome(status=status),
                cost=Decimal(1) if faults else None,
                disagreement=True,
                cold_start=True,
                faults=faults,
            )
            line = json.loads(emf.line(record))
            for directive in line["_aws"]["CloudWatchMetrics"]:
                names = [metric["Name"] for metric in directive["Metrics"]]
                for name, dimensions in product(names, directive["Dimensions"]):
                    found.add((name, *((each, line[each]) for each in dimensions)))
    rows = {row.directive: row.series for row in predict(Choice(use_cases=len(USE_CASES), models=len(MODELS)))}
    most = sum(rows[name] for name in ("volume", "faults", "speed", "service"))
    # Estimates and calls without a price come from usages that these records do not have.
    assert most * 0.8 < len(found) <= most


@pytest.mark.parametrize(
    ("count", "usd"),
    [
        (0, "0"),
        (1, "0.30"),
        (10_000, "3000"),
        (10_001, "3000.10"),
        (250_000, "27000"),
        (1_000_000, "64500"),
        (1_000_001, "64500.02"),
    ],
)
def test_each_step_has_its_own_price(count: int, usd: str) -> None:
    """10,000 metrics at 0.30 USD, 240,000 at 0.10, 750,000 at 0.05, and the rest at 0.02."""
    assert monthly_usd(count) == Decimal(usd)


def test_the_size_of_a_line_is_that_of_a_real_one() -> None:
    """The bytes that the prediction counts for a call are those of a full line, give or take a tenth."""
    call = a_call(tags={"use_case": "chatbot", "team": "support", "key_id": "abcdefgh2345"}, max_output_tokens=300)
    row = "anthropic.claude-sonnet-4-5-20250929-v1:0|*|geo|default|0|2026-11-01"
    line = an_emf().line(a_record(call=call, cost=Decimal("0.0123456"), price_row=row))
    assert len(line.encode()) + 1 + 26 == pytest.approx(LINE_BYTES, rel=0.1)
    assert log_usd(1_000_000) == Decimal("0.95")


def test_names_are_counted() -> None:
    """Names and their number say the same."""
    named = CliRunner().invoke(series, ["--use-cases", "a, b,c,a", "--models", ",".join(MODELS), "--json"])
    counted = CliRunner().invoke(series, ["--use-cases", "3", "--models", "2", "--json"])
    assert named.exit_code == 0, named.output
    assert named.output == counted.output
    document = json.loads(named.output)
    assert document["series"] == sum(document["directives"].values()) == 78 + 91 + 24 + 3 + 1 + 12 + 1 + 1
    assert document["usd_per_month"] == "63.30"


def test_the_table_says_the_same() -> None:
    """The table has every directive with its dimension sets, and where the prices are from."""
    result = CliRunner().invoke(series, ["--use-cases", "3", "--models", "2"])
    for text in ("[UseCase, ModelId], [Service]", "211", "63.30 USD a month", "2026-11-23", "0.95 USD"):
        assert text in result.output


@pytest.mark.parametrize("given", ["", "1.5", "-1", "a b"])
def test_what_is_neither_number_nor_names_is_refused(given: str) -> None:
    """A wrong value is named."""
    result = CliRunner().invoke(series, ["--use-cases", given, "--models", "1"])
    assert result.exit_code == 2
    assert "neither a number nor names" in result.output
