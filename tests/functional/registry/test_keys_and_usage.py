"""The gateway with a registry file: keys, use cases, models, limits and what their owner is told of them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.functional.gateway.calls import CLAUDE_BODY, CLAUDE_PATH, CONVERSE_BODY, CONVERSE_PATH
from tests.functional.gateway.door import ENVIRON, REGION
from tests.functional.gateway.stub import StubUpstream, http, sends

from bedrock_meter.adapters.fileregistry import FileRegistry, open_file
from bedrock_meter.adapters.memory import MemorySink
from bedrock_meter.caller import USE_CASE_HEADER, Auth
from bedrock_meter.config import Settings
from bedrock_meter.domain import Record
from bedrock_meter.gatekeys import SEED_BYTES, digest, mint, text_of
from bedrock_meter.limits import Limit, OnExceed, Period, Subject, Unit
from bedrock_meter.registry import Key, UseCase
from gateway.app import build
from gateway.http import Request
from gateway.metadata import HEADER
from gateway.relay import Gateway

KEY_ID, SECRET = mint(bytes(range(SEED_BYTES)))
TEXT = text_of(KEY_ID, SECRET)
ANSWER = json.dumps({"usage": {"input_tokens": 10, "output_tokens": 5}, "content": []}).encode()
CHATBOT = UseCase(name="chatbot", team="support")
NOVA_ONLY = UseCase(name="nova", models=("amazon.nova-*",))
KEY = Key(
    id=KEY_ID,
    secret_sha256=digest(SECRET),
    use_cases=("chatbot", "nova"),
    default_use_case="chatbot",
    created_at=datetime(2026, 11, 23, tzinfo=UTC),
)


def a_limit(**changes: Any) -> Limit:
    """Make a limit."""
    usual: dict[str, Any] = {"id": "calls", "subject": Subject.USE_CASE, "pattern": "chatbot"}
    usual |= {"unit": Unit.REQUESTS, "period": Period.DAY, "amount": Decimal(2)}
    return Limit(**(usual | changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A gateway that checks keys itself, with a Bedrock behind it."""

    gateway: Gateway
    sink: MemorySink
    upstream: StubUpstream

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Send one request; give status, document and headers."""
        request = Request(id="req-1", method=method, path=path, headers=headers, body=body)
        response = self.gateway(request)
        return response.status, json.loads(b"".join(response.body)), dict(response.headers)

    def invoke(self, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Invoke Claude with the key."""
        return self.ask("POST", CLAUDE_PATH, {"x-api-key": TEXT, **(headers or {})}, CLAUDE_BODY)

    def usage(self) -> dict[str, Any]:
        """Ask for the usage of the key."""
        status, document, _ = self.ask("GET", "/usage", {"authorization": f"Bearer {TEXT}"})
        assert status == 200
        return document

    @property
    def record(self) -> Record:
        """The one record."""
        (record,) = self.sink.records
        return record


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Make a registry file with two use cases and a key."""
    path = tmp_path / "registry.db"
    with closing(open_file(path)) as opened:
        registry = FileRegistry(opened)
        for entry in (CHATBOT, NOVA_ONLY, KEY):
            assert registry.add(entry)
    return path


def add(path: Path, entry: UseCase | Limit | Key) -> None:
    """Write an entry as another process does."""
    with closing(open_file(path)) as opened:
        FileRegistry(opened).replace(entry)


@contextmanager
def opened(file: Path, **settings: Any) -> Iterator[Rig]:
    """Run a gateway over the file."""
    with StubUpstream(*[sends(http(200, {"content-type": "application/json"}, ANSWER))] * 4) as upstream:
        usual = {"upstream_url": upstream.url, "region": REGION, "auth": Auth.KEY, "registry": str(file)}
        sink = MemorySink()
        gateway = build(Settings(**(usual | settings)), environ=ENVIRON, sink=sink, checks_keys=True)
        try:
            yield Rig(gateway=gateway, sink=sink, upstream=upstream)
        finally:
            gateway.close()


@pytest.fixture
def rig(file: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """Run a gateway over the file; an indirect parameter gives limits to write first."""
    for limit in getattr(request, "param", ()):
        add(file, limit)
    with opened(file) as running:
        yield running


def test_a_call_counts_for_the_keys_default_use_case(rig: Rig) -> None:
    """The record names use case, team and key id, and Bedrock gets nothing of the key."""
    assert rig.invoke()[0] == 200
    assert rig.record.call.tags == {"use_case": "chatbot", "team": "support", "key_id": KEY_ID}
    (seen,) = rig.upstream.seen
    assert SECRET not in repr(seen)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"x-api-key": ""}, "has no gateway key"),
        ({"x-api-key": "bm-x"}, "key is not valid"),
        ({USE_CASE_HEADER: "other"}, "one of: chatbot, nova"),
        ({USE_CASE_HEADER: "u" * 5000}, "one of: chatbot, nova"),
        ({USE_CASE_HEADER: "nova"}, "use case nova may not call this model. It may call: amazon.nova-*"),
        ({HEADER: '{"use_case":"other"}'}, "one of: chatbot, nova"),
    ],
)
def test_what_a_key_may_not_do_is_denied(rig: Rig, headers: dict[str, str], says: str) -> None:
    """An unknown key, a foreign use case and a model of another use case are 403, and leave one record each."""
    status, document, answered = rig.invoke(headers)
    assert (status, answered["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert says in document["message"]
    assert rig.upstream.seen == []
    assert rig.record.outcome.http_status == 403


def test_converse_names_its_use_case_in_its_metadata(rig: Rig) -> None:
    """``requestMetadata.use_case`` chooses among the key's use cases, and the body goes on byte for byte."""
    body = json.dumps({**json.loads(CONVERSE_BODY), "requestMetadata": {"use_case": "chatbot", "x": "1"}}).encode()
    assert rig.ask("POST", CONVERSE_PATH, {"x-api-key": TEXT}, body)[0] == 200
    assert rig.upstream.seen[0].body == body


