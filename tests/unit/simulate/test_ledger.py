"""The ledger keeps what was served, in order and without content."""

from concurrent.futures import ThreadPoolExecutor

from tests.unit.simulate.asking import CLAUDE, ask, claude

from meterctl.simulate.ledger import Ledger


def test_an_entry_has_every_bucket() -> None:
    """The billed tokens of an exchange are all in its entry."""
    ledger = Ledger()
    exchange = ask(claude(system=[{"type": "text", "text": "abcd" * 9, "cache_control": {"type": "ephemeral"}}]))
    ledger.record(exchange)
    assert ledger.as_json() == {
        "served": [
            {
                "request_id": exchange.request_id,
                "operation": "InvokeModel",
                "model_id": CLAUDE,
                "http_status": 200,
                "error_code": None,
                "fault": None,
                "input_tokens": 3,
                "output_tokens": exchange.tokens.output,
                "cache_read_tokens": 0,
                "cache_write_5m_tokens": 9,
                "cache_write_1h_tokens": 0,
                "complete": True,
                "units": {},
                "at": ledger.entries()[0].at,
                "latency_ms": 0,
            }
        ]
    }


def test_a_reset_has_no_status() -> None:
    """Where nothing was sent, there is no status to tell."""
    ledger = Ledger()
    ledger.record(ask(claude(), headers={"x-simulate": "reset"}))
    assert [(entry.http_status, entry.complete) for entry in ledger.entries()] == [(None, False)]


def test_an_entry_can_turn_out_incomplete() -> None:
    """The entry whose answer could not be sent is marked, the others are not."""
    ledger = Ledger()
    first, second = (ledger.record(ask(claude(), repeat=repeat)) for repeat in range(2))
    ledger.mark(first, complete=False)
    assert [entry.complete for entry in ledger.entries()] == [False, True]
    assert second == 1


def test_threads_lose_no_entry() -> None:
    """Entries recorded from several threads are all there, each under the index it was given."""
    ledger = Ledger()
    exchanges = [ask(claude(), repeat=repeat) for repeat in range(200)]
    with ThreadPoolExecutor(8) as pool:
        indexes = list(pool.map(ledger.record, exchanges))
    entries = ledger.entries()
    assert sorted(indexes) == list(range(200))
    assert [entries[index].request_id for index in indexes] == [exchange.request_id for exchange in exchanges]
