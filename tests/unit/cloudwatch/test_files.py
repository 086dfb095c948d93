"""Files that grow while they are read."""

from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from meterctl.cloudwatch import InvalidParameterError
from meterctl.cloudwatch.files import Follower, Tail, put_requests


def test_a_tail_gives_whole_lines_once(tmp_path: Path) -> None:
    """What was read is not read again, a line without its end waits, and the numbers go on."""
    path = tmp_path / "emf.jsonl"
    tail = Tail(path)
    assert tail.read() == (1, [])
    path.write_text("one\ntwo\nthr")
    assert tail.read() == (1, ["one", "two"])
    assert tail.read() == (3, [])
    with path.open("a") as file:
        file.write("ee\n\n")
    assert tail.read() == (3, ["three", ""])
    assert tail.read() == (5, [])


def test_the_last_line_counts_when_nothing_follows(tmp_path: Path) -> None:
    """A file that does not grow may lack its last line end."""
    path = tmp_path / "emf.jsonl"
    path.write_bytes(b"one\ntw\xff")
    assert Tail(path).read(to_the_end=True) == (1, ["one", "tw\ufffd"])


def test_a_file_that_was_begun_anew_is_read_anew(tmp_path: Path) -> None:
    """As after a rotation."""
    path = tmp_path / "emf.jsonl"
    path.write_text("one\ntwo\n")
    tail = Tail(path)
    tail.read()
    path.write_text("1\n")
    assert tail.read() == (1, ["1"])


def test_a_follower_looks_until_it_is_left() -> None:
    """It looks again and again in its thread, which has ended when the block is left."""
    looks, enough = [], Event()

    def look() -> None:
        looks.append(1)
        if len(looks) > 1:
            enough.set()

    with Follower(look, seconds=0):
        assert enough.wait(10)
    before = len(looks)
    assert before >= 2
    assert len(looks) == before


def test_put_requests(tmp_path: Path) -> None:
    """A request a line; times are text or seconds."""
    path = tmp_path / "metrics.jsonl"
    datum = '{"MetricName": "m", "Value": 1, "Timestamp": %s}'
    times = datum % '"2026-11-20T12:00:00Z"', datum % "1795176000"
    path.write_text(f'{{"Namespace": "AWS/Bedrock", "MetricData": [{", ".join(times)}]}}\n\n')
    (request,) = put_requests(path)
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert [entry["Timestamp"] for entry in request["MetricData"]] == [noon, noon]


@pytest.mark.parametrize("line", ["{", "[]", '{"Namespace": "N"}', '{"MetricData": [{"Timestamp": true}]}'])
def test_a_line_that_is_no_request_is_named(line: str, tmp_path: Path) -> None:
    """With its file and number."""
    path = tmp_path / "metrics.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(InvalidParameterError, match=r"metrics\.jsonl line 2 is not a PutMetricData request"):
        put_requests(path)