def test_an_unlabelled_body_goes_on_byte_for_byte(rig: Rig) -> None:
    """Without PropagateMetadata neither body nor headers gain a label."""
    body = b'{ "messages":[],\n "n": 1.0e1 }'
    assert rig.ask("POST", CONVERSE_PATH, {"x-api-key": TEXT}, body)[0] == 200
    assert rig.upstream.seen[0].body == body
    assert rig.upstream.seen[0].header(HEADER) is None


def test_labels_reach_bedrock_where_they_are_wanted(file: Path) -> None:
    """With PropagateMetadata Converse's body and InvokeModel's header say use case and record id."""
    with opened(file, propagate_metadata=True) as rig:
        assert rig.ask("POST", CONVERSE_PATH, {"x-api-key": TEXT}, b'{"messages":[]}')[0] == 200
        assert rig.invoke({HEADER: '{"team":"mine"}'})[0] == 200
        converse, invoke = rig.upstream.seen
    labels = {"use_case": "chatbot", "bedrock_meter_id": "req-1"}
    assert json.loads(converse.body) == {"messages": [], "requestMetadata": labels}
    assert json.loads(invoke.header(HEADER) or "") == {**labels, "team": "mine"}
    assert HEADER in (invoke.header("authorization") or "")
    assert invoke.body == CLAUDE_BODY


LIMITS = (
    a_limit(),
    a_limit(id="tokens", subject=Subject.TEAM, pattern="sup*", unit=Unit.TOKENS, amount=Decimal(10**9)),
    a_limit(
        id="mine",
        subject=Subject.KEY,
        pattern=KEY_ID,
        period=Period.MONTH,
        amount=Decimal(100),
        on_exceed=OnExceed.WARN,
    ),
    a_limit(id="others", subject=Subject.KEY, pattern="aaaaaaaaaaaa"),
    a_limit(id="claude", subject=Subject.MODEL, pattern="anthropic.*", amount=Decimal(50)),
    a_limit(id="nova-lite", subject=Subject.MODEL, pattern="amazon.nova-lite-v1:0", amount=Decimal(50)),
)


@pytest.mark.parametrize("rig", [LIMITS], indirect=True)
def test_the_owner_of_a_key_sees_what_is_left(rig: Rig) -> None:
    """Use cases, models and limits of the key, with what was spent; nothing of other keys."""
    assert rig.invoke()[0] == 200
    assert rig.record.faults == ()
    told = rig.usage()
    assert (told["key_id"], told["default_use_case"]) == (KEY_ID, "chatbot")
    chatbot, nova = told["use_cases"]
    assert (chatbot["name"], chatbot["team"], chatbot["models"]) == ("chatbot", "support", ["*"])
    assert (nova["name"], nova["team"], nova["models"]) == ("nova", None, ["amazon.nova-*"])
    limits = {limit["id"]: limit for limit in chatbot["limits"]}
    assert list(limits) == ["calls", "claude", "mine", "nova-lite", "tokens"]
    assert [limit["id"] for limit in nova["limits"]] == ["mine", "nova-lite"]
    for name, spent, left in (
        ("calls", "1", "1"),
        ("mine", "1", "99"),
        ("claude", "1", "49"),
        ("nova-lite", "0", "50"),
    ):
        assert (limits[name]["spent"], limits[name]["held"], limits[name]["left"]) == (spent, "0", left)
    assert limits["tokens"]["spent"] == "15"
    assert limits["mine"]["on_exceed"] == "warn"
    assert datetime.fromisoformat(limits["calls"]["resets_at"]) > datetime.now(UTC)
    assert len(rig.sink.records) == 1


