"""The functions beside the gateway, in containers, with the AWS services that they ask on this machine."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.builders import NOON
from tests.contract.limits.stores import client_of, dynamodb_server, make_table
from tests.e2e.bridge import reachable
from tests.e2e.sam_local import EVENTS, Invocation, SamLocal, emf_lines, with_settings
from tests.functional.account.callback import serving
from tests.functional.gateway.stub import StubUpstream, http, sends

from bedrock_meter.adapters.dynamoregistry import DynamoRegistry
from bedrock_meter.gatekeys import SEED_BYTES, digest, mint, text_of
from bedrock_meter.registry import Key, UseCase
from meterctl.cloudwatch import CloudWatch
from meterctl.cloudwatch.server import CloudWatchServer

pytestmark = pytest.mark.e2e

KEY_ID, SECRET = mint(bytes(range(SEED_BYTES)))
TEXT = text_of(KEY_ID, SECRET)
NOWHERE = "http://host.docker.internal:1"
"""Where nothing listens."""
CREDENTIALS: Any = {"aws_access_key_id": "e2e", "aws_secret_access_key": "e2e", "region_name": "us-east-1"}
NOVA = "amazon.nova-lite-v1:0"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """Moto, for all AWS services that it has."""
    with dynamodb_server() as url:
        yield url


def changed(name: str, folder: Path, **changes: Any) -> Path:
    """Copy an event with other values."""
    event = json.loads((EVENTS / name).read_text(encoding="utf-8")) | changes
    file = folder / name
    file.write_text(json.dumps(event), encoding="utf-8")
    return file


@contextmanager
def registry_with_a_key(url: str) -> Iterator[str]:
    """Make a registry with a key for the use case `chatbot`; give the name of its table."""
    key = Key(
        id=KEY_ID,
        secret_sha256=digest(SECRET),
        use_cases=("chatbot",),
        default_use_case="chatbot",
        created_at=datetime.now(UTC),
    )
    with closing(client_of(url)) as client:
        name = make_table(client)
        registry = DynamoRegistry(client.send, name)
        assert registry.add(UseCase(name="chatbot", team="support"))
        assert registry.add(key)
        yield name


def asked_with_the_key(sam_local: SamLocal, folder: Path, *, table: str, at: str) -> Invocation:
    """Ask the authorizer about the key, with the registry in a table of the DynamoDB at a URL."""
    headers = {"Authorization": f"Bearer {TEXT}"}
    several = {name: [value] for name, value in headers.items()}
    event = changed("authorizer.json", folder, headers=headers, multiValueHeaders=several)
    settings = {"BEDROCK_METER_TABLE": table, "AWS_ENDPOINT_URL_DYNAMODB": at}
    return sam_local.invoke("AuthorizerFunction", event, with_settings(EVENTS / "env.json", folder, settings))


def test_a_key_of_the_registry_opens_the_stage(sam_local: SamLocal, aws: str, tmp_path: Path) -> None:
    """The authorizer reads the key from its table, lets the call in, and tells the gateway who calls."""
    with registry_with_a_key(aws) as table, reachable(aws) as url:
        asked = asked_with_the_key(sam_local, tmp_path, table=table, at=url)
    (statement,) = asked.result["policyDocument"]["Statement"]
    assert (statement["Effect"], asked.result["principalId"]) == ("Allow", KEY_ID)
    assert asked.result["context"]["team"] == "support"
    assert emf_lines(asked.log) == []
    assert SECRET not in asked.log


def test_without_its_registry_the_stage_is_closed(sam_local: SamLocal, tmp_path: Path) -> None:
    """A good key opens nothing while the table cannot be read; the fault is counted, and the key is in no log."""
    asked = asked_with_the_key(sam_local, tmp_path, table="bedrock-meter-registry", at=NOWHERE)
    assert asked.result["errorType"] == "GatewayFault"
    assert "policyDocument" not in asked.result
    assert ["authorizer_fault"] in [line["meter_faults"] for line in emf_lines(asked.log)]
    assert SECRET not in asked.log + json.dumps(asked.result)


def test_the_event_file_of_the_authorizer_is_denied(sam_local: SamLocal) -> None:
    """As in the folder of events, without any registry: what is no key is denied with a reason."""
    asked = sam_local.invoke("AuthorizerFunction", EVENTS / "authorizer.json", EVENTS / "env.json")
    (statement,) = asked.result["policyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert "not valid" in asked.result["context"]["message"]


def test_the_log_door_meters_what_no_other_door_has(sam_local: SamLocal) -> None:
    """Of the delivery in the folder of events it counts two calls; that of the gateway's role awaits its witness."""
    delivered = sam_local.invoke(
        "LogMeterFunction", EVENTS / "logmeter.json", EVENTS / "env.json", stack="AccountStack"
    )
    assert (delivered.result["counted"], delivered.result["awaiting"], delivered.result["failed"]) == (2, 1, {})
    lines = emf_lines(delivered.log)
    assert [(line["UseCase"], line["InputTokenCount"], line["usage_source"]) for line in lines] == [
        ("chatbot", 15, "log"),
        ("summaries", 15, "log"),
    ]


