"""The registry in a local file, for ``meterctl serve``: the items of the DynamoDB table, in SQLite."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bedrock_meter.adapters.localfile import LocalFile
from bedrock_meter.errors import RegistryError
from bedrock_meter.items import (
    CATALOGUE_PK,
    KEY_PREFIX,
    KEY_SK,
    Catalogue,
    Entry,
    catalogue,
    from_item,
    place,
    place_of_key,
    read_keys,
    to_item,
)
from bedrock_meter.registry import Key


def open_file(path: str | Path) -> LocalFile:
    """Open a registry file, which is made when it is missing.

    Raises:
        RegistryError: It cannot be opened, or is none.
    """
    with _told():
        return LocalFile(path)


class FileRegistry:
    """The registry in one file. Safe to share between threads. Every method raises `RegistryError` when the file fails.

    Args:
        file: The file, which may hold the counters of the limits too.
    """

    def __init__(self, file: LocalFile) -> None:
        self._file = file

    def catalogue(self) -> Catalogue:
        """Read the use cases, principals and limits."""
        with _told(), self._file.read() as items:
            return catalogue({"pk": CATALOGUE_PK, "sk": sk, **item} for sk, item in items.query(CATALOGUE_PK))

    def key(self, key_id: str) -> Key | None:
        """Read one key; None when there is none."""
        pk, sk = place_of_key(key_id)
        with _told(), self._file.read() as items:
            item = items.get(pk, sk)
        entry = None if item is None else from_item({"pk": pk, "sk": sk, **item})
        return entry if isinstance(entry, Key) else None

    def keys(self) -> tuple[Sequence[Key], Sequence[RegistryError]]:
        """Read all keys, and an error for each that cannot be read."""
        with _told(), self._file.read() as items:
            found = [{"pk": pk, "sk": sk, **item} for pk, sk, item in items.scan(KEY_PREFIX) if sk == KEY_SK]
        return read_keys(found)

    def add(self, entry: Entry) -> bool:
        """Write a new entry; tell whether there was none of its name."""
        pk, sk = place(entry)
        with _told(), self._file.write() as items:
            if items.get(pk, sk) is not None:
                return False
            items.put(pk, sk, to_item(entry))
        return True

    def replace(self, entry: Entry) -> None:
        """Write an entry, whether there is one of its name or not."""
        with _told(), self._file.write() as items:
            items.put(*place(entry), to_item(entry))

    def remove(self, entry: Entry) -> None:
        """Delete an entry; harmless when it is gone."""
        with _told(), self._file.write() as items:
            items.delete(*place(entry))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, ValueError) as error:
        raise RegistryError(f"the registry file cannot be used: {error}") from error
