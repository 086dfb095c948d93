"""Gateway, simulated Bedrock and local CloudWatch, with real boto3 clients: both sides agree, and a bypass is seen."""

import gzip
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner
from tests.builders import NOON
from tests.functional.reconcile.conftest import CREDENTIALS, ENVIRON, NOVA, NOVA_US, NOW, Account

from bedrock_meter import metrics
from bedrock_meter.config import Settings
from meterctl.reconcile import command
from meterctl.simulate import Served
from reconcile import account as sides
from reconcile import app
from reconcile.account import HOUR, closed
from reconcile.app import Reconciler, scheduled_at
from reconcile.compare import BUCKETS, Line, summed, total
from reconcile.principals import QUERY

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_logs import CloudWatchLogsClient

ACCOUNT = "arn:aws:sts::123456789012"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456"
SERVED = {
    metrics.INPUT_TOKENS: ("input_tokens",),
    metrics.OUTPUT_TOKENS: ("output_tokens",),
    metrics.CACHE_READ_TOKENS: ("cache_read_tokens",),
    metrics.CACHE_WRITE_TOKENS: ("cache_write_5m_tokens", "cache_write_1h_tokens"),
}


def compared(account: Account) -> list[Line]:
    """Publish what happened, and compare."""
    account.publish()
    return sides.reconcile(account.cloudwatch, namespace="BedrockMeter", start=NOON, end=NOON + HOUR, aliases={})


def tokens(ledger: Sequence[Served], bucket: str) -> int:
    """Sum a bucket of the ledger up."""
    return sum(getattr(entry, name) for entry in ledger for name in SERVED[bucket])


def test_gateway_bedrock_and_metrics_agree_to_the_token(troubled: Account) -> None:
    """With faults and a prompt cache, EMF lines, ledger and CloudWatch say the same of every bucket."""
    cached: Any = [{"text": "Be brief. " * 400}, {"cachePoint": {"type": "default"}}]
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    troubled.call(past=False, times=12, model=model, system=cached)
    troubled.call(past=False, times=12, model=NOVA_US)
    troubled.call(past=False, times=12, model=NOVA)
    troubled.call(past=False, times=2, model="acme.never-was-v1")

    whole = total(compared(troubled), at=NOON)

    ledger = troubled.simulator.ledger
    for bucket in BUCKETS:
        served = tokens(ledger, bucket)
        assert served > 0
        assert (whole.metered[bucket], whole.account[bucket]) == (served, served)
        assert sum(line.get(bucket, 0) for line in troubled.lines()) == served
    assert (whole.unmetered_tokens, whole.unmetered_share, whole.drift) == (0, 0.0, 0.0)
    assert whole.metered_calls == whole.account_calls == 36 - sum(entry.http_status == 429 for entry in ledger)


def test_profiles_of_one_model_are_compared_as_one(account: Account) -> None:
    """A model that was called by its id and by a profile is one line for the hour."""
    account.call(past=False, times=2, model=NOVA)
    account.call(past=False, times=3, model=NOVA_US)
    (line,) = summed(compared(account))
    assert (line.model, line.metered_calls, line.account_calls) == (NOVA, 5, 5)


def test_ten_percent_past_the_gateway_read_ten_percent(account: Account) -> None:
    """Of 100 equal calls 10 go past the gateway: 10 % of the calls and of the tokens are unmetered."""
    assert account.call(past=False, times=90) == 90
    assert account.call(past=True, times=10) == 10
    (line,) = summed(compared(account))
    assert (line.metered_calls, line.account_calls) == (90, 100)
    assert line.unmetered_share == 10.0
    assert line.drift == -10.0
    assert line.unmetered_tokens == sum(tokens(account.simulator.ledger, bucket) for bucket in BUCKETS) // 10


def test_two_names_of_one_metric_are_not_added_up(account: Account) -> None:
    """Whichever of its two names Bedrock publishes a cache metric under, and were it both, it counts once."""
    for name in ("CacheReadInputTokens", "CacheReadInputTokenCount"):
        account.put(name, 7, ModelId=NOVA)
    (line,) = summed(compared(account))
    assert line.account == {metrics.CACHE_READ_TOKENS: 7}


