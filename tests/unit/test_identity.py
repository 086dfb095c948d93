"""Who calls: which use case a call counts for, and from whom that is taken."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.builders import FakeClock

from bedrock_meter.caller import USE_CASE_HEADER, Auth, Caller
from bedrock_meter.config import Settings
from bedrock_meter.domain import Operation
from bedrock_meter.errors import AccessDenied, InvalidRequest, RegistryError, UpstreamUnavailable
from bedrock_meter.gatekeys import SEED_BYTES, digest, mint, text_of
from bedrock_meter.principals import PrincipalMap
from bedrock_meter.registry import Key, Principal, UseCase
from gateway.http import Request
from gateway.identity import by_key, identity_for, named_use_case
from gateway.metadata import HEADER

CLOSED = Settings(use_case="chatbot", use_cases=frozenset({"chatbot", "search"}))
OPEN = Settings(use_case="chatbot", use_cases=frozenset({"chatbot", "search"}), use_case_header=True)
OPEN_WITHOUT_DEFAULT = Settings(use_cases=frozenset({"search", "alpha"}), use_case_header=True)
CHATBOT = UseCase(name="chatbot", team="support", models=("amazon.nova-*",))


def a_request(headers: Mapping[str, str] | None = None, **more: Any) -> Request:
    """Make a request."""
    usual: dict[str, Any] = {"id": "r", "method": "POST", "path": "/", "body": b"", "headers": headers or {}}
    return Request(**(usual | more))


class FakeRegistry:
    """A registry in memory."""

    def __init__(self, *entries: Key | Principal | UseCase, down: bool = False) -> None:
        self._entries = entries
        self._down = down

    def key(self, key_id: str) -> Key | None:
        """Give a key."""
        if self._down:
            raise RegistryError("down")
        return next((one for one in self._entries if isinstance(one, Key) and one.id == key_id), None)

    def find(self, arn: str) -> tuple[str, ...] | None:
        """Give the use cases of a principal."""
        if self._down:
            raise RegistryError("down")
        patterns = {one.pattern: one.use_cases for one in self._entries if isinstance(one, Principal)}
        return PrincipalMap(patterns).find(arn)

    def use_case(self, name: str) -> UseCase | None:
        """Give a use case."""
        if self._down:
            raise RegistryError("down")
        return next((one for one in self._entries if isinstance(one, UseCase) and one.name == name), None)


def chosen(headers: Mapping[str, str], settings: Settings) -> str:
    """Give the use case of a call behind a gateway without authentication."""
    caller = identity_for(settings, None)(a_request(headers))
    return caller.choose(headers.get(USE_CASE_HEADER)).name


@pytest.mark.parametrize(
    ("settings", "headers", "use_case"),
    [
        (CLOSED, {}, "chatbot"),
        (OPEN, {}, "chatbot"),
        (OPEN, {USE_CASE_HEADER: "search"}, "search"),
        (OPEN, {USE_CASE_HEADER: "chatbot"}, "chatbot"),
        (OPEN_WITHOUT_DEFAULT, {USE_CASE_HEADER: "search"}, "search"),
    ],
)
def test_the_use_case_without_authentication(settings: Settings, headers: dict[str, str], use_case: str) -> None:
    """The deployment's own, or a registered one that the caller may choose."""
    assert chosen(headers, settings) == use_case


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        (Settings(), {}),
        (CLOSED, {USE_CASE_HEADER: "search"}),
        (CLOSED, {USE_CASE_HEADER: "chatbot"}),
        (CLOSED, {USE_CASE_HEADER: ""}),
        (OPEN, {USE_CASE_HEADER: "canary-7f3a"}),
        (OPEN, {USE_CASE_HEADER: "canary" * 850}),
        (OPEN, {USE_CASE_HEADER: ""}),
        (OPEN, {USE_CASE_HEADER: "chatbot,search"}),
        (OPEN_WITHOUT_DEFAULT, {}),
    ],
)
def test_no_use_case_is_denied(settings: Settings, headers: dict[str, str]) -> None:
    """A free header charges nobody's calls to anybody, and is not repeated in the message, whatever its length."""
    with pytest.raises(AccessDenied) as denied:
        chosen(headers, settings)
    assert "canary" not in denied.value.message


def test_the_message_says_what_may_be_chosen() -> None:
    """Where a caller may choose, it is told among what."""
    with pytest.raises(AccessDenied, match="alpha, search"):
        chosen({}, OPEN_WITHOUT_DEFAULT)


def test_the_message_does_not_list_what_may_not_be_chosen() -> None:
    """Where the header is closed, the registered names are nobody's business."""
    with pytest.raises(AccessDenied) as denied:
        chosen({}, Settings(use_cases=frozenset({"search"})))
    assert "search" not in denied.value.message


