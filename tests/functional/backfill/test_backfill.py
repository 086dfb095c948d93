"""Old invocation logs of files, log groups and buckets, metered; against moto."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws
from tests.builders import an_emf
from tests.logs import CHATBOT_ROLE, GATEWAY_ROLE, an_entry, entries, session_of

from bedrock_meter.config import Settings
from logmeter.callbook import MemoryCallBook
from logmeter.wiring import reader_for
from meterctl.backfill.command import command
from meterctl.backfill.run import Backfill
from meterctl.backfill.sending import STREAM, Sender
from meterctl.backfill.sources import FileSource, LogGroupSource, Period, S3Source, Source
from meterctl.backfill.state import State, StateError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DAY = Period(start=datetime(2026, 11, 25, tzinfo=UTC), end=datetime(2026, 11, 26, tzinfo=UTC))
SETTINGS = Settings(principals={CHATBOT_ROLE: ("chatbot",)}, metered_roles=frozenset({GATEWAY_ROLE}))


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty AWS account."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


def a_backfill(source: Source, folder: Path, **changes: Any) -> Backfill:
    """Give a backfill of one day."""
    job = Backfill(
        source=source,
        period=DAY,
        reader=reader_for(SETTINGS, lambda region: boto3.client("bedrock", region_name=region)),
        emf=an_emf(),
        calls=MemoryCallBook(),
        out=folder / "out.emf",
        now=NOW,
    )
    return replace(job, **changes)


def run(job: Backfill, state: State | None = None) -> dict[str, int]:
    """Run it and give what was counted."""
    counts = job.run(state or State(job=job.job), tell=lambda _unit, _counts: None)
    return {what: count for what, count in counts.items() if count}


def metered(path: Path) -> list[dict[str, Any]]:
    """Read metric lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def a_file(folder: Path, lines: Sequence[str | Mapping[str, Any]], name: str = "log.ndjson") -> Path:
    """Write a log file."""
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["log.ndjson", "log.json.gz"])
def test_a_file_is_metered_with_the_times_of_its_calls(tmp_path: Path, name: str) -> None:
    """Each call is one line; what it leaves out is counted by the reason."""
    lines: list[Any] = [
        *entries(3),
        entries(1)[0],
        an_entry(requestId="gateway", identity={"arn": session_of(GATEWAY_ROLE)}),
        an_entry(requestId="yesterday", timestamp="2026-11-24T23:59:59Z"),
        "else",
        "{cut",
        an_entry(schemaVersion="9"),
        "",
    ]
    job = a_backfill(FileSource(path=a_file(tmp_path, lines, name)), tmp_path)
    assert run(job) == {
        "written": 3,
        "repeated": 1,
        "metered by another door": 1,
        "outside of the period": 1,
        "line of another kind": 1,
        "entry_not_json": 1,
        "entry_schema_unknown": 1,
    }
    out = metered(job.out)
    assert [line["_aws"]["Timestamp"] for line in out] == [1_795_589_667_000] * 3
    assert [line["use_case"] for line in out] == ["chatbot"] * 3


def test_what_is_too_old_for_metrics_goes_to_a_file_of_its_own(tmp_path: Path) -> None:
    """CloudWatch takes no metric from a line that lies more than 14 days back, and says nothing."""
    limit = NOW - timedelta(days=14)
    times = {"old": limit - timedelta(seconds=1), "young": limit}
    lines = [an_entry(requestId=name, timestamp=time.isoformat()) for name, time in times.items()]
    long = Period(start=NOW - timedelta(days=30), end=NOW)
    job = a_backfill(FileSource(path=a_file(tmp_path, lines)), tmp_path, period=long)
    assert run(job) == {"written": 1, "written, too old for metrics": 1}
    assert [line["request_id"] for line in metered(job.out)] == ["young"]
    assert [line["request_id"] for line in metered(job.older)] == ["old"]


