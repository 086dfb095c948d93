"""The authorizer as API Gateway invokes it, over a DynamoDB table."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.contract.limits.stores import REGION, client_of, dynamodb_server, make_table

from authorizer import keys as recent
from authorizer.app import Authorizer, build
from authorizer.keys import RecentKeys
from awshttp.dynamodb import DynamoDb
from bedrock_meter import gatekeys
from bedrock_meter.adapters.dynamoregistry import DynamoRegistry
from bedrock_meter.caller import from_context
from bedrock_meter.config import Settings
from bedrock_meter.errors import ConfigError, GatewayFault, RegistryError
from bedrock_meter.gatekeys import SEED_BYTES, digest, mint, text_of
from bedrock_meter.items import Catalogue
from bedrock_meter.registry import Key, UseCase

ROOT = Path(__file__).parents[3]
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret"}
STAGE = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod"
METHOD_ARN = f"{STAGE}/POST/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
KEY_ID, SECRET = mint(bytes(range(SEED_BYTES)))
TEXT = text_of(KEY_ID, SECRET)
UNKNOWN = text_of(*mint(bytes(SEED_BYTES)))
NOW = datetime.now(UTC)
KEY = Key(
    id=KEY_ID, secret_sha256=digest(SECRET), use_cases=("chatbot", "search"), default_use_case="chatbot", created_at=NOW
)
CHATBOT = UseCase(name="chatbot", team="support", models=("amazon.nova-*",))
SEARCH = UseCase(name="search")


def an_event(**headers: str | list[str]) -> dict[str, Any]:
    """Make the event of an authorizer of type REQUEST."""
    several = {name.replace("_", "-"): value if isinstance(value, list) else [value] for name, value in headers.items()}
    return {
        "type": "REQUEST",
        "methodArn": METHOD_ARN,
        "resource": "/{proxy+}",
        "path": "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
        "httpMethod": "POST",
        "headers": {name: values[-1] for name, values in several.items()},
        "multiValueHeaders": several,
        "queryStringParameters": {},
        "requestContext": {"stage": "prod", "requestId": "r-1"},
    }


def bearer(text: str) -> dict[str, Any]:
    """Make the event of a call with a bearer token."""
    return an_event(Authorization=f"Bearer {text}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with the registry in it."""

    url: str
    name: str
    client: DynamoDb
    registry: DynamoRegistry

    def environ(self) -> dict[str, str]:
        """Give the environment of the function."""
        place = {"BEDROCK_METER_TABLE": self.name, "AWS_REGION": REGION, "AWS_ENDPOINT_URL_DYNAMODB": self.url}
        return {**ENVIRON, **place}

    def authorizer(self) -> Authorizer:
        """Put an authorizer together as the function does."""
        return build(Settings.from_env(self.environ()), environ=self.environ())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Run one DynamoDB for the module."""
    with dynamodb_server() as running:
        yield running


@pytest.fixture
def table(url: str) -> Iterator[Table]:
    """Make a table with two use cases and a key."""
    with closing(client_of(url)) as client:
        name = make_table(client)
        registry = DynamoRegistry(client.send, name)
        for entry in (CHATBOT, SEARCH, KEY):
            assert registry.add(entry)
        yield Table(url=url, name=name, client=client, registry=registry)


def effect(answer: Mapping[str, Any]) -> str:
    """Give the effect of the one statement of an answer, which holds for the whole stage."""
    (statement,) = answer["policyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("execute-api:Invoke", f"{STAGE}/*/*")
    return str(statement["Effect"])


GOOD = {
    "bearer": bearer(TEXT),
    "lower case": an_event(authorization=f"bearer {TEXT}"),
    "x-api-key": an_event(x_api_key=TEXT),
}


@pytest.mark.parametrize("event", GOOD.values(), ids=GOOD)
def test_a_good_key_opens_the_stage(table: Table, event: dict[str, Any]) -> None:
    """It may call every method of the stage, and the gateway reads from the context who calls."""
    answer = table.authorizer()(event)
    assert effect(answer) == "Allow"
    assert answer["principalId"] == KEY_ID
    assert answer["usageIdentifierKey"] == f"bedrock-meter-{KEY_ID}"
    assert all(isinstance(value, str) for value in answer["context"].values())
    assert answer["context"]["team"] == "support"
    caller = from_context(answer["context"])
    assert (caller.key_id, caller.default) == (KEY_ID, "chatbot")
    assert caller.use_cases == (CHATBOT, SEARCH)


BAD = {
    "none": (an_event(), gatekeys.NO_KEY),
    "empty": (an_event(Authorization=""), gatekeys.NO_KEY),
    "empty bearer": (bearer(""), gatekeys.NO_KEY),
    "empty x-api-key": (an_event(x_api_key=""), gatekeys.NO_KEY),
    "two authorizations": (an_event(Authorization=[f"Bearer {TEXT}", f"Bearer {TEXT}"]), gatekeys.SEVERAL),
    "two, one empty": (an_event(Authorization=["", f"Bearer {TEXT}"]), gatekeys.SEVERAL),
    "sigv4": (an_event(Authorization="AWS4-HMAC-SHA256 Credential=AKIA/x"), gatekeys.NO_BEARER),
    "sigv4 with a key beside": (an_event(Authorization="AWS4-HMAC-SHA256 x", x_api_key=TEXT), gatekeys.NO_BEARER),
    "wrong bearer with a key beside": (an_event(Authorization="Bearer x", x_api_key=TEXT), gatekeys.NOT_VALID),
    "malformed": (bearer("not-a-key"), gatekeys.NOT_VALID),
    "truncated": (bearer(TEXT[:-1]), gatekeys.NOT_VALID),
    "unicode": (bearer("bm-kéy-🔑"), gatekeys.NOT_VALID),
    "lone surrogate": (bearer("\ud800"), gatekeys.NOT_VALID),
    "10 kB": (bearer("k" * 10_240), gatekeys.NOT_VALID),
    "injection": (bearer(f"{TEXT}\r\nx-bedrock-meter-use-case: search"), gatekeys.NOT_VALID),
    "nul": (bearer(f"{TEXT}\0"), gatekeys.NOT_VALID),
    "unknown": (bearer(UNKNOWN), gatekeys.NOT_VALID),
    "wrong secret": (bearer(f"bm-{KEY_ID}-{UNKNOWN[-43:]}"), gatekeys.NOT_VALID),
}


@pytest.mark.parametrize(("event", "message"), BAD.values(), ids=BAD)
def test_a_bad_key_is_denied_with_a_reason(
    table: Table, event: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may call nothing of the stage, the answer says why, and neither answer nor log has anything of the key."""
    answer = table.authorizer()(event)
    assert effect(answer) == "Deny"
    assert answer["context"] == {"message": message}
    assert "usageIdentifierKey" not in answer
    logged = capsys.readouterr()
    assert SECRET not in json.dumps(answer) + logged.out + logged.err
    assert logged.out == ""


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (replace(KEY, revoked_at=NOW - timedelta(seconds=1)), gatekeys.REVOKED),
        (replace(KEY, expires_at=NOW - timedelta(seconds=1)), gatekeys.EXPIRED),
        (replace(KEY, use_cases=("gone",), default_use_case="gone"), "registered any more"),
    ],
    ids=["revoked", "expired", "use cases gone"],
)
def test_a_key_that_is_no_longer_good_is_denied(table: Table, key: Key, message: str) -> None:
    """Its holder is told the reason."""
    table.registry.replace(key)
    answer = table.authorizer()(bearer(TEXT))
    assert effect(answer) == "Deny"
    assert message in answer["context"]["message"]