def test_a_long_list_is_cut() -> None:
    """Of many use cases the message names some, and says how many more there are."""
    caller = Caller(use_cases=tuple(UseCase(name=f"u{number:02}") for number in range(25)), default=None)
    with pytest.raises(AccessDenied, match="u19 and 5 more"):
        caller.choose(None)


def test_with_keys_the_authorizer_says_who_calls() -> None:
    """The caller is the one of the authorizer's context, and headers of the call say nothing of it."""
    context = {"key_id": "abcdefghijkl", "default_use_case": "chatbot", "use_cases": json.dumps([{"name": "chatbot"}])}
    caller = identity_for(Settings(auth=Auth.KEY), None)(a_request({"x-api-key": "bm-x"}, authorizer=context))
    assert caller == Caller(use_cases=(UseCase(name="chatbot"),), default="chatbot", key_id="abcdefghijkl")


@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        {"key_id": "abcdefghijkl"},
        {"key_id": "abcdefghijkl", "use_cases": "["},
        {"key_id": "abcdefghijkl", "use_cases": "[1]"},
        {"key_id": "abcdefghijkl", "use_cases": '{"name":"x"}'},
        {"key_id": "abcdefghijkl", "use_cases": '[{"name":"two words"}]'},
        {"key_id": "abcdefghijkl", "use_cases": '[{"name":5}]'},
        {"key_id": "abcdefghijkl", "use_cases": None},
        {"use_cases": '[{"name":"x"}]'},
    ],
)
def test_with_keys_nobody_passes_without_the_authorizers_word(context: dict[str, Any] | None) -> None:
    """A context that is none of ours authenticates nobody, so that a route without the authorizer stays closed."""
    with pytest.raises(AccessDenied, match="not authenticated"):
        identity_for(Settings(auth=Auth.KEY, use_case="chatbot"), None)(a_request(authorizer=context))


PRINCIPALS = {
    "arn:aws:sts::*:assumed-role/web-*": ("chatbot",),
    "arn:aws:iam::123456789012:role/service/search": ("search", "chatbot"),
}


@pytest.mark.parametrize(
    ("arn", "default", "names"),
    [
        ("arn:aws:sts::123456789012:assumed-role/web-1/s", "chatbot", {"chatbot"}),
        ("arn:aws:sts::123456789012:assumed-role/search/s", "search", {"search", "chatbot"}),
    ],
)
def test_with_signatures_the_pattern_counts(arn: str, default: str, names: set[str]) -> None:
    """The pattern that the principal's ARN matches says what it may name, and the registry what that is."""
    identity = identity_for(Settings(auth=Auth.IAM, principals=PRINCIPALS), FakeRegistry(CHATBOT))
    caller = identity(a_request(principal=arn))
    assert (caller.default, {one.name for one in caller.use_cases}) == (default, names)
    assert CHATBOT in caller.use_cases
    assert caller.key_id is None


def test_with_signatures_the_registry_comes_before_the_setting() -> None:
    """A principal that both know gets what the registry says; one that only the setting knows gets what that says."""
    web, search = (f"arn:aws:sts::123456789012:assumed-role/{name}/s" for name in ("web-1", "search"))
    written = Principal(pattern="arn:aws:iam::123456789012:role/web-1", use_cases=("reports",))
    identity = identity_for(Settings(auth=Auth.IAM, principals=PRINCIPALS), FakeRegistry(written))
    assert [identity(a_request(principal=arn)).default for arn in (web, search)] == ["reports", "search"]
    without_setting = identity_for(Settings(auth=Auth.IAM), FakeRegistry(written))
    assert without_setting(a_request(principal=web)).default == "reports"
    with pytest.raises(AccessDenied, match="No use case is set"):
        without_setting(a_request(principal=search))


def test_with_signatures_an_unreadable_registry_is_no_denial() -> None:
    """Nobody knows what the principal may, so the caller is told to try again."""
    with pytest.raises(UpstreamUnavailable, match="cannot read its registry"):
        identity_for(Settings(auth=Auth.IAM), FakeRegistry(down=True))(a_request(principal="arn:aws:iam::1:user/a"))


@pytest.mark.parametrize(
    ("principal", "says"),
    [(None, "not signed"), ("arn:aws:iam::123456789012:user/eve", "No use case is set for arn:aws:iam::123456789012")],
)
def test_with_signatures_an_unknown_principal_is_denied(principal: str | None, says: str) -> None:
    """A principal that fits no pattern is told so; a call that nobody signed as well."""
    with pytest.raises(AccessDenied, match=says):
        identity_for(Settings(auth=Auth.IAM, principals=PRINCIPALS), None)(a_request(principal=principal))


def test_a_registry_that_is_down_does_not_close_what_it_only_describes() -> None:
    """Without authentication an unreachable registry takes team and models away, and not the call."""
    caller = identity_for(CLOSED, FakeRegistry(CHATBOT, down=True))(a_request())
    assert caller.choose(None) == UseCase(name="chatbot")


