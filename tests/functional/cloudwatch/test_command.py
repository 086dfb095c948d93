"""``meterctl cloudwatch`` and ``meterctl emf check`` as a user runs them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import boto3
from tests.functional.cloudwatch.conftest import NOON
from tests.functional.cloudwatch.test_boto3 import emf

AT = "2026-11-20T12:00:00Z"
BROKEN = '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": []}}'


@contextmanager
def running(*arguments: str) -> Iterator[tuple[str, list[str], IO[str]]]:
    """Run ``meterctl cloudwatch``; give its URL, what it said before it served, and its stderr."""
    line = [sys.executable, "-m", "meterctl", "cloudwatch", "--at", AT, *arguments]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env={**os.environ}) as process:
        try:
            assert process.stderr is not None
            said: list[str] = []
            for text in process.stderr:
                said.append(text.rstrip("\n"))
                if text.startswith("export AWS_ENDPOINT_URL_CLOUDWATCH="):
                    break
            yield said[-1].partition("=")[2], said[:-1], process.stderr
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)
    assert process.returncode == 0


def tokens(url: str) -> list[float]:
    """Ask for the tokens of all models; give the sum of each."""
    client: Any = boto3.client(
        "cloudwatch",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    search = "SEARCH('{BedrockMeter,ModelId,UseCase} Tokens', 'Sum', 3600)"
    with closing(client):
        answer = client.get_metric_data(
            StartTime=NOON - timedelta(hours=1),
            EndTime=NOON + timedelta(hours=1),
            MetricDataQueries=[{"Id": "e", "Expression": search}],
        )
    return sorted(sum(result["Values"]) for result in answer["MetricDataResults"] if result["Values"])


def test_emf_lines_and_metrics_are_served(tmp_path: Path) -> None:
    """The lines of the file answer; those that CloudWatch would drop are told with the rule and the number."""
    lines, metrics = tmp_path / "emf.jsonl", tmp_path / "metrics.jsonl"
    lines.write_text("\n".join(["a log line", emf(3), BROKEN, emf(4, model="claude")]))
    datum = '{"MetricName": "Tokens", "Value": 7, "Dimensions": %s}'
    dimensions = '[{"Name": "ModelId", "Value": "titan"}, {"Name": "UseCase", "Value": "chat"}]'
    metrics.write_text(f'{{"Namespace": "BedrockMeter", "MetricData": [{datum % dimensions}]}}\n')
    with running("--emf", str(lines), "--metrics", str(metrics)) as (url, said, _):
        assert tokens(url) == [3, 4, 7]
    assert said[0].startswith(f"{lines} line 3: Timestamp 1970-01-01T00:00:00Z: ")
    assert said[0].endswith("(timestamp)")
    assert said[1].endswith("2 EMF lines loaded. Ctrl-C ends it.")


def test_lines_that_are_appended_are_followed(tmp_path: Path) -> None:
    """With --follow the file may come later; a broken line that is appended is told when it has been read."""
    lines = tmp_path / "emf.jsonl"
    with running("--emf", str(lines), "--follow") as (url, _, stderr):
        assert tokens(url) == []
        lines.write_text(f"{emf(3)}\n{BROKEN}\n")
        assert stderr.readline().startswith(f"{lines} line 2: ")
        assert tokens(url) == [3]
        with lines.open("a") as file:
            file.write(f"{emf(5)}\n{BROKEN}\n")
        assert stderr.readline().startswith(f"{lines} line 4: ")
        assert tokens(url) == [8]


def test_only_one_namespace_is_loaded(tmp_path: Path) -> None:
    """--namespace leaves the others out."""
    lines = tmp_path / "emf.jsonl"
    lines.write_text(f"{emf(3)}\n{emf(4).replace('BedrockMeter', 'Other')}\n")
    with running("--emf", str(lines), "--namespace", "Other") as (url, _, __):
        assert tokens(url) == []


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``meterctl`` to its end."""
    return subprocess.run([sys.executable, "-m", "meterctl", *arguments], capture_output=True, text=True, check=False)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """It says what would make sense of it."""
    ended = run("cloudwatch", "--emf", str(tmp_path / "none.jsonl"))
    assert ended.returncode == 2
    assert ended.stderr == f"meterctl: {tmp_path / 'none.jsonl'} does not exist; with --follow it may come later\n"


def test_a_missing_extra_is_one_sentence() -> None:
    """Without moto the command says what to install."""
    code = "import sys; sys.modules['moto'] = None; from meterctl.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", code, "cloudwatch"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert (
        ended.stderr == "meterctl: `meterctl cloudwatch` needs moto and Flask: pip install 'bedrock-meter[cli,local]'\n"
    )


def test_checking_lines(tmp_path: Path) -> None:
    """`meterctl emf check` names each line that would be dropped, and exits with 1 if there is any."""
    lines = tmp_path / "emf.jsonl"
    lines.write_text(f"{emf(1)}\nlog\n")
    good = run("emf", "check", str(lines), "--at", AT)
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "1 lines valid, 0 dropped, 1 not EMF\n")
    lines.write_text(f"{emf(1)}\n{BROKEN}\n")
    bad = run("emf", "check", str(lines), "--at", AT)
    assert bad.returncode == 1
    assert bad.stdout.startswith("line 2: Timestamp 1970-01-01T00:00:00Z: ")
    assert bad.stderr == "1 lines valid, 1 dropped, 0 not EMF\n"


def test_a_time_that_is_none_is_refused() -> None:
    """--at says what it takes."""
    ended = run("emf", "check", "-", "--at", "yesterday")
    assert ended.returncode == 2
    assert "'yesterday' is no time such as 2026-11-20T12:00:00Z" in ended.stderr
