"""Gateway keys: how they are made, how they are shown, and what opens."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_meter import gatekeys
from bedrock_meter.errors import AccessDenied, RegistryError
from bedrock_meter.gatekeys import SEED_BYTES, admit, digest, mint, shown, text_of
from bedrock_meter.registry import KEY_TEXT, Key

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
KEY_ID, SECRET = mint(bytes(range(SEED_BYTES)))
TEXT = text_of(KEY_ID, SECRET)
FULLWIDTH_A, FULLWIDTH_ONE = chr(0xFF41), chr(0xFF11)
OTHER_ID, OTHER_SECRET = mint(bytes(reversed(range(SEED_BYTES))))


def a_key(**changes: Any) -> Key:
    """Make the key that `TEXT` opens."""
    usual: dict[str, Any] = {
        "id": KEY_ID,
        "secret_sha256": digest(SECRET),
        "use_cases": ("chatbot",),
        "default_use_case": "chatbot",
        "created_at": NOW,
    }
    return Key(**(usual | changes))


def finding(*keys: Key) -> Callable[[str], Key | None]:
    """Give a registry that has these keys."""
    return {key.id: key for key in keys}.get


@given(st.binary(min_size=SEED_BYTES, max_size=SEED_BYTES))
def test_every_seed_makes_a_key_that_opens(seed: bytes) -> None:
    """A key's text has the form of one, its hash is that of its secret, and it opens."""
    key_id, secret = mint(seed)
    assert KEY_TEXT.fullmatch(text_of(key_id, secret))
    key = a_key(id=key_id, secret_sha256=hashlib.sha256(secret.encode()).hexdigest())
    assert admit(text_of(key_id, secret), finding(key), NOW) == key


@pytest.mark.parametrize("size", [0, SEED_BYTES - 1, SEED_BYTES + 1])
def test_a_seed_of_another_size_makes_no_key(size: int) -> None:
    """Too little randomness is refused and not made up for."""
    with pytest.raises(ValueError, match="40 random bytes"):
        mint(bytes(size))


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TEXT}"},
        {"authorization": f"bearer {TEXT}"},
        {"authorization": f"  BEARER   {TEXT}  "},
        {"x-api-key": TEXT},
        {"x-api-key": f" {TEXT} "},
        {"authorization": f"Bearer {TEXT}", "x-api-key": "something else"},
    ],
)
def test_a_key_is_found_in_either_header(headers: dict[str, str]) -> None:
    """Authorization with the scheme Bearer, or x-api-key; the former alone counts where both are sent."""
    assert shown(headers) == TEXT


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, gatekeys.NO_KEY),
        ({"authorization": ""}, gatekeys.NO_KEY),
        ({"authorization": "   "}, gatekeys.NO_KEY),
        ({"authorization": "Bearer"}, gatekeys.NO_KEY),
        ({"authorization": "Bearer   "}, gatekeys.NO_KEY),
        ({"x-api-key": ""}, gatekeys.NO_KEY),
        ({"authorization": "", "x-api-key": TEXT}, gatekeys.NO_KEY),
        ({"authorization": f"Bearer {TEXT},Bearer {TEXT}"}, gatekeys.SEVERAL),
        ({"authorization": f"Bearer {TEXT}, Basic abc"}, gatekeys.SEVERAL),
        ({"x-api-key": f"{TEXT},{TEXT}"}, gatekeys.SEVERAL),
        ({"authorization": TEXT}, gatekeys.NO_BEARER),
        ({"authorization": f"Basic {TEXT}"}, gatekeys.NO_BEARER),
        ({"authorization": f"Bearer\t{TEXT}"}, gatekeys.NO_BEARER),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20261123/us-east-1/bedrock"}, gatekeys.NO_BEARER),
        ({"authorization": "Basic abc", "x-api-key": TEXT}, gatekeys.NO_BEARER),
    ],
)
def test_no_key_is_found(headers: dict[str, str], says: str) -> None:
    """A missing, empty or doubled header and another scheme have an answer each; nothing falls back to x-api-key."""
    with pytest.raises(AccessDenied) as denied:
        shown(headers)
    assert denied.value.message == says


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bm-",
        TEXT[:-1],
        TEXT[: len(TEXT) // 2],
        TEXT + "x",
        TEXT.upper(),
        TEXT.replace("bm-", "ab-"),
        f"{TEXT}\n",
        f"{TEXT}\r\nx-injected: 1",
        f"{TEXT}\0",
        TEXT.replace(SECRET, "ü" * 43),
        f"bm-{FULLWIDTH_A * 12}-{SECRET}",
        f"bm-{KEY_ID}-{FULLWIDTH_ONE * 43}",
        "k" * 10_240,
        f"bm-{KEY_ID}-{SECRET * 240}",
        "\ud800",
        f"bm-{OTHER_ID}-{OTHER_SECRET}",
        f"bm-{OTHER_ID}-{SECRET}",
        f"bm-{KEY_ID}-{OTHER_SECRET}",
    ],
)
def test_what_is_no_key_and_who_is_unknown_get_the_same_answer(text: str) -> None:
    """Malformed, cut, long and foreign texts, an unknown id and a wrong secret cannot be told apart by the answer."""
    with pytest.raises(AccessDenied) as denied:
        admit(text, finding(a_key()), NOW)
    assert denied.value.message == gatekeys.NOT_VALID
    assert (denied.value.code, denied.value.http_status) == ("AccessDeniedException", 403)