def test_with_signatures_a_registry_that_is_down_lets_nobody_in() -> None:
    """Without the registry nobody knows which models a principal may call, so it is not taken for all of them."""
    settings = Settings(auth=Auth.IAM, principals=PRINCIPALS)
    with pytest.raises(UpstreamUnavailable, match="registry"):
        identity_for(settings, FakeRegistry(CHATBOT, down=True))(
            a_request(principal="arn:aws:sts::123456789012:assumed-role/web-1/s")
        )


def a_key(**changes: Any) -> tuple[Key, str]:
    """Make a key and its text."""
    key_id, secret = mint(bytes(range(SEED_BYTES)))
    usual: dict[str, Any] = {"id": key_id, "secret_sha256": digest(secret), "use_cases": ("chatbot", "gone")}
    usual |= {"default_use_case": "chatbot", "created_at": FakeClock().now()}
    return Key(**(usual | changes)), text_of(key_id, secret)


def test_the_gateway_may_check_keys_itself() -> None:
    """Without an authorizer in front the gateway finds the caller of a key, without use cases that are gone."""
    key, text = a_key()
    identity = by_key(FakeRegistry(key, CHATBOT), FakeRegistry(CHATBOT), FakeClock())
    caller = identity(a_request({"authorization": f"Bearer {text}"}))
    assert caller == Caller(use_cases=(CHATBOT,), default="chatbot", key_id=key.id)


def test_a_key_of_use_cases_that_are_gone_opens_nothing() -> None:
    """When none of a key's use cases is registered any more, its calls are denied."""
    key, text = a_key(use_cases=("gone",), default_use_case="gone")
    with pytest.raises(AccessDenied, match="registered any more"):
        by_key(FakeRegistry(key), FakeRegistry(), FakeClock())(a_request({"x-api-key": text}))


def test_without_the_registry_no_key_opens() -> None:
    """When the keys cannot be read nobody is let in, and the caller is told to try again."""
    _, text = a_key()
    with pytest.raises(UpstreamUnavailable, match="cannot read its registry"):
        by_key(FakeRegistry(down=True), FakeRegistry(down=True), FakeClock())(a_request({"x-api-key": text}))


@pytest.mark.parametrize(
    ("operation", "headers", "body", "named"),
    [
        (Operation.CONVERSE, {}, b'{"requestMetadata":{"use_case":"a"}}', "a"),
        (Operation.CONVERSE_STREAM, {}, b'{"requestMetadata":{"use_case":"a","team":"t"}}', "a"),
        (Operation.CONVERSE, {USE_CASE_HEADER: "a"}, b'{"requestMetadata":{"use_case":"a"}}', "a"),
        (Operation.CONVERSE, {USE_CASE_HEADER: "b"}, b'{"requestMetadata":{"team":"t"}}', "b"),
        (Operation.CONVERSE, {HEADER: '{"use_case":"a"}'}, b"{}", None),
        (Operation.INVOKE_MODEL, {HEADER: '{"use_case":"a"}'}, b"{}", "a"),
        (Operation.INVOKE_MODEL_STREAM, {HEADER: '{"use_case":"a"}'}, b"{}", "a"),
        (Operation.INVOKE_MODEL, {}, b'{"requestMetadata":{"use_case":"a"}}', None),
        (Operation.MESSAGES, {HEADER: '{"use_case":"a"}'}, b'{"requestMetadata":{"use_case":"a"}}', None),
        (Operation.CONVERSE, {}, b'{"requestMetadata":{"use_case":7}}', None),
        (Operation.CONVERSE, {}, b'{"requestMetadata":[1]}', None),
        (Operation.CONVERSE, {}, b'["requestMetadata"]', None),
        (Operation.CONVERSE, {}, b'{"requestMetadata":{"use', None),
        (Operation.INVOKE_MODEL, {HEADER: "use_case=a"}, b"{}", None),
        (Operation.INVOKE_MODEL, {HEADER: "[" * 100_000}, b"{}", None),
    ],
)
def test_what_a_call_names(operation: Operation, headers: dict[str, str], body: bytes, named: str | None) -> None:
    """Our header, Converse's metadata and InvokeModel's metadata header name a use case; what is broken names none."""
    request = a_request(headers, body=body)
    assert named_use_case(request, operation, by_metadata=True) == named


def test_a_call_that_names_two_is_refused() -> None:
    """Header and metadata that disagree are not silently one of the two."""
    request = a_request({USE_CASE_HEADER: "b"}, body=b'{"requestMetadata":{"use_case":"a"}}')
    with pytest.raises(InvalidRequest, match="names two use cases"):
        named_use_case(request, Operation.CONVERSE, by_metadata=True)
    assert named_use_case(request, Operation.CONVERSE, by_metadata=False) == "b"
