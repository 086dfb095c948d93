"""Faults of the meter itself: counted, reported, and never seen by the transport."""

from collections.abc import Callable, Mapping
from typing import Never

import pytest
from tests.builders import Bench

import bedrock_meter.session
from bedrock_meter.domain import Certainty, Status
from bedrock_meter.meter import SINK_FAULT
from bedrock_meter.session import READER_FAULT
from bedrock_meter.usage import Reading

HEADERS = {
    "x-amzn-bedrock-input-token-count": "10",
    "x-amzn-bedrock-output-token-count": "3",
    "x-amzn-requestid": "b0d1",
}
BODY = b'{"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":3}}'


class BrokenReader:
    """A reader with a bug."""

    content_started = False

    def __init__(self, *, feeds: bool) -> None:
        self._feeds = feeds

    def feed(self, chunk: bytes) -> None:
        """Fail, unless it is the result that fails."""
        if not self._feeds:
            raise ZeroDivisionError(chunk.decode())

    def result(self) -> Reading:
        """Fail."""
        raise ZeroDivisionError("canary-7f3a")


def use_reader(monkeypatch: pytest.MonkeyPatch, make: Callable[[], BrokenReader]) -> None:
    """Have every answer read by another reader."""

    def reader_for(call: object, http_status: int, headers: Mapping[str, str]) -> BrokenReader:
        del call, http_status, headers
        return make()

    monkeypatch.setattr(bedrock_meter.session, "reader_for", reader_for)


def no_reader() -> Never:
    """Fail to make a reader."""
    raise LookupError("canary-7f3a")


@pytest.mark.parametrize("feeds", [True, False], ids=["result raises", "feed raises"])
def test_a_reader_that_raises(monkeypatch: pytest.MonkeyPatch, feeds: bool) -> None:
    """A bug in a reader is a fault on the record, reported once for the call, and no exception."""
    use_reader(monkeypatch, lambda: BrokenReader(feeds=feeds))
    bench = Bench()
    record = bench.exchange(b"a", b"b", b"c")
    assert (record.usage, record.outcome.certainty) == (None, Certainty.UNKNOWN)
    assert record.faults == (READER_FAULT,)
    assert bench.faults.codes == [READER_FAULT]


def test_a_reader_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in choosing the reader is a fault on the record too."""
    use_reader(monkeypatch, no_reader)
    record = Bench().exchange(BODY, headers=HEADERS)
    assert record.faults == (READER_FAULT,)
    assert record.outcome.status is Status.OK


def test_a_sink_that_raises_is_counted_on_the_next_record() -> None:
    """The record is returned and the fault reported; the next record that is emitted carries it, once."""
    bench = Bench()
    bench.sink.broken = True
    lost = bench.exchange(BODY, headers=HEADERS)
    assert lost.faults == ()
    assert bench.faults.codes == [SINK_FAULT]
    bench.sink.broken = False
    assert bench.exchange(BODY, headers=HEADERS).faults == (SINK_FAULT,)
    assert bench.exchange(BODY, headers=HEADERS).faults == ()
    assert len(bench.sink.records) == 2


def test_no_sink_fault_is_lost_while_the_sink_stays_broken() -> None:
    """Two records that could not be emitted are two faults on the first one that can."""
    bench = Bench()
    bench.sink.broken = True
    bench.exchange(BODY, headers=HEADERS)
    bench.exchange(BODY, headers=HEADERS)
    bench.sink.broken = False
    assert bench.exchange(BODY, headers=HEADERS).faults == (SINK_FAULT, SINK_FAULT)