def test_series_with_more_dimensions_are_not_counted_again(account: Account) -> None:
    """Bedrock publishes the same calls by service tier too; only the set with the model alone is read."""
    account.put("InputTokenCount", 7, ModelId=NOVA)
    account.put("InputTokenCount", 7, ModelId=NOVA, ServiceTier="default")
    (line,) = summed(compared(account))
    assert line.account_tokens == 7


@pytest.mark.parametrize(
    ("start", "end", "now", "expected"),
    [
        ("12:00", "14:00", "14:20", ("12:00", "14:00")),
        ("12:00", "14:00", "14:10", ("12:00", "13:00")),
        ("12:01", "14:59", "20:00", ("13:00", "14:00")),
        ("12:01", "12:59", "20:00", ("13:00", "13:00")),
    ],
)
def test_only_whole_hours_whose_metrics_have_arrived_are_compared(
    start: str, end: str, now: str, expected: tuple[str, str]
) -> None:
    """Parts of hours are left out, and so is an hour that ended less than a quarter of an hour ago."""

    def at(clock: str) -> datetime:
        return NOON.replace(hour=int(clock[:2]), minute=int(clock[3:]))

    assert closed(at(start), at(end), now=at(now)) == tuple(map(at, expected))


@pytest.fixture
def bedrock() -> "Iterator[tuple[BedrockClient, Stubber]]":
    """A client of the control plane with one application profile."""
    client = boto3.client("bedrock", **CREDENTIALS)
    with Stubber(client) as stub:
        yield client, stub


def profiles(model: str) -> dict[str, Any]:
    """Give the answer to ListInferenceProfiles."""
    summary = {
        "inferenceProfileName": "chatbot",
        "inferenceProfileArn": PROFILE,
        "inferenceProfileId": "abc123def456",
        "models": [{"modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{model}"}],
        "status": "ACTIVE",
        "type": "APPLICATION",
    }
    return {"inferenceProfileSummaries": [summary]}


def test_application_profiles_are_resolved(bedrock: "tuple[BedrockClient, Stubber]") -> None:
    """The model behind an application profile is known by its id and by its ARN."""
    client, stub = bedrock
    stub.add_response("list_inference_profiles", profiles(NOVA), {"typeEquals": "APPLICATION"})
    assert sides.aliases(client) == {PROFILE: NOVA, "abc123def456": NOVA}


def an_answer(rows: Sequence[Mapping[str, str]], status: str = "Complete") -> dict[str, Any]:
    """Give the answer to GetQueryResults."""
    results = [[{"field": name, "value": value} for name, value in row.items()] for row in rows]
    return {"results": results, "status": status}


def test_the_function_emits_the_bypass_and_names_it(
    account: Account, bedrock: "tuple[BedrockClient, Stubber]", caplog: pytest.LogCaptureFixture
) -> None:
    """The function's lines become metrics: 10 %, by model and for the service, with the names of who called."""
    caplog.set_level(logging.CRITICAL)
    client, stub = bedrock
    stub.add_response("list_inference_profiles", profiles(NOVA))
    logs: CloudWatchLogsClient = boto3.client("logs", **CREDENTIALS)
    account.call(past=False, times=9)
    account.call(past=True, times=1)
    account.publish()
    settings = Settings(
        service="meter", invocation_log="/bedrock/calls", metered_roles=frozenset({"arn:aws:iam::*:role/Gateway*"})
    )
    asked = {
        "logGroupNames": ["/bedrock/calls"],
        "startTime": int(NOON.timestamp()),
        "endTime": int((NOON + HOUR).timestamp()) - 1,
        "queryString": QUERY,
        "limit": 10_000,
    }
    rows = [
        {
            "principal": f"{ACCOUNT}:assumed-role/Gateway-1/f",
            "model": NOVA,
            "calls": "9",
            "tokens0": "90",
        },
        {"principal": f"{ACCOUNT}:user/batch", "model": NOVA, "calls": "1", "tokens0": "10.0"},
    ]
    with Stubber(logs) as queries:
        queries.add_response("start_query", {"queryId": "q"}, asked)
        queries.add_response("get_query_results", an_answer(rows), {"queryId": "q"})
        lines = list(Reconciler(settings, cloudwatch=account.cloudwatch, bedrock=client, logs=logs).run(NOW))

    of_model, whole = map(json.loads, lines)
    assert (of_model["ModelId"], of_model["UnmeteredShare"], of_model["ReconciliationDrift"]) == (NOVA, 10.0, -10.0)
    assert (whole["Service"], whole["UnmeteredShare"]) == ("meter", 10.0)
    assert (whole["metered_calls"], whole["account_calls"]) == (9, 10)
    named = {"principal": f"{ACCOUNT}:user/batch", "model": NOVA, "calls": 1, "tokens": 10}
    assert whole["principals"] == of_model["principals"] == [named]
    assert whole["_aws"]["Timestamp"] == int(NOON.timestamp() * 1000)

    account.put_lines(lines)
    dimensions: Any = [{"Name": "ModelId", "Value": NOVA}]
    answer = account.cloudwatch.get_metric_statistics(
        Namespace="BedrockMeter",
        MetricName=metrics.UNMETERED_SHARE,
        Dimensions=dimensions,
        StartTime=NOON,
        EndTime=NOON + HOUR,
        Period=3600,
        Statistics=["Maximum"],
    )
    assert [point["Maximum"] for point in answer["Datapoints"]] == [10.0]


