"""Every check of the doctor, on moto, the local CloudWatch and stubbed answers of AWS."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner
from moto import mock_aws
from tests.builders import CLAUDE, CLAUDE_US, NOON, an_emf

from bedrock_meter import metrics
from meterctl.cloudwatch import CloudWatch
from meterctl.cloudwatch.server import CloudWatchServer
from meterctl.doctor import account, command, meter
from meterctl.doctor.model import Check, Finding, Level, World

CREDENTIALS: Any = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
NOVA = "amazon.nova-lite-v1:0"
HOUR_AGO = NOON - timedelta(hours=1)


@dataclass(slots=True)
class Bench:
    """A world whose clients are made here."""

    world: World
    engine: CloudWatch
    clients: dict[str, Any]
    stack: ExitStack

    def stub(self, service: str) -> Stubber:
        """Give the world a client of a service whose answers are told in advance."""
        client = boto3.client(service, **CREDENTIALS)  # type: ignore[call-overload]  # any service
        self.clients[service] = client
        return self.stack.enter_context(Stubber(client))

    def put(self, namespace: str, metric: str, value: float, **dimensions: str) -> None:
        """Put one value of an hour ago."""
        pairs = [{"Name": name, "Value": text} for name, text in dimensions.items()]
        datum: Any = {"MetricName": metric, "Dimensions": pairs, "Timestamp": HOUR_AGO, "Value": value}
        self.engine.put_metric_data(now=NOON, Namespace=namespace, MetricData=[datum])

    def ask(self, check: Callable[[World], Iterator[Finding]], **changes: Any) -> list[Finding]:
        """Make one check."""
        return list(check(replace(self.world, **changes)))

    def one(self, check: Callable[[World], Iterator[Finding]], **changes: Any) -> tuple[Level, str]:
        """Make a check that gives one finding."""
        (finding,) = self.ask(check, **changes)
        assert (finding.do is None) is (finding.level is Level.OK)
        return finding.level, finding.fact


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A world at noon in us-east-1, with an empty CloudWatch."""
    engine = CloudWatch()
    clients: dict[str, Any] = {}
    with ExitStack() as stack:
        server = stack.enter_context(CloudWatchServer(engine, clock=lambda: NOON))
        clients["cloudwatch"] = boto3.client("cloudwatch", endpoint_url=server.url, **CREDENTIALS)
        stack.callback(clients["cloudwatch"].close)
        world = World(
            region="us-east-1",
            client=clients.__getitem__,
            regions=lambda _: ["us-east-1"],
            get=lambda _: (200, b""),
            now=NOON,
            namespace="BedrockMeter",
            book={"rows": [{"checked": "2026-11-01"}, {"checked": "2026-11-20"}]},
        )
        yield Bench(world, engine, clients, stack)


def test_the_region(bench: Bench) -> None:
    """A Region has to be chosen, and Bedrock has to be in it."""
    assert bench.one(account.region) == (Level.OK, "us-east-1 has Bedrock")
    assert bench.one(account.region, region=None)[0] is Level.FAIL
    assert bench.one(account.region, region="us-moon-1") == (Level.FAIL, "botocore knows no Bedrock in us-moon-1")


def test_the_credentials(bench: Bench) -> None:
    """The account and the role are named, the session, which may be a person's name, is not."""
    arn = "arn:aws:sts::123456789012:assumed-role/Admin/jane@example.com"
    bench.stub("sts").add_response("get_caller_identity", {"Account": "123456789012", "Arn": arn})
    level, fact = bench.one(account.credentials)
    assert level is Level.OK
    assert fact == "account 123456789012 as arn:aws:sts::123456789012:assumed-role/Admin"


def availability(**changes: str) -> dict[str, Any]:
    """Give an answer of GetFoundationModelAvailability."""
    found = {
        "regionAvailability": "AVAILABLE",
        "authorizationStatus": "AUTHORIZED",
        "entitlementAvailability": "AVAILABLE",
    }
    return {"modelId": CLAUDE, "agreementAvailability": {"status": "AVAILABLE"}, **found, **changes}


def test_model_access(bench: Bench) -> None:
    """The models that were called and those of the options are asked for, by their foundation model."""
    bench.put("AWS/Bedrock", "Invocations", 3, ModelId=CLAUDE_US)
    stub = bench.stub("bedrock")
    for answer in (availability(), availability(authorizationStatus="NOT_AUTHORIZED")):
        stub.add_response("get_foundation_model_availability", answer, {"modelId": NOVA})
        stub.add_response("get_foundation_model_availability", availability(), {"modelId": CLAUDE})
    assert [finding.fact for finding in bench.ask(account.models, models=(NOVA,))] == [
        f"{NOVA} may be called",
        f"{CLAUDE} may be called",
    ]
    bad, _ = bench.ask(account.models, models=(NOVA,))
    assert (bad.level, bad.fact) == (Level.FAIL, f"{NOVA}: this account is not authorized")


