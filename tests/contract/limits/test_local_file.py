"""The local file: shared by processes, never mistaken for another, and free of what has run out."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.builders import an_ask

from bedrock_meter.adapters.localfile import LocalFile
from bedrock_meter.adapters.sqlite import SqliteLimitStore
from bedrock_meter.errors import LimitStoreError
from bedrock_meter.limits import Counter, Settlement


def test_two_processes_share_their_counters(tmp_path: Path) -> None:
    """What one opening of the file holds, another one sees at once."""
    path = tmp_path / "meter.db"
    with closing(LocalFile(path)) as first, closing(LocalFile(path)) as second:
        assert SqliteLimitStore(first).hold([an_ask("0.7")]) is None
        assert SqliteLimitStore(second).hold([an_ask("0.7")]) is not None
        SqliteLimitStore(second).settle(Settlement(ask=an_ask("0.7"), spent=Decimal("0.1")))
        assert SqliteLimitStore(first).hold([an_ask("0.7")]) is None


def test_counters_outlive_the_process(tmp_path: Path) -> None:
    """A restart gives nothing back: what was held stays held."""
    with closing(LocalFile(tmp_path / "meter.db")) as file:
        assert SqliteLimitStore(file).hold([an_ask("0.7")]) is None
    with closing(LocalFile(tmp_path / "meter.db")) as file:
        assert SqliteLimitStore(file).read([an_ask()]) == [Counter(used=Decimal("0.7"), spent=Decimal(0))]


def test_a_writer_that_waits_too_long(tmp_path: Path) -> None:
    """While another process writes, a hold waits for a while and then cannot be made."""
    path = tmp_path / "meter.db"
    with closing(LocalFile(path)) as first, closing(LocalFile(path, timeout=0.05)) as second:
        with first.write(), pytest.raises(LimitStoreError, match="cannot be used"):
            SqliteLimitStore(second).hold([an_ask()])
        assert SqliteLimitStore(second).hold([an_ask()]) is None


@pytest.mark.parametrize(
    "item", [{}, {"used": "x", "spent": "0"}, {"used": "NaN", "spent": "0"}, {"used": [], "spent": 1}]
)
def test_a_foreign_item(tmp_path: Path, item: dict[str, object]) -> None:
    """What is no counter is told of as a fault, and stays as it is."""
    with closing(LocalFile(tmp_path / "meter.db")) as file:
        with file.write() as items:
            items.put("LIMIT#all-day", "2026-11-23T00:00Z", item)
        store = SqliteLimitStore(file)
        with pytest.raises(LimitStoreError):
            store.hold([an_ask()])
        with pytest.raises(LimitStoreError):
            store.read([an_ask()])
        with file.read() as items:
            assert items.get("LIMIT#all-day", "2026-11-23T00:00Z") == item


def test_the_files_of_others_are_left_alone(tmp_path: Path) -> None:
    """A SQLite file of another program, a later layout, and a file that is none are refused and not changed."""
    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE mine (x)")
        connection.commit()
    with pytest.raises(ValueError, match="not a registry"):
        LocalFile(foreign)
    with closing(sqlite3.connect(foreign)) as connection:
        assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["mine"]

    later = tmp_path / "later.db"
    LocalFile(later).close()
    with closing(sqlite3.connect(later)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ValueError, match="not a registry"):
        LocalFile(later)

    text = tmp_path / "text.db"
    text.write_text("this is no database at all, whatever it is called " * 20)
    with pytest.raises(sqlite3.DatabaseError):
        LocalFile(text)


def test_windows_that_are_over_go(tmp_path: Path) -> None:
    """When a new window begins, those that ended days ago are deleted, and entries without an end are not."""
    today = an_ask()
    later = replace(today, window="2026-12-23T00:00Z", resets_at=today.resets_at + timedelta(days=30))
    with closing(LocalFile(tmp_path / "meter.db")) as file:
        store = SqliteLimitStore(file)
        with file.write() as items:
            items.put("REGISTRY", "x", {"kept": True})
        store.hold([today])
        store.hold([later])
        with file.read() as items:
            assert [sk for sk, _ in items.query("LIMIT#all-day")] == ["2026-12-23T00:00Z"]
            assert items.get("REGISTRY", "x") == {"kept": True}


def test_a_transaction_that_raises_is_undone(tmp_path: Path) -> None:
    """Nothing of a block that raises is written, and the file can be used again."""
    with closing(LocalFile(tmp_path / "meter.db")) as file:
        with pytest.raises(ZeroDivisionError), file.write() as items:
            items.put("a", "b", {"x": 1 // 0})
        with file.write() as items:
            assert items.get("a", "b") is None
            items.put("a", "b", {"x": 1})
            items.delete("a", "b")
            assert list(items.query("a")) == []


def test_a_commit_that_fails_is_undone(tmp_path: Path) -> None:
    """A transaction that cannot be ended is taken back, so that the next one is not refused for ever."""
    with closing(LocalFile(tmp_path / "meter.db")) as file:
        store, connection = SqliteLimitStore(file), file._connection  # noqa: SLF001 - nothing else can make a commit fail

        def full(action: int, name: str | None, *_: str | None) -> int:
            ends = action == sqlite3.SQLITE_TRANSACTION and name == "COMMIT"
            return sqlite3.SQLITE_DENY if ends else sqlite3.SQLITE_OK

        connection.set_authorizer(full)
        with pytest.raises(LimitStoreError):
            store.hold([an_ask("0.7")])
        connection.set_authorizer(None)
        assert store.hold([an_ask("0.7")]) is None
        assert store.read([an_ask()]) == [Counter(used=Decimal("0.7"), spent=Decimal(0))]