def test_the_metrics_do_not_wait_for_the_names(account: Account, bedrock: "tuple[BedrockClient, Stubber]") -> None:
    """An invocation log that cannot be read costs the names and nothing else."""
    client, stub = bedrock
    stub.add_response("list_inference_profiles", {"inferenceProfileSummaries": []})
    logs = boto3.client("logs", **CREDENTIALS)
    account.call(past=True, times=1)
    account.publish()
    settings = Settings(service="meter", invocation_log="/gone")
    with Stubber(logs) as queries:
        queries.add_client_error("start_query", "ResourceNotFoundException")
        lines = list(Reconciler(settings, cloudwatch=account.cloudwatch, bedrock=client, logs=logs).run(NOW))
    whole = json.loads(lines[-1])
    assert whole["UnmeteredShare"] == 100.0
    assert "principals" not in whole


def test_an_hour_without_calls_emits_no_share(account: Account, bedrock: "tuple[BedrockClient, Stubber]") -> None:
    """Of nothing there is no percentage: the tokens are 0, share and drift are absent."""
    client, stub = bedrock
    stub.add_response("list_inference_profiles", {"inferenceProfileSummaries": []})
    logs = boto3.client("logs", **CREDENTIALS)
    reconciler = Reconciler(Settings(), cloudwatch=account.cloudwatch, bedrock=client, logs=logs)
    (line,) = map(json.loads, reconciler.run(NOW))
    assert line[metrics.UNMETERED_TOKENS] == 0
    assert not {metrics.UNMETERED_SHARE, metrics.DRIFT} & line.keys()