def test_a_key_is_read_once_a_minute(table: Table) -> None:
    """A revoked key stops when its reading is a minute old; until then the table is not asked again."""
    seconds = [0.0]
    found = RecentKeys(table.registry.key, monotonic=lambda: seconds[0])
    assert found.find(KEY_ID) == KEY
    table.registry.remove(KEY)
    seconds[0] = recent.MAX_AGE_SECONDS - 1
    assert found.find(KEY_ID) == KEY
    seconds[0] = recent.MAX_AGE_SECONDS
    assert found.find(KEY_ID) is None


def test_a_new_key_opens_at_once_although_it_was_asked_for_before(table: Table) -> None:
    """That an id was unknown is not remembered."""
    authorizer = table.authorizer()
    assert effect(authorizer(bearer(UNKNOWN))) == "Deny"
    key_id, secret = mint(bytes(SEED_BYTES))
    table.registry.add(replace(KEY, id=key_id, secret_sha256=digest(secret)))
    assert effect(authorizer(bearer(UNKNOWN))) == "Allow"


def test_recent_keys_do_not_fill_the_memory() -> None:
    """However many keys there are, so many are remembered at most."""
    found = RecentKeys(lambda key_id: replace(KEY, id=key_id))
    alphabet = "abcdefghijklmnop"
    for number in range(recent.MAX_KEYS + 10):
        found.find("".join(alphabet[(number >> (4 * at)) & 15] for at in range(12)))
    assert len(found._recent) <= recent.MAX_KEYS  # noqa: SLF001 - the bound has no other witness


