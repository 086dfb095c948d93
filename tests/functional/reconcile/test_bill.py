"""Metered dollars against the bill, on exports that the tests write in CUR 2.0's own column names."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner
from moto import mock_aws
from tests.builders import CLAUDE, NOON, a_call, a_model, a_record, a_usage, an_emf
from tests.functional.reconcile.exports import Item, as_csv, parquet

from bedrock_meter import MeterError
from meterctl.reconcile import bill, costexplorer, cur, spend
from meterctl.reconcile.bill import Billed, Compared
from meterctl.reconcile.command import command
from meterctl.reconcile.spend import Metered
from meterctl.reconcile.usagetype import Kind
from pricewatch import book

NOVA = "amazon.nova-lite-v1:0"
DAY = NOON.date()
SONNET = "Claude Sonnet 4.5 (Amazon Bedrock Edition)"
MARKETPLACE = "1a2b3c4d5e6f"
"""What stands for a product code in the bill of a model that is sold on the Marketplace."""

# 1,000 input and 100 output tokens of Nova Lite at 0.06 and 0.24 USD for a million of them: 0.000060 and 0.000024.
# 2,000 input and 100 output tokens of Claude at 3.30 and 16.50: 0.0066 and 0.00165; 1,000 read from the cache: 0.00033.
BILL = (
    Item(start=NOON, usage_type="USE1-NovaLite-input-tokens", usd=Decimal("0.00006")),
    Item(start=NOON, usage_type="USE1-NovaLite-output-tokens", usd=Decimal("0.00003")),
    Item(
        start=NOON,
        usage_type="USE1-MP:USE1_InputTokenCount-Units",
        usd=Decimal("0.0066"),
        product_name=SONNET,
        product_code=MARKETPLACE,
    ),
    Item(
        start=NOON,
        usage_type="USE1-MP:USE1_OutputTokenCount-Units",
        usd=Decimal("0.00165"),
        product_name=SONNET,
        product_code=MARKETPLACE,
        principal="arn:aws:iam::123456789012:user/batch",
    ),
    Item(
        start=NOON,
        usage_type="USE1-MP:USE1_CacheReadInputTokenCount-Units",
        usd=Decimal("0.00033"),
        product_name=SONNET,
        product_code=MARKETPLACE,
    ),
    # What must not be counted: a tax, another service, another day.
    Item(start=NOON, usage_type="USE1-NovaLite-input-tokens", usd=Decimal(7), kind="Tax"),
    Item(
        start=NOON,
        usage_type="BoxUsage:m5",
        usd=Decimal(9),
        product_code="AmazonEC2",
        product_name="Amazon Elastic Compute",
    ),
    Item(start=datetime(2026, 11, 25, 1, tzinfo=UTC), usage_type="USE1-NovaLite-input-tokens", usd=Decimal(5)),
)


def rates(**values: str) -> dict[str, Decimal]:
    """Make the rates of a row."""
    return {name: Decimal(value) for name, value in values.items()}


ROWS = {
    f"{NOVA}|us-east-1|in-region|default|0|2026-01-01": rates(input="0.06", output="0.24"),
    f"{CLAUDE}|us-east-1|geo|default|0|2026-01-01": rates(input="3.3", output="16.5", cache_read="0.33"),
}


def lines() -> list[dict[str, Any]]:
    """Give the lines of two calls, priced by `ROWS`."""
    nova, claude = ROWS
    records = [
        a_record(
            call=a_call(model=a_model(NOVA)),
            usage=a_usage(input=1000, output=100, cache_read=0, cache_write_5m=0, cache_write_1h=0),
            cost=Decimal("0.000084"),
            price_row=nova,
        ),
        a_record(
            usage=a_usage(input=2000, output=100, cache_read=1000, cache_write_5m=0, cache_write_1h=0),
            cost=Decimal("0.00858"),
            price_row=claude,
        ),
    ]
    emf = an_emf()
    return [json.loads(emf.line(record)) for record in records]


def found(rows: Sequence[Compared]) -> dict[tuple[str, Kind], tuple[Decimal, Decimal]]:
    """Index a comparison."""
    return {(row.model, row.kind): (row.metered, row.billed) for row in rows}


EXPECTED = {
    (NOVA, Kind.INPUT): (Decimal("0.00006"), Decimal("0.00006")),
    (NOVA, Kind.OUTPUT): (Decimal("0.000024"), Decimal("0.00003")),
    (CLAUDE, Kind.INPUT): (Decimal("0.0066"), Decimal("0.0066")),
    (CLAUDE, Kind.OUTPUT): (Decimal("0.00165"), Decimal("0.00165")),
    (CLAUDE, Kind.CACHE_READ): (Decimal("0.00033"), Decimal("0.00033")),
}


def test_the_cost_of_a_line_is_divided_by_its_own_row() -> None:
    """Each kind of tokens has its part of a line's exact cost, by the row that priced the line."""
    side = spend.metered(lines(), ROWS)
    assert {(model, kind): usd for (_, model, kind), usd in side.usd.items()} == {
        key: metered for key, (metered, _) in EXPECTED.items()
    }
    assert (side.unpriced, side.undivided) == (0, 0)