def test_model_access_without_a_model(bench: Bench) -> None:
    """Where no model was called and none is named, nothing is guessed; an opaque id is said to be one."""
    assert bench.one(account.models)[0] is Level.SKIPPED
    opaque = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456"
    assert bench.one(account.models, models=(opaque,))[0] is Level.WARN


def test_invocation_logging(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging that is off is a warning; on, it says where to; with bodies in it, it warns."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        bench.clients["bedrock"] = bedrock = boto3.client("bedrock", region_name="us-east-1")
        logs = boto3.client("logs", region_name="us-east-1")
        logs.create_log_group(logGroupName="/bedrock")
        assert bench.one(account.logging) == (Level.WARN, "invocation logging is off")
        config: Any = {
            "cloudWatchConfig": {"logGroupName": "/bedrock", "roleArn": "arn:aws:iam::123456789012:role/logs"},
            "textDataDeliveryEnabled": False,
        }
        bedrock.put_model_invocation_logging_configuration(loggingConfig=config)
        assert bench.one(account.logging) == (Level.OK, "invocation logging goes to log group /bedrock")
        config["textDataDeliveryEnabled"] = True
        bedrock.put_model_invocation_logging_configuration(loggingConfig=config)
        assert bench.ask(account.logging)[1].fact == "the log holds prompts and answers (text)"


def quota(name: str, value: float) -> dict[str, Any]:
    """Make a service quota."""
    return {"QuotaName": name, "Value": value}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (CLAUDE, f"{CLAUDE}: 900 of 1,000 tokens a minute (90%) in its busiest minute"),
        (CLAUDE_US, f"{CLAUDE_US}: 900 of 2,000 tokens a minute (45%) in its busiest minute"),
        (f"global.{CLAUDE}", f"global.{CLAUDE}: 900 of 4,000 tokens a minute (22%) in its busiest minute"),
        (NOVA, f"{NOVA}: 900 tokens in its busiest minute; no quota of tokens per minute is named so"),
    ],
)
def test_quotas(bench: Bench, model: str, expected: str) -> None:
    """The busiest minute is held against the quota of the model and of the way that it is called."""
    bench.put("AWS/Bedrock", "InputTokenCount", 800, ModelId=model)
    bench.put("AWS/Bedrock", "OutputTokenCount", 100, ModelId=model)
    name = "model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1"
    answer = {
        "Quotas": [
            quota(f"On-demand {name}", 1000),
            quota(f"Cross-region {name}", 2000),
            quota(f"Global cross-region {name}", 4000),
            quota("Cross-region model inference requests per minute for Anthropic Claude Sonnet 4.5 V1", 7),
        ]
    }
    bench.stub("service-quotas").add_response("list_service_quotas", answer, {"ServiceCode": "bedrock"})
    level, fact = bench.one(account.quotas)
    assert fact == expected
    assert level is (Level.WARN if "90%" in fact else Level.OK)


def test_quotas_without_use(bench: Bench) -> None:
    """Without tokens nobody asks for quotas."""
    assert bench.one(account.quotas) == (Level.OK, "no tokens were used in the last day")


@pytest.mark.parametrize(
    ("status", "level"), [(200, Level.OK), (403, Level.OK), (401, Level.OK), (502, Level.FAIL), (404, Level.FAIL)]
)
def test_the_gateway(bench: Bench, status: int, level: Level) -> None:
    """A gateway that is up, or that asks who calls, is good; another answer is not."""
    asked = []

    def get(url: str) -> tuple[int, bytes]:
        asked.append(url)
        return status, b""

    assert bench.one(meter.gateway, gateway="https://example.test/prod", get=get)[0] is level
    assert asked == ["https://example.test/prod/healthz"]


def test_a_gateway_that_does_not_answer(bench: Bench) -> None:
    """No answer is a failure with its reason; no URL is nothing to look at."""

    def get(_: str) -> tuple[int, bytes]:
        raise OSError("connection refused")

    assert bench.one(meter.gateway, gateway="https://example.test", get=get) == (
        Level.FAIL,
        "no answer: connection refused",
    )
    assert bench.one(meter.gateway)[0] is Level.SKIPPED


@pytest.mark.parametrize(
    ("ours", "theirs", "level"), [(0, 0, Level.OK), (5, 5, Level.OK), (4, 5, Level.WARN), (0, 5, Level.FAIL)]
)
def test_metrics_arrive(bench: Bench, ours: int, theirs: int, level: Level) -> None:
    """Fewer metered calls than Bedrock had is a warning, none at all a failure."""
    if ours:
        bench.put("BedrockMeter", "Invocations", ours, Service="meter")
    if theirs:
        bench.put("AWS/Bedrock", "Invocations", theirs, ModelId=NOVA)
    found, fact = bench.one(meter.arriving)
    assert found is level
    assert fact.startswith(f"{ours} calls metered in the last day, {theirs} by Bedrock's own metrics")