def test_a_file_that_breaks_off_is_told_and_its_lines_count(tmp_path: Path) -> None:
    """A gzip file that was cut: the lines before the cut are metered, and the fault is counted."""
    path = a_file(tmp_path, [an_entry(requestId=f"{number:05}" * 20) for number in range(2000)], "log.json.gz")
    path.write_bytes(path.read_bytes()[:-200])
    counts = run(a_backfill(FileSource(path=path), tmp_path))
    assert counts["unit_unreadable"] == 1
    assert counts["written"] > 100


class Interrupted(Exception):  # noqa: N818 - what happens, and no fault
    """Somebody pressed Ctrl-C."""


def test_it_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any number of interruptions, in the middle of a part as well, every call is there once, in order."""
    monkeypatch.setattr("meterctl.backfill.sources.LINES_PER_UNIT", 10)
    source = FileSource(path=a_file(tmp_path, entries(45)))
    job = a_backfill(source, tmp_path)
    path, told = tmp_path / "state.json", 0

    def interrupt(*_: object) -> None:
        nonlocal told
        told += 1
        # A line of the part that was under way is in the output already.
        if told == 2:
            with job.out.open("a", encoding="utf-8") as out:
                out.write('{"half":')
            raise Interrupted

    with pytest.raises(Interrupted):
        job.run(State.load(path, job.job), tell=interrupt)
    again = a_backfill(source, tmp_path)
    assert run(again, State.load(path, again.job)) == {"written": 45}
    assert [line["request_id"] for line in metered(job.out)] == [one["requestId"] for one in entries(45)]
    assert run(again, State.load(path, again.job)) == {"written": 45}
    assert len(metered(job.out)) == 45


def test_a_state_of_another_backfill_is_refused(tmp_path: Path) -> None:
    """Another source or period, or a file that is no state at all."""
    path = tmp_path / "state.json"
    job = a_backfill(FileSource(path=a_file(tmp_path, entries(1))), tmp_path)
    run(job, State.load(path, job.job))
    with pytest.raises(StateError, match="another backfill"):
        State.load(path, "something else")
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(StateError, match="no state"):
        State.load(path, job.job)


def test_output_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """Without a state nobody knows how far it goes; and one that became shorter is told."""
    job = a_backfill(FileSource(path=a_file(tmp_path, entries(1))), tmp_path)
    path = tmp_path / "state.json"
    run(job, State.load(path, job.job))
    with pytest.raises(StateError, match="is there already"):
        run(job)
    job.out.write_text("", encoding="utf-8")
    with pytest.raises(StateError, match="shorter"):
        run(job, State.load(path, job.job))


def a_log_group(lines: Sequence[Mapping[str, Any]], times: Sequence[datetime]) -> "CloudWatchLogsClient":
    """Fill a log group."""
    logs = boto3.client("logs", region_name="us-east-1")
    logs.create_log_group(logGroupName="invocations")
    logs.create_log_stream(logGroupName="invocations", logStreamName="one")
    for line, time in zip(lines, times, strict=True):
        stamped = {**line, "timestamp": time.isoformat()}
        event = {"timestamp": int(time.timestamp() * 1000), "message": json.dumps(stamped)}
        logs.put_log_events(logGroupName="invocations", logStreamName="one", logEvents=[event])  # type: ignore[list-item]
    return logs


def recent() -> datetime:
    """Give an hour that moto takes lines of: CloudWatch Logs refuses what is older than 14 days."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)


def test_a_log_group_is_read_hour_by_hour(tmp_path: Path) -> None:
    """Every event of the period once, those at its edges too."""
    start = recent()
    times = [start - timedelta(seconds=1), *(start + timedelta(minutes=20 * number) for number in range(9))]
    logs = a_log_group(entries(10), times)
    period = Period(start=start, end=start + timedelta(minutes=150))
    job = a_backfill(LogGroupSource(client=logs, group="invocations"), tmp_path, period=period, now=datetime.now(UTC))
    assert run(job) == {"written": 8}
    assert [line["request_id"] for line in metered(job.out)] == [one["requestId"] for one in entries(9)[1:]]


def a_bucket(objects: Mapping[str, bytes]) -> "S3Client":
    """Fill a bucket."""
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="audit")
    for key, body in objects.items():
        s3.put_object(Bucket="audit", Key=key, Body=body)
    return s3