def test_the_custom_resource_switches_logging_on(sam_local: SamLocal, aws: str, tmp_path: Path) -> None:
    """The account function configures Bedrock and tells CloudFormation so, at the URL that waits for it."""
    with serving() as callback, reachable(callback.url) as answer_url, reachable(aws) as url:
        event = changed("account-create.json", tmp_path, ResponseURL=answer_url)
        env_vars = with_settings(EVENTS / "env.json", tmp_path, {"AWS_ENDPOINT_URL_BEDROCK": url})
        assert sam_local.invoke("AccountFunction", event, env_vars).result is None
        (answer,) = callback.answers
    assert (answer["Status"], answer["Data"]) == ("SUCCESS", {"LogGroupName": "bedrock-meter-InvocationLogGroup"})
    with closing(boto3.client("bedrock", endpoint_url=aws, **CREDENTIALS)) as bedrock:
        configured = bedrock.get_model_invocation_logging_configuration()["loggingConfig"]
    assert configured["cloudWatchConfig"]["logGroupName"] == "bedrock-meter-InvocationLogGroup"
    assert configured["textDataDeliveryEnabled"] is False


def test_the_custom_resource_says_that_bedrock_cannot_be_reached(sam_local: SamLocal, tmp_path: Path) -> None:
    """CloudFormation gets FAILED with the reason, and does not wait an hour for nothing."""
    with serving() as callback, reachable(callback.url) as answer_url:
        event = changed("account-create.json", tmp_path, ResponseURL=answer_url)
        env_vars = with_settings(EVENTS / "env.json", tmp_path, {"AWS_ENDPOINT_URL_BEDROCK": NOWHERE})
        sam_local.invoke("AccountFunction", event, env_vars)
        (answer,) = callback.answers
    assert answer["Status"] == "FAILED"
    assert "EndpointConnectionError" in answer["Reason"]


def test_the_reconciliation_finds_what_went_past(sam_local: SamLocal, tmp_path: Path) -> None:
    """With a CloudWatch that has tokens of Bedrock and none of ours, the hour's lines say that all went past."""
    engine, due = CloudWatch(), datetime.fromisoformat(json.loads((EVENTS / "reconcile.json").read_bytes())["time"])
    dimensions = [{"Name": "ModelId", "Value": NOVA}]
    for metric, value in (("Invocations", 2), ("InputTokenCount", 30), ("OutputTokenCount", 12)):
        datum: Any = {"MetricName": metric, "Dimensions": dimensions, "Timestamp": NOON, "Value": value}
        engine.put_metric_data(now=due, Namespace="AWS/Bedrock", MetricData=[datum])
    no_profiles = sends(http(200, {"Content-Type": "application/json"}, b'{"inferenceProfileSummaries": []}'))
    with (
        CloudWatchServer(engine, clock=lambda: due) as cloudwatch,
        StubUpstream(no_profiles) as bedrock,
        reachable(cloudwatch.url) as cloudwatch_url,
        reachable(bedrock.url) as bedrock_url,
    ):
        settings = {"AWS_ENDPOINT_URL_CLOUDWATCH": cloudwatch_url, "AWS_ENDPOINT_URL_BEDROCK": bedrock_url}
        env_vars = with_settings(EVENTS / "env.json", tmp_path, settings)
        run = sam_local.invoke("ReconcileFunction", EVENTS / "reconcile.json", env_vars, stack="Reconciliation")
        assert [(seen.method, seen.target.partition("?")[0]) for seen in bedrock.seen] == [
            ("GET", "/inference-profiles")
        ]
    of_model, whole = emf_lines(run.log)
    assert (of_model["ModelId"], of_model["UnmeteredTokens"]) == (NOVA, 42)
    assert (whole["UnmeteredShare"], whole["account_calls"]) == (100.0, 2)


def test_the_price_watch_wants_a_place_for_its_books(sam_local: SamLocal, tmp_path: Path) -> None:
    """It starts in its container with the layer, and says which setting is missing before it asks the network."""
    env_vars = with_settings(EVENTS / "env.json", tmp_path, {"BEDROCK_METER_PRICES_URL": ""})
    run = sam_local.invoke("PriceWatchFunction", EVENTS / "reconcile.json", env_vars, stack="Prices")
    assert run.result["errorType"] == "ConfigError"
    assert "BEDROCK_METER_PRICES_URL" in run.result["errorMessage"]
