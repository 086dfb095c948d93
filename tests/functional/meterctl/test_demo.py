"""The demo is what a newcomer runs first: it has to end well, and it has to be able to fail."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from meterctl.demo import command, traffic
from meterctl.summary import read_lines


def test_the_demo_agrees_with_the_simulator(tmp_path: Path) -> None:
    """The demo ends with exit code 0, shows every use case and model, and keeps valid lines."""
    emf_file = tmp_path / "emf.jsonl"

    result = CliRunner().invoke(command.demo, ["--emf", str(emf_file)])

    assert result.exit_code == 0, result.output
    for text in (traffic.CHATBOT, traffic.SUMMARIZER, "nova-lite", "claude-sonnet-4-5", "llama3-3", "ValidationExcep"):
        assert text in result.output
    assert "every token bucket of every record is equal" in result.output
    lines = [json.loads(line) for line in emf_file.read_text().splitlines()]
    assert {line["UseCase"] for line in lines} == {traffic.CHATBOT, traffic.SUMMARIZER}
    assert any(line.get("InvocationThrottles") for line in lines)
    assert all(not line["ModelId"].startswith("acme") for line in lines)


def test_the_demo_fails_when_a_single_token_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """One token more in one line makes the exit code 1 and is named."""

    def with_one_token_more(text: Iterable[str]) -> list[dict[str, Any]]:
        lines = read_lines(text)
        lines[5]["output_tokens"] = lines[5].get("output_tokens", 0) + 1
        return lines

    monkeypatch.setattr(f"{command.__name__}.read_lines", with_one_token_more)
    result = CliRunner().invoke(command.demo, [])

    assert result.exit_code == 1
    assert "1 differences" in result.output
    assert "output_tokens is" in result.output