def test_a_bucket_is_read_without_what_is_no_log(tmp_path: Path) -> None:
    """Bodies that were split off and permission checks are left out and counted; other days are not even fetched."""
    root = "logs/AWSLogs/123456789012/BedrockModelInvocationLogs"
    first, second, other = ([json.dumps(one).encode() + b"\n"] for one in entries(3))
    s3 = a_bucket(
        {
            f"{root}/us-east-1/2026/11/25/06/a.json.gz": gzip.compress(first[0]),
            f"{root}/us-east-1/2026/11/25/07/b.json.gz": gzip.compress(second[0]),
            f"{root}/us-east-1/2026/11/20/07/c.json.gz": gzip.compress(other[0]),
            f"{root}/us-east-1/2026/11/25/06/data/body.json.gz": b"not read",
            f"{root}/amazon-bedrock-logs-permission-check": b"",
            f"{root}/us-east-1/2026/11/25/06/readme.txt": b"not read",
            f"{root}/us-east-1/2026/11/25/08/broken.json.gz": b"no gzip",
        }
    )
    job = a_backfill(S3Source(client=s3, bucket="audit", prefix="logs/"), tmp_path)
    assert run(job) == {
        "written": 2,
        "object with bodies": 1,
        "object of a permission check": 1,
        "object of another kind": 1,
        "unit_unreadable": 1,
    }


def test_lines_are_sent_to_a_log_group(tmp_path: Path) -> None:
    """There CloudWatch makes metrics of them: in order of time, whatever the order in the source."""
    logs = boto3.client("logs", region_name="us-east-1")
    logs.create_log_group(logGroupName="backfilled")
    sender = Sender(client=logs, group="backfilled")
    sender.prepare()
    sender.prepare()
    start = recent()
    lines = [
        an_entry(requestId=str(number), timestamp=(start - timedelta(minutes=number)).isoformat())
        for number in range(5)
    ]
    period = Period(start=start - timedelta(days=1), end=start + timedelta(days=1))
    source = FileSource(path=a_file(tmp_path, lines))
    run(a_backfill(source, tmp_path, period=period, now=datetime.now(UTC), sender=sender))
    events = logs.get_log_events(logGroupName="backfilled", logStreamName=STREAM, startFromHead=True)["events"]
    assert [json.loads(event["message"])["request_id"] for event in events] == ["4", "3", "2", "1", "0"]


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    """A table of what became of the lines, and where the old ones are."""
    path = a_file(tmp_path, [*entries(2), an_entry(requestId="old", timestamp="2026-01-01T00:00:00Z"), "else"])
    out, state = tmp_path / "out.emf", tmp_path / "state.json"
    arguments = ["--from", "2026-01-01", "--to", "2030-01-01", "--file", str(path), "--out", str(out)]
    result = CliRunner().invoke(command, [*arguments, "--state", str(state)])
    assert result.exit_code == 0, result.output
    assert "line of another kind" in result.stdout
    assert str(out.with_name("out.emf.older")) in result.stdout
    assert state.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "2026-11-25", "--to", "2026-11-24", "--s3", "s3://a"], "--from has to lie before --to"),
        (["--from", "2026-11-24", "--to", "2026-11-25"], "give one of --log-group, --s3 and --file"),
        (["--from", "2026-11-24", "--to", "2026-11-25", "--s3", "a", "--log-group", "b"], "give one of"),
        (["--from", "2026-11-24", "--to", "2026-11-25", "--s3", "bucket"], "--s3 takes s3://bucket/prefix"),
        (["--from", "yesterday", "--to", "2026-11-25", "--s3", "s3://a"], "'yesterday' is no time"),
        (["--from", "2026-11-24", "--to", "2026-11-25", "--log-group", "none"], "ResourceNotFoundException"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    """Each with a sentence that says what to do."""
    result = CliRunner().invoke(command, [*arguments, "--out", str(tmp_path / "out.emf")])
    assert result.exit_code != 0
    assert said in result.output
