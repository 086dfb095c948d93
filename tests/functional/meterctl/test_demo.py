"""The demo is what a newcomer runs first: it has to end well, and it has to be able to fail."""

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.books import a_row, as_json

from bedrock_meter.adapters import pricebook
from meterctl.demo import command, traffic
from meterctl.summary import read_lines, summarise

HOUR = {"cache_write_1h": "6.6"}


def test_the_demo_agrees_with_the_simulator(tmp_path: Path) -> None:
    """The demo ends with exit code 0, shows every use case and model, and keeps valid lines."""
    emf_file = tmp_path / "emf.jsonl"

    result = CliRunner().invoke(command.demo, ["--emf", str(emf_file), "--html", str(tmp_path / "report.html")])

    assert result.exit_code == 0, result.output
    for text in (traffic.CHATBOT, traffic.SUMMARIZER, "nova-lite", "claude-sonnet-4-5", "llama3-3", "ValidationExcep"):
        assert text in result.output
    assert "every token bucket of every record is equal" in result.output
    assert re.search(r"tokens \(\d+\.\d %\) went past the meter", result.output)
    assert "<figure" in (tmp_path / "report.html").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in emf_file.read_text().splitlines()]
    assert {line["UseCase"] for line in lines} == {traffic.CHATBOT, traffic.SUMMARIZER}
    assert any(line.get("InvocationThrottles") for line in lines)
    assert all(not line["ModelId"].startswith("acme") for line in lines)


def test_the_demo_shows_the_dollars_of_a_hand_computed_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dollars by use case and model are what the tokens cost by hand, in the lines exactly and in the table rounded."""
    prices = tmp_path / "prices.json"
    nova = {"input": "0.06", "output": "0.24"}
    llama = {"input": "0.72", "output": "0.72"}
    rows = [
        a_row(rates={"input": "3.3", "output": "16.5", "cache_read": "0.33", "cache_write_5m": "4.125"} | HOUR),
        a_row(model="amazon.nova-lite-v1:0", scope="in-region", rates=nova),
        a_row(model="meta.llama3-3-70b-instruct-v1:0", rates=llama),
    ]
    prices.write_text(as_json(rows), encoding="utf-8")
    monkeypatch.setattr(pricebook, "PACKAGED", prices)
    pricebook.packaged_book.cache_clear()
    emf_file = tmp_path / "emf.jsonl"
    try:
        result = CliRunner().invoke(command.demo, ["--emf", str(emf_file), "--html", str(tmp_path / "report.html")])
    finally:
        pricebook.packaged_book.cache_clear()

    assert result.exit_code == 0, result.output
    costs = {(row.use_case, row.model): row.cost for row in summarise(read_lines(emf_file.read_text().splitlines()))}
    # In millionths of a dollar, tokens times dollars for a million of them:
    assert costs == {
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
        assert shown in result.output
    assert max(map(len, result.output.splitlines())) <= command.LOG_WIDTH


def test_the_demo_fails_when_a_single_token_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One token more in one line makes the exit code 1 and is named."""

    def with_one_token_more(text: Iterable[str]) -> list[dict[str, Any]]:
        lines = read_lines(text)
        lines[5]["output_tokens"] = lines[5].get("output_tokens", 0) + 1
        return lines

    monkeypatch.setattr(f"{command.__name__}.read_lines", with_one_token_more)
    result = CliRunner().invoke(command.demo, ["--html", str(tmp_path / "report.html")])

    assert result.exit_code == 1
    assert "1 differences" in result.output
    assert "output_tokens is" in result.output
