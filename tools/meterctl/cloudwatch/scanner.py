"""Reads a query from left to right, and knows where it is when something is wrong."""

import re
from typing import NoReturn

from meterctl.cloudwatch.errors import QueryError

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"\w+|\S")


class Scanner:
    """A text and a place in it. White space between words is skipped.

    Args:
        text: What is read.
        offset: Where the text begins within the whole query, for the positions in errors.
    """

    def __init__(self, text: str, *, offset: int = 0) -> None:
        self._text = text
        self._offset = offset
        self._at = 0
        self._skip()

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    @property
    def position(self) -> int:
        """Where the next word begins, within the whole query."""
        return self._offset + self._at

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self._at == len(self._text)

    def peek(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Look whether the next word has a form, and stay in front of it."""
        return pattern.match(self._text, self._at)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Read the next word if it has a form; else stay."""
        match = self.peek(pattern)
        if match:
            self._at = match.end()
            self._skip()
        return match

    def take_text(self, *texts: str) -> str | None:
        """Read one of some signs if it comes next; longer ones first if they begin alike."""
        for text in texts:
            if self._text.startswith(text, self._at):
                self._at += len(text)
                self._skip()
                return text
        return None

    def expect(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        """Read the next word, which must have a form."""
        return self.take(pattern) or self.fail(what)

    def expect_text(self, text: str) -> None:
        """Read a sign that must come next."""
        if self.take_text(text) is None:
            self.fail(repr(text))

    def expect_end(self) -> None:
        """Make sure that nothing is left."""
        if not self.ended:
            self.fail("the end")

    def fail(self, expected: str) -> NoReturn:
        """Refuse the next word."""
        word = _WORD.match(self._text, self._at)
        found = repr(word[0]) if word else "the end"
        raise QueryError(f"found {found} where {expected} should be", position=self.position)