def test_a_run_is_for_the_time_of_its_schedule() -> None:
    """A late or repeated run compares the hour before the schedule's time, and one by hand the last hour."""
    assert scheduled_at({"time": "2026-11-23T12:20:00Z"}) == NOON + timedelta(minutes=20)
    assert abs(scheduled_at({}) - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(ValueError, match="never"):
        scheduled_at({"time": "never"})


@pytest.fixture
def local(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account that the command finds by the AWS settings of its environment."""
    for name, value in {**ENVIRON, "AWS_ENDPOINT_URL_CLOUDWATCH": account.url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(command, "aliases", lambda _: {})
    monkeypatch.setattr(command, "now", lambda: NOW)
    return account


def test_the_command_shows_the_bypass(local: Account) -> None:
    """The command compares the last hours, says what went past in both forms, and fails above the limit."""
    local.call(past=False, times=9)
    local.call(past=True, times=1)
    local.publish()
    shown = CliRunner().invoke(command.command, ["--since", "2026-11-23T11:00"])
    assert shown.exit_code == 0, shown.output
    assert "(10.0 %) went past the meter" in shown.output
    assert "reconcile --invocation-log GROUP" in shown.output

    result = CliRunner().invoke(command.command, ["--since", "2026-11-23T11:00", "--json", "--fail-above", "5"])
    document = json.loads(result.output)
    assert result.exit_code == 1
    assert document["total"]["unmetered_share_percent"] == 10.0
    assert document["models"][0]["account_calls"] == 10
    assert document["principals"] is None


def test_the_command_is_content_when_nothing_went_past(local: Account) -> None:
    """Without a bypass it says so, and without a call it says that."""
    assert "Neither side has a call" in CliRunner().invoke(command.command, ["--since", "2026-11-23T11:00"]).output
    local.call(past=False, times=1)
    local.publish()
    result = CliRunner().invoke(command.command, ["--since", "2026-11-23T11:00", "--fail-above", "0"])
    assert result.exit_code == 0
    assert "No token went past the meter" in result.output


def test_the_handler_writes_its_lines_to_stdout(
    account: Account,
    bedrock: "tuple[BedrockClient, Stubber]",
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As Lambda calls it: settings from the environment, the hour of the schedule, one EMF line a write on stdout."""
    client, stub = bedrock
    stub.add_response("list_inference_profiles", {"inferenceProfileSummaries": []})
    account.call(past=False, times=3)
    account.call(past=True, times=1)
    account.publish()
    clients = {"cloudwatch": account.cloudwatch, "bedrock": client, "logs": boto3.client("logs", **CREDENTIALS)}
    monkeypatch.setattr(boto3, "client", clients.__getitem__)
    monkeypatch.setenv("BEDROCK_METER_SERVICE", "meter")
    context: Any = SimpleNamespace(
        function_name="reconcile", memory_limit_in_mb=256, invoked_function_arn="arn", aws_request_id="r"
    )
    app.lambda_handler({"time": (NOON + timedelta(hours=1, minutes=20)).isoformat()}, context)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    assert [line.get("ModelId") for line in lines] == [NOVA, None]
    assert {line["UnmeteredShare"] for line in lines} == {25.0}
    account.put_lines([json.dumps(line) for line in lines])


def a_log_record(entry: Served, arn: str) -> dict[str, Any]:
    """Make the record of a call as Bedrock's invocation log has it, without bodies."""
    return {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": "2026-11-23T12:00:07Z",
        "identity": {"arn": arn},
        "requestId": entry.request_id,
        "operation": entry.operation,
        "modelId": entry.model_id,
        "input": {"inputTokenCount": entry.input_tokens, "cacheReadInputTokenCount": entry.cache_read_tokens},
        "output": {"outputTokenCount": entry.output_tokens},
    }


@pytest.mark.parametrize("name", ["log.ndjson", "log.ndjson.gz"])
def test_the_log_names_exactly_what_went_past(local: Account, tmp_path: Path, name: str) -> None:
    """Gateway, account metrics and invocation log agree: the tokens of the named principals are the unmetered ones."""
    local.call(past=False, times=9)
    past_from = len(local.simulator.ledger)
    local.call(past=True, times=2)
    local.publish()
    arns = (f"{ACCOUNT}:assumed-role/Gateway-1/f", f"{ACCOUNT}:assumed-role/Batch/job-7")
    ledger = local.simulator.ledger
    records = [a_log_record(entry, arns[place >= past_from]) for place, entry in enumerate(ledger)]
    late = a_log_record(ledger[0], arns[1]) | {"timestamp": "2026-11-23T13:00:00Z"}
    text = "\n".join(json.dumps(record) for record in [*records, late, {"schemaType": "Other"}, 7]) + "\n{"
    file = tmp_path / name
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    options = ["--since", "2026-11-23T11:00", "--invocation-log-file", str(file), "--metered-role", "Gateway-*"]

    document = json.loads(CliRunner().invoke(command.command, [*options, "--json"]).output)
    (named,) = document["principals"]
    assert (named["principal"], named["model"], named["calls"]) == (f"{ACCOUNT}:assumed-role/Batch", NOVA, 2)
    assert (
        named["tokens"]
        == document["total"]["unmetered_tokens"]
        == sum(tokens(ledger[past_from:], bucket) for bucket in BUCKETS)
    )
    shown = CliRunner().invoke(command.command, options).output
    assert "assumed-role/Batch" in shown
    assert "are of nobody in the log" not in shown