def test_what_cannot_be_divided_is_still_counted() -> None:
    """A cost by an unknown row, or beyond the tokens, is of the kind "other"; a call without a price is counted."""
    unpriced = {key: value for key, value in lines()[0].items() if key not in {"cost_usd", "price_row"}}
    side = spend.metered([*lines(), unpriced], {})
    assert {kind for _, _, kind in side.usd} == {Kind.OTHER}
    assert sum(side.usd.values()) == Decimal("0.008664")
    assert (side.unpriced, side.undivided) == (1, 2)


@pytest.mark.parametrize("write", [parquet, as_csv])
def test_an_export_is_compared_by_day_model_and_kind(tmp_path: Path, write: Any) -> None:
    """Parquet and CSV say the same: both sides of each kind, taxes, other services and other days left out."""
    path = write(tmp_path / f"export.{'parquet' if write is parquet else 'csv'}", BILL)
    billed = cur.read(path, first=DAY, last=DAY)
    rows = bill.compare(spend.metered(lines(), ROWS), billed, models=[])
    assert found(rows) == EXPECTED
    by_kind = {(row.model, row.kind): row for row in rows}
    output = by_kind[NOVA, Kind.OUTPUT]
    assert output.percent == Decimal(-20)
    assert output.usage_types == ("USE1-NovaLite-output-tokens",)
    assert bill.by_principal(billed) == {
        "arn:aws:sts::123456789012:assumed-role/meter-GatewayRole/session": Decimal("0.00702"),
        "arn:aws:iam::123456789012:user/batch": Decimal("0.00165"),
    }


def test_an_export_without_principals_is_read(tmp_path: Path) -> None:
    """The column of principals is optional at AWS, and so here."""
    path = parquet(tmp_path / "export.parquet", BILL, without="line_item_iam_principal")
    billed = cur.read(path, first=DAY, last=DAY)
    assert len(billed) == 5
    assert bill.by_principal(billed) == {}


def test_a_folder_of_files_is_one_export(tmp_path: Path) -> None:
    """The files of an export lie in folders by billing period."""
    for place, item in enumerate(BILL[:2]):
        folder = tmp_path / "data" / f"BILLING_PERIOD=2026-1{place}"
        folder.mkdir(parents=True)
        parquet(folder / "part-00001.snappy.parquet", [item])
    assert sum(entry.usd for entry in cur.read(tmp_path, first=DAY, last=DAY)) == Decimal("0.00009")