def test_lines_that_cloudwatch_refused(bench: Bench) -> None:
    """Each log group with EMF errors is named."""
    assert bench.one(meter.emf_errors)[0] is Level.OK
    bench.put("AWS/Logs", "EMFValidationErrors", 2, LogGroupName="/gateway")
    assert bench.one(meter.emf_errors) == (Level.FAIL, "2 EMFValidationErrors in /gateway in the last day")


def test_faults_and_unpriced_calls(bench: Bench) -> None:
    """What the meter itself counts as wrong is said by service."""
    assert bench.one(meter.faults)[0] is Level.OK
    bench.put("BedrockMeter", "Unpriced", 3, Service="meter")
    assert bench.one(meter.faults) == (Level.WARN, "3 Unpriced of meter in the last day")


@pytest.mark.parametrize(("tokens", "level"), [(None, Level.WARN), (0, Level.OK), (7, Level.WARN)])
def test_unmetered_tokens(bench: Bench, tokens: int | None, level: Level) -> None:
    """What the reconciliation emitted is taken over; that it never ran is said."""
    if tokens is not None:
        line = an_emf().measurement({metrics.UNMETERED_TOKENS: tokens}, at=HOUR_AGO)
        bench.engine.put_emf([line], now=NOON)
    assert bench.one(meter.unmetered)[0] is level


def a_key(place: int, **more: str) -> Mapping[str, Any]:
    """Make a key's item as the registry keeps it."""
    return {"pk": {"S": f"KEY#{place}"}, "sk": {"S": "KEY"}, **{name: {"S": text} for name, text in more.items()}}


def test_keys(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that work are counted apart from those that are revoked or have expired; other items are no keys."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        bench.clients["dynamodb"] = dynamodb = boto3.client("dynamodb", region_name="us-east-1")
        dynamodb.create_table(
            TableName="registry",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        assert bench.one(meter.keys, table="registry") == (Level.FAIL, "0 keys work, 0 are revoked or have expired")
        items = [
            a_key(1),
            a_key(2, expires_at="2027-01-01T00:00:00+00:00"),
            a_key(3, expires_at="2026-11-23T11:59:59+00:00"),
            a_key(4, revoked_at="2026-11-01T00:00:00+00:00"),
            {"pk": {"S": "REGISTRY"}, "sk": {"S": "USECASE#chatbot"}},
        ]
        for item in items:
            dynamodb.put_item(TableName="registry", Item=item)
        assert bench.one(meter.keys, table="registry") == (Level.OK, "2 keys work, 2 are revoked or have expired")
    assert bench.one(meter.keys)[0] is Level.SKIPPED


def test_the_age_of_the_price_book(bench: Bench) -> None:
    """The newest look at the book counts; after 45 days it is old."""
    assert bench.one(meter.book_age) == (
        Level.OK,
        "the price book of this machine was checked on 2026-11-20, 3 days ago",
    )
    assert bench.one(meter.book_age, now=NOON + timedelta(days=43))[0] is Level.WARN


def test_a_refusal_is_a_finding(bench: Bench) -> None:
    """A check that AWS refuses says what to allow, and the others go on."""
    bench.stub("sts").add_client_error("get_caller_identity", "AccessDenied", "no")
    check = Check(name="credentials", source="sts", run=account.credentials)
    (finding,) = command.examine(check, bench.world)
    assert finding.level is Level.UNKNOWN
    assert finding.fact == "GetCallerIdentity: no (allow GetCallerIdentity in your IAM policy)"


def test_the_command_ends_with_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text and JSON say every finding with its source; a failure makes the exit code 1, a warning does not."""
    checks = (
        Check(name="price book", source="prices.json", run=meter.book_age),
        Check(name="gateway", source="GET /healthz", run=meter.gateway),
    )
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr(command, "CHECKS", checks)
    monkeypatch.setattr(command, "now", lambda: NOON + timedelta(days=400))
    monkeypatch.setattr(command, "_get", lambda _: (500, b""))

    warned = CliRunner().invoke(command.command, [])
    assert warned.exit_code == 0, warned.output
    assert "warn    price book" in warned.output
    assert "-> install the newest version" in warned.output

    failed = CliRunner().invoke(command.command, ["--json", "--gateway", "https://example.test/prod/"])
    assert failed.exit_code == 1
    assert [(each["check"], each["level"]) for each in json.loads(failed.output)["findings"]] == [
        ("price book", "warn"),
        ("gateway", "fail"),
    ]


def test_every_check_has_a_name_and_a_source() -> None:
    """No finding is without the place that it is known from."""
    assert len({check.name for check in command.CHECKS}) == len(command.CHECKS) == 12
    assert all(check.source and check.run.__doc__ for check in command.CHECKS)
