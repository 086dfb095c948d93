"""One file for registry and counters, where there is no DynamoDB: SQLite, shared by threads and processes.

It has one table, laid out as the DynamoDB table is: an item has a partition key ``pk``, a sort key ``sk``, and the rest
as a JSON object. Money and counts stand in it as decimal text.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

TIMEOUT_SECONDS = 2.0
"""How long a writer waits for another process that is writing."""

_LAYOUT = 1
_APPLICATION = 0x62656D65  # "beme": tells our files from other SQLite files
_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    pk TEXT NOT NULL, sk TEXT NOT NULL, expires INTEGER, body TEXT NOT NULL, PRIMARY KEY (pk, sk)
) WITHOUT ROWID
"""


class Items:
    """The items of a file, within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, pk: str, sk: str) -> dict[str, Any] | None:
        """Give one item, without its keys; None when there is none."""
        row = self._connection.execute("SELECT body FROM items WHERE pk = ? AND sk = ?", (pk, sk)).fetchone()
        return None if row is None else json.loads(row[0])

    def query(self, pk: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give all items of a partition with their sort keys, in the order of these."""
        for sk, body in self._connection.execute("SELECT sk, body FROM items WHERE pk = ? ORDER BY sk", (pk,)):
            yield sk, json.loads(body)

    def scan(self, prefix: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Give all items whose partition key begins so, with their keys and in the order of these."""
        bounds = prefix, prefix + chr(0x10FFFF)
        rows = "SELECT pk, sk, body FROM items WHERE pk >= ? AND pk < ? ORDER BY pk, sk"
        for pk, sk, body in self._connection.execute(rows, bounds):
            yield pk, sk, json.loads(body)

    def put(self, pk: str, sk: str, item: Mapping[str, Any], *, expires: int | None = None) -> None:
        """Write one item whole.

        Args:
            pk: Its partition key.
            sk: Its sort key.
            item: The rest.
            expires: From when on it may be deleted, in seconds since 1970; None for never.
        """
        self._connection.execute(
            "INSERT OR REPLACE INTO items (pk, sk, expires, body) VALUES (?, ?, ?, ?)",
            (pk, sk, expires, json.dumps(item)),
        )

    def delete(self, pk: str, sk: str) -> None:
        """Delete one item, if it is there."""
        self._connection.execute("DELETE FROM items WHERE pk = ? AND sk = ?", (pk, sk))

    def expire(self, now: int) -> None:
        """Delete the items that may be deleted, as DynamoDB does by itself."""
        self._connection.execute("DELETE FROM items WHERE expires < ?", (now,))


class LocalFile:
    """A registry file. Safe to share between threads; several processes may have it open.

    Args:
        path: The file; it is made when it is missing.
        timeout: How long a writer waits for another process that is writing, in seconds.

    Raises:
        sqlite3.Error: It cannot be opened.
        ValueError: It is the file of another program, or of a later version of this one.
    """

    def __init__(self, path: str | Path, *, timeout: float = TIMEOUT_SECONDS) -> None:
        # One connection behind a lock: a transaction takes some ten microseconds, so threads need no more than that.
        self._connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
        self._lock = Lock()
        try:
            self._prepare(path)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, path: str | Path) -> None:
        connection = self._connection
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        layout = connection.execute("PRAGMA user_version").fetchone()[0]
        used = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if (application, layout) != (_APPLICATION, _LAYOUT) and (used or application or layout):
            raise ValueError(f"{path} is a SQLite file, but not a registry of this version of bedrock-meter")
        connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for a writer
        connection.execute("PRAGMA synchronous = NORMAL")
        with self.write():
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_LAYOUT}")

    @contextmanager
    def write(self) -> Iterator[Items]:
        """Open a transaction that no other writer comes into; it is undone when the block raises."""
        with self._transaction("BEGIN IMMEDIATE") as items:
            yield items

    @contextmanager
    def read(self) -> Iterator[Items]:
        """Open a transaction that sees one state of the file and does not change it."""
        with self._transaction("BEGIN DEFERRED") as items:
            yield items

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Items]:
        with self._lock:
            self._connection.execute(begin)
            try:
                yield Items(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                # A commit that failed, on a full disk, leaves it open, and none could be begun after it; an error of
                # the disk may have undone it already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
