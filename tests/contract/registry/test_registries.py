"""What a registry promises, in a DynamoDB table by either client and in a local file."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from tests.contract.limits.stores import REGION, client_of, dynamodb_server, make_table

from bedrock_meter.adapters.dynamoregistry import DynamoRegistry
from bedrock_meter.adapters.fileregistry import FileRegistry, open_file
from bedrock_meter.adapters.localfile import LocalFile
from bedrock_meter.errors import RegistryError
from bedrock_meter.gatekeys import digest
from bedrock_meter.limits import Limit, OnExceed, Period, Subject, Unit
from bedrock_meter.registry import Key, Principal, UseCase
from meterctl.registry.store import Registry

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
CHATBOT = UseCase(name="chatbot", team="support", owner="ada", models=("amazon.nova-*", "*claude*"))
DAILY = Limit(
    id="daily",
    subject=Subject.USE_CASE,
    pattern="chat*",
    unit=Unit.USD,
    period=Period.DAY,
    amount=Decimal("0.000000001"),
    on_exceed=OnExceed.WARN,
)
ROLE = Principal(pattern="arn:aws:iam::123456789012:role/Chat-*", use_cases=("search", "chatbot"))
KEY = Key(
    id="abcdefghijkl",
    secret_sha256=digest("s"),
    use_cases=("chatbot", "search"),
    default_use_case="search",
    expires_at=NOW + timedelta(days=90),
    created_at=NOW,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A registry under test."""

    registry: Registry
    """The registry."""
    put: Callable[[str, str, Mapping[str, Any]], None]
    """Writes an item past the registry: pk, sk, and a mapping of texts."""
    take_away: Callable[[], None]
    """Makes it unusable."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Run one DynamoDB for the module."""
    with dynamodb_server() as running:
        yield running