def test_without_the_table_nobody_is_let_in(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    """The function fails, which API Gateway answers with 503 and does not remember; the fault is counted, keyless."""
    authorizer = table.authorizer()
    table.client.send("DeleteTable", {"TableName": table.name})
    with pytest.raises(GatewayFault) as failed:
        authorizer(bearer(TEXT))
    assert "could not be checked" in str(failed.value)
    assert failed.value.__cause__ is None
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    metered = [line for line in lines if "_aws" in line]
    assert [line["meter_faults"] for line in metered] == [["authorizer_fault"]]
    assert metered[0]["MeterFaults"] == 1
    assert KEY_ID not in printed.out + printed.err
    assert SECRET not in printed.out + printed.err


def test_without_use_cases_nobody_is_let_in(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that was read does not open while nobody knows what it may be used for."""

    class Half:
        """A registry whose use cases cannot be read."""

        def key(self, key_id: str) -> Key | None:
            """Give the key."""
            return table.registry.key(key_id)

        def catalogue(self) -> Catalogue:
            """Fail."""
            raise RegistryError("down")

    faults: list[str] = []
    with pytest.raises(GatewayFault):
        Authorizer(Half(), lambda code, error: faults.append(f"{code} {type(error).__name__}"))(bearer(TEXT))
    assert faults == ["registry_unreachable RegistryError", "authorizer_fault RegistryError"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("event", [{}, {"methodArn": "nonsense"}, {"methodArn": None}, {"methodArn": METHOD_ARN}])
def test_an_event_of_another_shape_lets_nobody_in(table: Table, event: dict[str, Any]) -> None:
    """What is no event of API Gateway is a fault, or a call without a key."""
    try:
        answer = table.authorizer()(event)
    except GatewayFault:
        return
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_a_function_without_a_table_does_not_start() -> None:
    """The error names the setting."""
    with pytest.raises(ConfigError, match="BEDROCK_METER_TABLE"):
        build(Settings(), environ=ENVIRON)


PROGRAM = """
import json, sys
from authorizer.app import lambda_handler
print(json.dumps(lambda_handler(json.loads(sys.stdin.read()), None)))
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""


def test_the_deployed_function_starts_without_slow_imports(table: Table) -> None:
    """Started as Lambda starts it, it answers without botocore, boto3 and Powertools."""
    paths = [str(ROOT / "layers" / "bedrock_meter"), str(ROOT / "src")]
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{PROGRAM}"],
        input=json.dumps(bearer(TEXT)),
        env={**os.environ, **table.environ(), "AWS_LAMBDA_FUNCTION_NAME": "authorizer"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answer, modules = map(json.loads, run.stdout.splitlines())
    assert effect(answer) == "Allow"
    assert not {"boto3", "botocore", "aws_lambda_powertools", "sqlite3"} & set(modules)