def test_an_export_in_s3_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every data file below a prefix is read, and nothing else."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    file = parquet(tmp_path / "part-0.parquet", BILL)
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="bills")
        s3.upload_file(str(file), "bills", "cur/data/BILLING_PERIOD=2026-11/part-0.parquet")
        s3.put_object(Bucket="bills", Key="cur/metadata/Manifest.json", Body=b"{}")
        with cur.fetched(s3, "s3://bills/cur/") as folder:
            assert len(cur.read(folder, first=DAY, last=DAY)) == 5
        with (
            pytest.raises(MeterError, match="no Parquet and no CSV file is below it"),
            cur.fetched(s3, "s3://bills/x/"),
        ):
            pass


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,b\n1,2\n", "no export of CUR 2.0, the columns line_item_currency_code"),
        ("", "export.csv"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """A file that is none is refused with a sentence that names what is missing."""
    path = tmp_path / "export.csv"
    path.write_text(text)
    with pytest.raises(MeterError, match=problem):
        cur.read(path, first=DAY, last=DAY)


def test_another_currency_is_refused(tmp_path: Path) -> None:
    """Dollars are not compared with something else."""
    path = parquet(tmp_path / "export.parquet", [replace(BILL[0], currency="CNY")])
    with pytest.raises(MeterError, match="the bill is in CNY"):
        cur.read(path, first=DAY, last=DAY)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    """Neither a missing path nor a folder without data is taken for an empty bill."""
    for path in (tmp_path, tmp_path / "missing.parquet", tmp_path / "bill.xlsx"):
        with pytest.raises(MeterError, match=f"{path.name}: no Parquet and no CSV file"):
            cur.read(path, first=DAY, last=DAY)


def test_cost_explorer_is_read_page_by_page() -> None:
    """Every service of Bedrock is asked for, usage only, and all pages are read."""
    ce = boto3.client("ce", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    span = {"Start": "2026-11-23", "End": "2026-11-25"}
    asked = {
        "TimePeriod": span,
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "Filter": {
            "And": [
                {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Bedrock", SONNET]}},
                {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": costexplorer._NOT_USAGE}}},  # noqa: SLF001 - as sent
            ]
        },
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
    }

    def page(day: str, service: str, usage_type: str, amount: str) -> dict[str, Any]:
        groups = [{"Keys": [service, usage_type], "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}}}]
        return {"ResultsByTime": [{"TimePeriod": {"Start": day, "End": day}, "Groups": groups}]}

    with Stubber(ce) as stub:
        stub.add_response(
            "get_dimension_values",
            {
                "DimensionValues": [{"Value": SONNET, "Attributes": {}}, {"Value": "Amazon Bedrock", "Attributes": {}}],
                "ReturnSize": 2,
                "TotalSize": 2,
            },
            {"TimePeriod": span, "Dimension": "SERVICE", "SearchString": "Bedrock"},
        )
        first = page("2026-11-23", "Amazon Bedrock", "USE1-NovaLite-input-tokens", "0.5")
        stub.add_response("get_cost_and_usage", {**first, "NextPageToken": "more"}, asked)
        stub.add_response(
            "get_cost_and_usage",
            page("2026-11-24", SONNET, "USE1-MP:USE1_OutputTokenCount-Units", "1.25"),
            {**asked, "NextPageToken": "more"},
        )
        billed = costexplorer.read(ce, first=date(2026, 11, 23), last=date(2026, 11, 24))
        stub.assert_no_pending_responses()
    assert [(entry.day.day, entry.product, entry.usd) for entry in billed] == [
        (23, "Amazon Bedrock", Decimal("0.5")),
        (24, SONNET, Decimal("1.25")),
    ]
    rows = bill.compare(Metered(usd={}, unpriced=0, undivided=0), billed, models=[NOVA, CLAUDE])
    assert [(row.model, row.kind, row.billed) for row in rows] == [
        (NOVA, Kind.INPUT, Decimal("0.5")),
        (CLAUDE, Kind.OUTPUT, Decimal("1.25")),
    ]


def test_the_command_prints_the_comparison(tmp_path: Path) -> None:
    """The command reads lines and export, prints both sides and the percentage, and fails above the limit."""
    emf = tmp_path / "emf.jsonl"
    emf.write_text("".join(json.dumps(line) + "\n" for line in lines()))
    export = parquet(tmp_path / "export.parquet", BILL)
    when = ["--since", "2026-11-23", "--until", "2026-11-24"]

    shown = CliRunner().invoke(command, ["--bill", str(export), "--emf", str(emf), *when])
    assert shown.exit_code == 0, shown.output
    assert "USE1-MP:USE1_CacheReadInputTokenCount-Units" in shown.output
    assert "Billed by principal" in shown.output

    asked = ["--bill", str(export), "--emf", str(emf), *when, "--json", "--fail-above", "1"]
    result = CliRunner().invoke(command, asked)
    document = json.loads(result.output)
    assert result.exit_code == 0
    assert Decimal(document["billed_usd"]) == Decimal("0.00867")
    # The rows of the lines are not in the packaged book, so their cost is whole and of the kind "other".
    assert Decimal(document["metered_usd"]) == Decimal("0.008664")
    assert CliRunner().invoke(command, [*asked[:-1], "0.01"]).exit_code == 1


def test_lines_are_divided_by_the_packaged_book() -> None:
    """Every row of the packaged book can be found by the name that lines have for it."""
    rows = spend.by_row(book.PATH.read_text(encoding="utf-8"))
    assert len(rows) > 500
    assert all(name.count("|") == 5 for name in rows)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--bill", "x.parquet"], "a bill needs --emf"),
        (["--bill", "x.parquet", "--cost-explorer"], "name one"),
        (["--since", "2026-11-24", "--until", "2026-11-23"], "--since has to lie before --until"),
        (["--since", "soon"], "neither a time such as 24h"),
    ],
)
def test_wrong_options_are_explained(options: list[str], problem: str) -> None:
    """What cannot be compared is refused with a sentence."""
    result = CliRunner().invoke(command, options)
    assert result.exit_code == 2
    assert problem in result.output


def test_an_entry_of_the_bill_alone_has_a_model_and_no_metered_side() -> None:
    """A model that nobody metered is in the comparison with what it cost."""
    entry = Billed(
        day=DAY, product="Amazon Bedrock", usage_type="USE1-NovaPro-input-tokens", principal=None, usd=Decimal(2)
    )
    (row,) = bill.compare(Metered(usd={}, unpriced=0, undivided=0), [entry], models=["amazon.nova-pro-v1:0"])
    assert row.model == "amazon.nova-pro-v1:0"
    assert (row.metered, row.billed, row.percent) == (Decimal(0), Decimal(2), Decimal(-100))
