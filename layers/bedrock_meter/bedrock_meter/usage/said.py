"""What a stream has said so far, kept only until its counts arrive: the matter of an estimate if they never do.

It is held in memory for the life of one call and goes into no record, log or error; only its length in tokens does. It
is bounded, and what is beyond the bound counts in proportion.
"""

import json
from collections.abc import Iterator
from typing import Any

MAX_KEPT = 256 * 1024
"""Bytes of documents that are kept: some 10,000 tokens in small pieces, enough of a sample of any longer answer."""

# Members whose text a model wrote, in the words of every family and route.
_WRITTEN = frozenset(
    {"text", "thinking", "partial_json", "input", "content", "reasoning_content", "reasoning", "refusal", "arguments"}
    | {"delta", "outputText", "generation", "completion"}
)


class Said:
    """Collects the documents that hold pieces of an answer."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._size = 0
        self._kept_size = 0

    def add(self, document: bytes) -> None:
        """Take a document, as bytes; it is looked into only when somebody asks."""
        self._size += len(document)
        if self._size <= MAX_KEPT:
            self._kept.append(document)
            self._kept_size = self._size

    def forget(self) -> None:
        """Let go of it: the counts are known."""
        self._kept.clear()
        self._size = self._kept_size = 0

    def __bool__(self) -> bool:
        """Tell whether anything was said."""
        return bool(self._kept)

    def text(self) -> tuple[str, float]:
        """Give what was said, as far as it was kept, and by how much longer all of it was (1.0 when all was kept)."""
        text = "".join(piece for document in self._kept for piece in _written(_parsed(document)))
        return text, self._size / self._kept_size if self._kept_size else 1.0


def _parsed(document: bytes) -> Any:
    try:
        return json.loads(document)
    except (ValueError, RecursionError):
        return None


def _written(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, str):
        if key in _WRITTEN:
            yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _written(member, name)
    elif isinstance(value, list):
        for member in value:
            yield from _written(member, key)
