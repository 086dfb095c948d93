"""The drift of estimates, from EMF lines."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.builders import a_call, a_model, a_record, a_usage, an_emf

from bedrock_meter.estimate import tables
from bedrock_meter.forecast import Forecast
from meterctl.report.command import command
from meterctl.report.estimates import ENOUGH, drifts

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"


def line(ratio: object, model: str = CLAUDE, method: str = "tokenizer") -> dict[str, object]:
    """Make the parsed line of a call."""
    return {"_aws": {}, "model_base": model, "forecast_method": method, "EstimateRatio": ratio}


def test_the_median_is_the_factor() -> None:
    """Half of the calls are below it; the tenths are values that were measured."""
    (drift,) = drifts(line(1 + number / 100) for number in range(1, ENOUGH + 2))
    assert (drift.factors, drift.model, drift.method, drift.calls) == ("CLAUDE_OLD", CLAUDE, "tokenizer", ENOUGH + 1)
    assert (drift.p10, drift.median, drift.p90, drift.factor) == (1.04, 1.16, 1.28, 1.16)


def test_models_with_the_same_factors_are_summed_up() -> None:
    """The factors belong to a family of tokenizers, so the family has a line of its own, by method."""
    lines = [
        *[line(1.1)] * 20,
        *[line(1.3, HAIKU)] * 20,
        line(1.5, "openai.gpt-oss-20b-1:0"),
        line(0.5, method="bytes"),
    ]
    assert [(each.factors, each.model, each.method, each.calls, each.factor) for each in drifts(lines)] == [
        ("CLAUDE_OLD", "(all)", "tokenizer", 40, 1.2),
        ("CLAUDE_OLD", HAIKU, "tokenizer", 20, None),
        ("CLAUDE_OLD", CLAUDE, "bytes", 1, None),
        ("CLAUDE_OLD", CLAUDE, "tokenizer", 20, None),
        ("GPT_OSS", "openai.gpt-oss-20b-1:0", "tokenizer", 1, None),
    ]


@pytest.mark.parametrize("method", ["count_tokens", "bound", ""])
def test_what_has_no_factors_gets_none(method: str) -> None:
    """CountTokens is Bedrock's own word and a bound is no estimate: there is nothing to multiply."""
    (drift,) = drifts([line(1.1, method=method)] * 100)
    assert (drift.median, drift.factor) == (1.1, None)


@pytest.mark.parametrize("ratio", [None, "1.1", True, 0, -1, float("nan"), float("inf"), [1], {}])
def test_what_is_no_ratio_is_not_counted(ratio: object) -> None:
    """Lines of other programs and damaged ones are passed over."""
    assert drifts([line(ratio), {"_aws": {}}, {"_aws": {}, "EstimateRatio": 1.0, "model_base": 7}]) == []


def test_every_row_of_factors_has_a_name() -> None:
    """Whatever a model is called, its row of factors is one that the report can name."""
    names = {value: name for name, value in vars(tables).items() if isinstance(value, tables.Row)}
    assert {
        each.factors for each in drifts(line(1.0, model) for model in ("x", "cohere.command-r-v1:0", CLAUDE))
    } <= set(names.values())


@pytest.fixture
def emf(tmp_path: Path) -> Path:
    """A file of real lines, with others in between."""
    forecast = Forecast(tokens=100, most=300, method="tokenizer")
    record = a_record(call=a_call(model=a_model()), usage=a_usage(), forecast=forecast)
    path = tmp_path / "emf.log"
    path.write_text("START RequestId: x\n" + (an_emf().line(record) + "\n") * ENOUGH + "{not JSON\n", encoding="utf-8")
    return path


def test_the_command_prints_a_table(emf: Path) -> None:
    """From a file, for people."""
    result = CliRunner().invoke(command, ["estimates", str(emf)])
    assert result.exit_code == 0, result.output
    assert CLAUDE in result.output
    assert [str(ENOUGH), *["1.430"] * 4] == next(row for row in result.output.splitlines() if CLAUDE in row).split()[3:]


def test_the_command_prints_json_from_stdin(emf: Path) -> None:
    """From a pipe, for machines."""
    result = CliRunner().invoke(command, ["estimates", "-", "--json"], input=emf.read_text(encoding="utf-8"))
    assert json.loads(result.output) == [
        {
            "factors": "CLAUDE_OLD",
            "model": CLAUDE,
            "method": "tokenizer",
            "calls": ENOUGH,
            "median": 1.43,
            "p10": 1.43,
            "p90": 1.43,
            "factor": 1.43,
        }
    ]


def test_nothing_to_report_says_what_to_do(tmp_path: Path) -> None:
    """A file without forecasts names the setting that makes some; a file that is not there is an error."""
    path = tmp_path / "emf.log"
    path.write_text(an_emf().line(a_record()) + "\n", encoding="utf-8")
    result = CliRunner().invoke(command, ["estimates", str(path)])
    assert "None of 1 EMF lines" in result.output
    assert "BEDROCK_METER_ESTIMATE_SAMPLE" in result.output
    assert CliRunner().invoke(command, ["estimates", str(tmp_path / "none")]).exit_code == 2
