"""The adapters: sinks, clock and fault log."""

import io
import json
import logging
import threading
from datetime import timedelta
from itertools import pairwise

import pytest
from tests.builders import a_call, a_record, an_emf
from tests.unit.emf_schema import problems

from bedrock_meter.adapters.clock import SystemClock
from bedrock_meter.adapters.faultlog import OnceLog
from bedrock_meter.adapters.memory import MemorySink
from bedrock_meter.adapters.stdout import StreamSink


class CountingStream(io.StringIO):
    """A text stream that keeps each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        """Keep one write."""
        self.writes.append(text)
        return len(text)


def test_memory_sink_keeps_records_in_order() -> None:
    """Records come back as they were emitted."""
    sink, first, second = MemorySink(), a_record(), a_record(cold_start=True)
    sink.emit(first)
    sink.emit(second)
    assert sink.records == [first, second]


def test_stream_sink_writes_a_line_in_one_write() -> None:
    """Line and line end go out together: a second write could land inside another thread's line."""
    stream = CountingStream()
    StreamSink(an_emf(), stream).emit(a_record())
    (written,) = stream.writes
    assert written.endswith("\n")
    assert problems(written[:-1]) == []


def test_stream_sink_writes_to_the_stdout_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream the record goes to stdout, and nothing to stderr."""
    StreamSink(an_emf()).emit(a_record())
    captured = capsys.readouterr()
    assert json.loads(captured.out)["Invocations"] == 1
    assert captured.err == ""


def test_stream_sink_raises_what_the_stream_raises() -> None:
    """A closed stream is the meter's business, which counts it."""
    stream = io.StringIO()
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        StreamSink(an_emf(), stream).emit(a_record())


def test_threads_do_not_mix_their_lines() -> None:
    """Each record of each thread arrives once, as a whole line."""
    stream = CountingStream()
    sink = StreamSink(an_emf(), stream)

    def emit(thread: int) -> None:
        for number in range(50):
            sink.emit(a_record(call=a_call(id=f"{thread}-{number}")))

    threads = [threading.Thread(target=emit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [json.loads(line)["request_id"] for line in "".join(stream.writes).splitlines()]
    assert sorted(ids) == sorted(f"{thread}-{number}" for thread in range(4) for number in range(50))


def test_the_clock_is_aware_and_runs_forward() -> None:
    """Wall-clock time is UTC; the other clock never runs backwards."""
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    readings = [clock.monotonic() for _ in range(100)]
    assert all(earlier <= later for earlier, later in pairwise(readings))


def test_a_fault_is_logged_once_per_kind_and_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the code and the type of the error; its text may quote content."""
    log = OnceLog()
    with caplog.at_level(logging.WARNING):
        log.report("reader_fault", ValueError("canary-7f3a"))
        log.report("reader_fault", KeyError("canary-7f3a"))
        log.report("sink_fault")
    assert [record.getMessage() for record in caplog.records] == [
        "bedrock-meter fault reader_fault (ValueError)",
        "bedrock-meter fault sink_fault (no exception)",
    ]
    assert "canary" not in caplog.text