@pytest.fixture(params=["light", "boto3", "file"])
def opened(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Iterator[Opened]:
    """Give each registry in turn, empty."""
    if request.param == "file":
        with closing(LocalFile(tmp_path / "registry.db")) as file:
            yield Opened(
                registry=FileRegistry(file), put=lambda pk, sk, item: _write(file, pk, sk, item), take_away=file.close
            )
        return
    with closing(client_of(url)) as light:
        table = make_table(light)
        boto = boto3.client(
            "dynamodb", region_name=REGION, endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x"
        )
        with closing(boto):
            send = (
                light.send if request.param == "light" else lambda name, given: getattr(boto, xform_name(name))(**given)
            )
            yield Opened(
                registry=DynamoRegistry(send, table),
                put=lambda pk, sk, item: _put(light.send, table, pk, sk, item),
                take_away=lambda: _ignore(light.send("DeleteTable", {"TableName": table})),
            )


def _write(file: LocalFile, pk: str, sk: str, item: Mapping[str, Any]) -> None:
    with file.write() as items:
        items.put(pk, sk, item)


def _put(send: Callable[..., object], table: str, pk: str, sk: str, item: Mapping[str, Any]) -> None:
    values = {name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in item.items()}
    send("PutItem", {"TableName": table, "Item": {"pk": {"S": pk}, "sk": {"S": sk}, **values}})


def _ignore(_: object) -> None:
    pass


def test_what_was_written_is_read(opened: Opened) -> None:
    """Use cases, limits, principals and keys come back as they were written, to the last digit."""
    registry = opened.registry
    assert registry.catalogue().use_cases == {}
    assert registry.key(KEY.id) is None
    assert registry.keys() == ([], [])
    for entry in (CHATBOT, DAILY, ROLE, KEY):
        assert registry.add(entry)
    catalogue = registry.catalogue()
    assert dict(catalogue.principals) == {ROLE.pattern: ROLE.use_cases}
    assert (dict(catalogue.use_cases), catalogue.limits, catalogue.broken) == ({"chatbot": CHATBOT}, (DAILY,), ())
    assert registry.key(KEY.id) == KEY
    assert registry.keys() == ([KEY], [])


def test_an_entry_is_added_once(opened: Opened) -> None:
    """A second one of the same name is told of and changes nothing; only a replacement does."""
    registry = opened.registry
    assert registry.add(KEY)
    revoked = replace(KEY, revoked_at=NOW)
    assert not registry.add(revoked)
    assert registry.key(KEY.id) == KEY
    registry.replace(revoked)
    assert registry.key(KEY.id) == revoked


def test_a_use_case_and_a_limit_may_share_a_name(opened: Opened) -> None:
    """They do not take each other's place, and one is deleted without the other."""
    registry, limit = opened.registry, replace(DAILY, id="chatbot")
    assert registry.add(CHATBOT)
    assert registry.add(limit)
    registry.remove(CHATBOT)
    registry.remove(CHATBOT)
    assert (dict(registry.catalogue().use_cases), registry.catalogue().limits) == ({}, (limit,))


def test_a_principal_is_replaced_and_deleted(opened: Opened) -> None:
    """Its pattern is its name; the order of its use cases is kept, for the first is the default."""
    registry, swapped = opened.registry, replace(ROLE, use_cases=ROLE.use_cases[::-1])
    assert registry.add(ROLE)
    assert not registry.add(swapped)
    registry.replace(swapped)
    assert registry.catalogue().principals == {ROLE.pattern: ("chatbot", "search")}
    registry.remove(swapped)
    assert registry.catalogue().principals == {}


def test_a_deleted_key_is_gone(opened: Opened) -> None:
    """It is neither found nor listed."""
    opened.registry.add(KEY)
    opened.registry.remove(KEY)
    assert opened.registry.key(KEY.id) is None
    assert opened.registry.keys() == ([], [])


def test_foreign_items_hide_nothing(opened: Opened) -> None:
    """Windows of limits lie in the same place and are no part of it; what is broken is named, and the rest is read."""
    for entry in (CHATBOT, DAILY, KEY):
        opened.registry.add(entry)
    opened.put("LIMIT#daily", "2026-11-23T00:00Z", {"used": "1"})
    opened.put("REGISTRY", "WHATEVER#x", {"a": "b"})
    opened.put("REGISTRY", "LIMIT#wrong", {"amount": 5})
    opened.put("REGISTRY", "PRINCIPAL#arn:aws:iam::1:role/x", {"use_cases": "all"})
    opened.put("REGISTRY", "PRINCIPAL#chatbot", {})
    opened.put("KEY#zzzzzzzzzzzz", "KEY", {"use_cases": "all"})
    opened.put("KEY#zzzzzzzzzzzy", "note", {"text": "of another program"})
    catalogue = opened.registry.catalogue()
    assert (dict(catalogue.use_cases), catalogue.limits) == ({"chatbot": CHATBOT}, (DAILY,))
    assert [str(error).split("'")[3] for error in catalogue.broken] == [
        "LIMIT#wrong",
        "PRINCIPAL#arn:aws:iam::1:role/x",
        "PRINCIPAL#chatbot",
        "WHATEVER#x",
    ]
    keys, broken = opened.registry.keys()
    assert keys == [KEY]
    assert ["zzzzzzzzzzzz" in str(error) for error in broken] == [True]
    with pytest.raises(RegistryError, match="KEY#zzzzzzzzzzzz"):
        opened.registry.key("zzzzzzzzzzzz")
    assert opened.registry.key("zzzzzzzzzzzy") is None


def test_a_large_registry_is_read_whole(opened: Opened) -> None:
    """However many pages it takes: the entries are more than a megabyte, which is DynamoDB's page."""
    wide = tuple(f"{number}{'m' * 250}" for number in range(32))
    for number in range(150):
        opened.registry.add(UseCase(name=f"u{number:03}", models=wide))
    assert len(opened.registry.catalogue().use_cases) == 150


def test_a_registry_that_cannot_be_used_says_so(opened: Opened) -> None:
    """Every method fails with one kind of error, whatever lies below."""
    opened.take_away()
    calls: list[Callable[[], object]] = [
        opened.registry.catalogue,
        opened.registry.keys,
        lambda: opened.registry.key(KEY.id),
        lambda: opened.registry.add(KEY),
        lambda: opened.registry.replace(KEY),
        lambda: opened.registry.remove(KEY),
    ]
    for call in calls:
        with pytest.raises(RegistryError):
            call()


def test_a_file_of_another_program_is_no_registry(tmp_path: Path) -> None:
    """A text file, another program's database and a folder are refused by name, and left as they are."""
    text, database = tmp_path / "text", tmp_path / "other.db"
    text.write_text("not a database at all, but long enough to look at" * 20)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    for path in (text, database, tmp_path):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(RegistryError, match="registry file"):
            open_file(path)
        assert (path.read_bytes() if path.is_file() else b"") == before