@given(st.text(max_size=200))
def test_any_text_is_answered(text: str) -> None:
    """Whatever is shown, the answer is a denial and no other error, and the text is not repeated in it."""
    with pytest.raises(AccessDenied) as denied:
        admit(text, finding(a_key()), NOW)
    assert denied.value.message == gatekeys.NOT_VALID


def test_a_long_text_is_not_looked_up() -> None:
    """What cannot be a key costs the registry nothing."""
    asked: list[str] = []
    for text in ("k" * 10_240, "bm-short", ""):
        with pytest.raises(AccessDenied):
            admit(text, asked.append, NOW)
    assert asked == []


def test_an_unknown_id_is_compared_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret is hashed and compared in constant time whether the id is known or not."""
    compared: list[tuple[str, str]] = []
    really = hmac.compare_digest

    def compare(left: str, right: str) -> bool:
        compared.append((left, right))
        return really(left, right)

    monkeypatch.setattr("bedrock_meter.gatekeys.hmac.compare_digest", compare)
    for keys in ((), (a_key(secret_sha256=digest(OTHER_SECRET)),)):
        with pytest.raises(AccessDenied):
            admit(TEXT, finding(*keys), NOW)
    assert [left for left, _ in compared] == [digest(SECRET)] * 2
    assert all(len(right) == 64 for _, right in compared)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"expires_at": NOW}, gatekeys.EXPIRED),
        ({"expires_at": NOW - timedelta(days=1)}, gatekeys.EXPIRED),
        ({"revoked_at": NOW}, gatekeys.REVOKED),
        ({"revoked_at": NOW - timedelta(days=1), "expires_at": NOW - timedelta(days=2)}, gatekeys.REVOKED),
    ],
)
def test_an_expired_or_revoked_key_opens_nothing(changes: dict[str, Any], says: str) -> None:
    """From its very time on it is denied, and whoever has its secret is told why."""
    with pytest.raises(AccessDenied) as denied:
        admit(TEXT, finding(a_key(**changes)), NOW)
    assert denied.value.message == says
    with pytest.raises(AccessDenied) as denied:
        admit(text_of(KEY_ID, OTHER_SECRET), finding(a_key(**changes)), NOW)
    assert denied.value.message == gatekeys.NOT_VALID


def test_a_key_opens_until_its_time() -> None:
    """A key that is being rotated or will expire opens up to that moment."""
    later = NOW + timedelta(microseconds=1)
    key = a_key(expires_at=later, revoked_at=later)
    assert admit(TEXT, finding(key), NOW) == key


def test_a_registry_that_fails_lets_nobody_in() -> None:
    """The registry's error passes through; it is never taken for an unknown key or a good one."""

    def down(_: str) -> None:
        raise RegistryError("down")

    with pytest.raises(RegistryError):
        admit(TEXT, down, NOW)


def test_messages_hold_no_key() -> None:
    """None of the answers has a place for what was shown."""
    for message in (gatekeys.NO_KEY, gatekeys.SEVERAL, gatekeys.NO_BEARER, gatekeys.NOT_VALID, gatekeys.EXPIRED):
        assert "{" not in message
        assert KEY_ID not in message