@pytest.mark.parametrize("rig", [[a_limit()]], indirect=True)
def test_a_key_stops_at_its_limit(rig: Rig) -> None:
    """The limits of the registry hold in front of Bedrock, and the refusal names the limit."""
    assert [rig.invoke()[0] for _ in range(2)] == [200, 200]
    status, document, headers = rig.invoke()
    assert (status, headers["x-amzn-errortype"]) == (400, "ServiceQuotaExceededException")
    assert "The limit calls" in document["message"]
    assert len(rig.upstream.seen) == 2
    (limit,) = rig.usage()["use_cases"][0]["limits"]
    assert (limit["spent"], limit["left"]) == ("2", "0")


def test_usage_needs_a_key(rig: Rig) -> None:
    """Without one it is 403 in Bedrock's shape, and leaves no record: it is no call."""
    status, document, headers = rig.ask("GET", "/usage", {})
    assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert "no gateway key" in document["message"]
    assert rig.sink.records == []
    assert rig.ask("POST", "/usage", {"x-api-key": TEXT})[0] == 404


def test_a_revoked_key_stops_at_once_where_the_gateway_checks_it(rig: Rig, file: Path) -> None:
    """``meterctl keys revoke`` in another process holds from the next call on."""
    assert rig.invoke()[0] == 200
    add(file, replace(KEY, revoked_at=datetime.now(UTC)))
    status, document, _ = rig.invoke()
    assert (status, "revoked" in document["message"]) == (403, True)


STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
ASSUMED = f"""<AssumeRoleResponse xmlns="{STS_NAMESPACE}"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIASESSION</AccessKeyId><SecretAccessKey>canary</SecretAccessKey><SessionToken>canary-token</SessionToken>
<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
ROLE = "arn:aws:iam::123456789012:role/use-case"


def test_each_use_case_signs_with_a_session_of_its_own(file: Path) -> None:
    """One AssumeRole for a use case, named and tagged after it; its calls are signed with the session's credentials."""
    reply = sends(http(200, {"content-type": "text/xml"}, ASSUMED.encode()))
    with StubUpstream(reply) as sts, opened(file, attribution_role=ROLE, aws_endpoint_url_sts=sts.url) as rig:
        assert [rig.invoke()[0] for _ in range(2)] == [200, 200]
        signed = [seen.header("authorization") or "" for seen in rig.upstream.seen]
        tokens = [seen.header("x-amz-security-token") for seen in rig.upstream.seen]
    (asked,) = sts.seen
    form = asked.body.decode()
    assert "Action=AssumeRole" in form
    assert "RoleSessionName=chatbot" in form
    assert "Tags.member.1.Key=use_case&Tags.member.1.Value=chatbot" in form
    assert "Tags.member.2.Key=team&Tags.member.2.Value=support" in form
    assert "/sts/aws4_request" in (asked.header("authorization") or "")
    assert all("Credential=ASIASESSION/" in one for one in signed)
    assert tokens == ["canary-token"] * 2


STS_FAILURES = {
    "denied": (
        403,
        f"<ErrorResponse xmlns='{STS_NAMESPACE}'><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
    ),
    "without credentials": (200, "<AssumeRoleResponse/>"),
    "no xml": (200, "no xml"),
    "empty": (500, ""),
}


@pytest.mark.parametrize(("status", "body"), STS_FAILURES.values(), ids=STS_FAILURES)
def test_without_a_session_the_call_is_made_all_the_same(file: Path, status: int, body: str) -> None:
    """When STS fails, the gateway's own credentials sign, the fault is counted, and not every call asks STS again."""
    reply = sends(http(status, {}, body.encode()))
    with StubUpstream(reply) as sts, opened(file, attribution_role=ROLE, aws_endpoint_url_sts=sts.url) as rig:
        assert [rig.invoke()[0] for _ in range(2)] == [200, 200]
        assert all("Credential=AKIAGATEWAY/" in (seen.header("authorization") or "") for seen in rig.upstream.seen)
        assert [record.faults for record in rig.sink.records] == [("attribution_failed",), ()]
    assert len(sts.seen) == 1
