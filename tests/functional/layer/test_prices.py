"""Costs at the layer door: from the setting to the record and its line."""

import io
import json
from contextlib import redirect_stdout
from decimal import Decimal
from pathlib import Path

from tests.books import a_row, as_json
from tests.functional.layer.clients import CLAUDE, HELLO, AwaitedSink, only, plain_client

import bedrock_meter
from bedrock_meter import Settings
from bedrock_meter.modelid import parse
from meterctl.simulate import Simulator


def own_book(folder: Path) -> str:
    """Write a book in which every token of the model costs a dollar for a thousand; give its path."""
    model = parse(CLAUDE)
    rates = dict.fromkeys(("input", "output", "cache_read", "cache_write_5m", "cache_write_1h"), "1000")
    row = a_row(model=model.base, scope=model.scope, rates=rates)
    path = folder / "prices.json"
    path.write_text(as_json([row]), encoding="utf-8")
    return str(path)


def test_the_record_of_a_call_and_of_a_stream_has_its_cost(
    simulator: Simulator, sink: AwaitedSink, tmp_path: Path
) -> None:
    """The callback of the layer gets the cost with the record, on buffered answers and on streams."""
    settings = Settings(prices=own_book(tmp_path))
    client = bedrock_meter.instrument(plain_client(simulator.url), use_case="chatbot", sink=sink, settings=settings)
    client.converse(modelId=CLAUDE, messages=HELLO)
    list(client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])

    assert len(sink.records) == 2
    for record in sink.records:
        assert record.usage is not None
        assert record.usage.input
        assert record.usage.output
        assert record.cost == Decimal(record.usage.input + record.usage.output) / 1000
        assert record.price_row is not None
        assert record.price_row.startswith(str(parse(CLAUDE).base))


def test_the_line_has_the_cost(simulator: Simulator, tmp_path: Path) -> None:
    """The metric, the exact property and the row stand in the line on stdout."""
    settings = Settings(prices=own_book(tmp_path))
    client = bedrock_meter.instrument(plain_client(simulator.url), use_case="chatbot", settings=settings)
    with redirect_stdout(io.StringIO()) as written:
        client.converse(modelId=CLAUDE, messages=HELLO)
    line = json.loads(written.getvalue())
    tokens = line["InputTokenCount"] + line["OutputTokenCount"]
    assert Decimal(line["cost_usd"]) == Decimal(tokens) / 1000
    assert line["EstimatedCostUSD"] == float(line["cost_usd"])
    assert line["price_row"].endswith("|2026-01-01")
    assert "Unpriced" not in line


def test_a_setting_that_names_no_book_is_a_fault_and_not_an_error(simulator: Simulator, sink: AwaitedSink) -> None:
    """The call works and is priced by the packaged book; its record counts the fault."""
    settings = Settings(prices="/no/such/prices.json")
    client = bedrock_meter.instrument(plain_client(simulator.url), use_case="chatbot", sink=sink, settings=settings)
    client.converse(modelId=CLAUDE, messages=HELLO)
    record = only(sink)
    assert record.faults == ("price_book_fault",)
    assert record.cost
