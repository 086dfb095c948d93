"""The registry's dataclasses, and the items that they are kept as."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_meter.caller import MAX_CONTEXT, Caller, caller_of, from_context, permit, tags_of, to_context
from bedrock_meter.errors import AccessDenied, RegistryError
from bedrock_meter.gatekeys import digest
from bedrock_meter.items import Entry, catalogue, from_item, place, read_keys, to_item
from bedrock_meter.limits import LIMIT_ID, Limit, OnExceed, Period, Subject, Unit
from bedrock_meter.modelid import parse
from bedrock_meter.registry import KEY_ID, MAX_PATTERNS, MAX_USE_CASES, NAME, Key, Principal, UseCase, fits

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
HASH = digest("s")

_names = st.from_regex(NAME, fullmatch=True)
_patterns = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=256)
_times = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants them so
use_cases = st.builds(
    UseCase,
    name=_names,
    team=st.none() | _names,
    owner=st.none() | _names,
    models=st.lists(_patterns, min_size=1, max_size=3).map(tuple),
)
limits = st.builds(
    Limit,
    id=st.from_regex(LIMIT_ID, fullmatch=True),
    subject=st.sampled_from(Subject),
    pattern=_patterns,
    unit=st.just(Unit.USD),
    period=st.sampled_from(Period),
    amount=st.decimals(Decimal("1e-9"), Decimal(10**9), places=9),
    on_exceed=st.sampled_from(OnExceed),
)
keys = st.lists(_names, min_size=1, max_size=4).flatmap(
    lambda names: st.builds(
        Key,
        id=st.from_regex(KEY_ID, fullmatch=True),
        secret_sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
        use_cases=st.just(tuple(names)),
        default_use_case=st.sampled_from(names),
        expires_at=st.none() | _times,
        revoked_at=st.none() | _times,
        created_at=_times,
    )
)
principals = st.builds(
    Principal,
    pattern=st.from_regex(r"arn:aws:(iam|sts):[a-z*]{0,3}:[0-9?*]{0,4}:[!-~]{1,40}", fullmatch=True),
    use_cases=st.lists(_names, min_size=1, max_size=4).map(tuple),
)


def a_key(**changes: Any) -> Key:
    """Make a key."""
    usual: dict[str, Any] = {"id": "abcdefghijkl", "secret_sha256": HASH, "use_cases": ("a", "b")}
    return Key(**(usual | {"default_use_case": "a", "created_at": NOW} | changes))


def item_of(entry: Entry) -> dict[str, Any]:
    """Give the whole item of an entry."""
    pk, sk = place(entry)
    return {"pk": pk, "sk": sk, **to_item(entry)}


@given(use_cases | limits | principals | keys)
def test_an_entry_survives_as_an_item(entry: Entry) -> None:
    """What was written is what is read, also by way of JSON."""
    item = json.loads(json.dumps(item_of(entry)))
    assert from_item(item) == entry
    assert from_item({**item, "added_by_a_later_version": "x"}) == entry


USE_CASE = item_of(UseCase(name="chatbot", team="support"))
LIMIT = item_of(Limit(id="l", subject=Subject.ALL, unit=Unit.USD, period=Period.DAY, amount=Decimal(5)))
KEY = item_of(a_key())


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ({}, "no pk and sk"),
        ({"pk": 1, "sk": "x"}, "no pk and sk"),
        ({"pk": "LIMIT#l", "sk": "2026-11-23T00:00Z", "used": "5"}, "no use case, limit, principal or key"),
        ({"pk": "REGISTRY", "sk": "WHATEVER#x"}, "no use case, limit, principal or key"),
        ({"pk": "KEY#abcdefghijkl", "sk": "other"}, "no use case, limit, principal or key"),
        ({**USE_CASE, "models": "all"}, "models is no list"),
        ({**USE_CASE, "models": [1]}, "models is no list"),
        ({**USE_CASE, "models": []}, "1 to 32 patterns"),
        ({**USE_CASE, "models": ["m" * 257]}, "1 to 256 printable"),
        ({**USE_CASE, "models": ["ü"]}, "printable ASCII"),
        ({**USE_CASE, "team": 5}, "team is no text"),
        ({**USE_CASE, "sk": "USECASE#two words"}, "name has to match"),
        ({"pk": "REGISTRY", "sk": "PRINCIPAL#Chatbot", "use_cases": ["a"]}, "pattern of an ARN"),
        ({"pk": "REGISTRY", "sk": "PRINCIPAL#arn:aws:iam::1:role/a", "use_cases": []}, "1 to 32 names"),
        ({"pk": "REGISTRY", "sk": "PRINCIPAL#arn:aws:iam::1:role/a", "use_cases": ["two words"]}, "every name in"),
        ({**LIMIT, "amount": "5 USD"}, "its amount is no number"),
        ({**LIMIT, "amount": "NaN"}, "above 0"),
        ({**LIMIT, "amount": "-1"}, "above 0"),
        ({**LIMIT, "amount": 5}, "amount is no text"),
        ({**LIMIT, "unit": "eur"}, "'eur' is not a valid Unit"),
        ({**LIMIT, "unit": "tokens", "amount": "0.5"}, "whole number"),
        ({**LIMIT, "period": None}, "it has no period"),
        ({**LIMIT, "pattern": "\n"}, "printable"),
        ({**KEY, "secret_sha256": "abc"}, "64 hexadecimal digits"),
        ({**KEY, "use_cases": []}, "1 to 32 names"),
        ({**KEY, "use_cases": ["a", "two words"]}, "every name in use_cases"),
        ({**KEY, "default_use_case": "c"}, "one of use_cases"),
        ({**KEY, "created_at": "yesterday"}, "Invalid isoformat"),
        ({**KEY, "created_at": "2026-11-23T08:00:00"}, "time zone"),
        ({**KEY, "created_at": None}, "no created_at"),
        ({**KEY, "pk": "KEY#ABC"}, "id has to match"),
    ],
)
def test_a_broken_item_is_named(item: dict[str, Any], says: str) -> None:
    """A foreign or broken item is an error that says which one it is and what is wrong, and quotes no hash."""
    with pytest.raises(RegistryError) as broken:
        from_item(item)
    assert says in str(broken.value)
    assert HASH not in str(broken.value)
    if isinstance(item.get("sk"), str) and isinstance(item.get("pk"), str):
        assert item["sk"] in str(broken.value)


def test_one_broken_item_does_not_hide_the_others() -> None:
    """The rest of the registry is read, and each broken item counted."""
    found = catalogue([{**LIMIT, "amount": "x"}, USE_CASE, {"pk": "REGISTRY", "sk": "?"}, LIMIT])
    assert list(found.use_cases) == ["chatbot"]
    assert [limit.id for limit in found.limits] == ["l"]
    assert len(found.broken) == 2
    read, broken = read_keys([{**KEY, "use_cases": 1}, KEY])
    assert (read, len(broken)) == ([a_key()], 1)


def test_limits_and_keys_have_an_order() -> None:
    """However a table gives them, limits stand by id, and keys by when they were made."""
    assert [one.id for one in catalogue([{**LIMIT, "sk": "LIMIT#z"}, {**LIMIT, "sk": "LIMIT#a"}]).limits] == ["a", "z"]
    old, new = a_key(id="z" * 12, created_at=NOW - timedelta(days=1)), a_key(id="a" * 12)
    assert read_keys([item_of(new), item_of(old)])[0] == [old, new]


def test_times_are_kept_in_utc() -> None:
    """A time of another zone is the same moment, written in UTC."""
    key = a_key(expires_at=datetime(2027, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))))
    assert to_item(key)["expires_at"] == "2026-12-31T23:00:00+00:00"


@pytest.mark.parametrize(
    ("pattern", "value", "fit"),
    [
        ("*", "", True),
        ("*", "anything\nat all", True),
        ("", "", True),
        ("a", "a", True),
        ("a", "ab", False),
        ("a*", "abc", True),
        ("*c", "abc", True),
        ("*b*", "abc", True),
        ("a*c*e", "abcde", True),
        ("a*c*e", "abcd", False),
        ("a**c", "abc", True),
        ("a.c", "abc", False),
        ("a?c", "abc", False),
        ("[ab]", "a", False),
        ("*ab*ab", "abab", True),
        ("*ab*ab", "ab", False),
        ("a*a", "a", False),
    ],
)
def test_a_star_stands_for_any_characters(pattern: str, value: str, *, fit: bool) -> None:
    """Only the star is special, and it may stand for nothing."""
    assert fits(pattern, value) is fit


@given(st.lists(st.sampled_from(["a", "b", "*"]), max_size=8).map("".join), st.text("ab", max_size=10))
def test_patterns_mean_what_the_plain_reading_says(pattern: str, value: str) -> None:
    """Matching agrees with the definition, worked out by trying every split."""

    def plain(left: str, right: str) -> bool:
        if not left:
            return not right
        if left[0] == "*":
            return any(plain(left[1:], right[at:]) for at in range(len(right) + 1))
        return bool(right) and left[0] == right[0] and plain(left[1:], right[1:])

    assert fits(pattern, value) is plain(pattern, value)


def test_a_hostile_pattern_ends() -> None:
    """A pattern of many stars against a long value that does not fit costs no more than a look at each place."""
    assert not fits("*a" * 100 + "*b", "a" * 2000)  # a matcher that backtracks would not come back


@pytest.mark.parametrize(
    ("models", "model", "allowed"),
    [
        (("*",), "anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        (("anthropic.*",), "us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        (("us.anthropic.*",), "us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        (("us.anthropic.*",), "anthropic.claude-sonnet-4-5-20250929-v1:0", False),
        (("amazon.nova-*", "meta.*"), "us.anthropic.claude-sonnet-4-5-20250929-v1:0", False),
        (("anthropic.*",), PROFILE, False),
        (("*application-inference-profile/abc",), PROFILE, True),
    ],
)
def test_a_use_case_may_call_its_models_only(models: tuple[str, ...], model: str, *, allowed: bool) -> None:
    """The id as called or its foundation model has to fit; an opaque profile is known by its ARN alone."""
    use_case = UseCase(name="chatbot", models=models)
    if allowed:
        permit(use_case, parse(model, "us-east-1"))
        return
    with pytest.raises(AccessDenied, match=r"may not call this model\. It may call: "):
        permit(use_case, parse(model, "us-east-1"))


def test_a_call_without_a_model_needs_no_permit() -> None:
    """Guardrails and lists name no model."""
    permit(UseCase(name="chatbot", models=("amazon.*",)), None)


@given(st.lists(use_cases, min_size=1, max_size=4, unique_by=lambda one: one.name))
def test_a_caller_survives_the_authorizers_context(entries: list[UseCase]) -> None:
    """What the authorizer writes is what the gateway reads, in flat text as API Gateway wants it."""
    by_name = {entry.name: entry for entry in entries}
    key = a_key(use_cases=tuple(by_name), default_use_case=entries[0].name)
    caller = caller_of(key, by_name)
    context = to_context(caller)
    assert all(isinstance(value, str) for value in context.values())
    read = from_context({**context, "principalId": key.id, "integrationLatency": 5})
    assert [(one.name, one.team, one.models) for one in read.use_cases] == [
        (one.name, one.team, one.models) for one in entries
    ]
    assert (read.default, read.key_id) == (caller.default, key.id)
    assert tags_of(read, read.choose(None)) == tags_of(caller, caller.choose(None))


def test_a_context_that_api_gateway_cannot_carry_is_refused() -> None:
    """Use cases whose patterns are too long for the context are an error that says what to do."""
    wide = UseCase(name="wide", models=tuple("m" * 250 for _ in range(30)))
    with pytest.raises(RegistryError, match=f"API Gateway carries {MAX_CONTEXT}: give the key fewer"):
        to_context(Caller(use_cases=(wide,), default="wide", key_id="abcdefghijkl"))


def test_a_default_that_is_gone_is_none() -> None:
    """A key whose default use case is no longer registered has to name another one, and is told which."""
    caller = caller_of(a_key(), {"b": UseCase(name="b")})
    assert caller.choose("b").name == "b"
    with pytest.raises(AccessDenied, match=r"names no use case, and there is no default\. Send .* with one of: b"):
        caller.choose(None)


@pytest.mark.parametrize(
    "changes",
    [
        {"use_cases": tuple(f"u{number}" for number in range(MAX_USE_CASES + 1)), "default_use_case": "u1"},
        {"use_cases": (), "default_use_case": "a"},
        {"expires_at": datetime(2027, 1, 1)},  # noqa: DTZ001 - that it has no zone is the point
    ],
)
def test_a_key_that_cannot_work_is_none(changes: dict[str, Any]) -> None:
    """Too many use cases, none, and times without a zone are refused."""
    with pytest.raises(ValueError, match=r"use_cases|time zone"):
        a_key(**changes)


def test_a_use_case_has_so_many_patterns_at_most() -> None:
    """One more is refused."""
    with pytest.raises(ValueError, match="1 to 32 patterns"):
        UseCase(name="x", models=("m",) * (MAX_PATTERNS + 1))
