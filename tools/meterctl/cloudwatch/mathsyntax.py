"""Metric math, read into a tree.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from meterctl.cloudwatch.errors import refuse
from meterctl.cloudwatch.scanner import Scanner

MAX_LENGTH = 2048
_MAX_DEPTH = 50
"""Of parentheses, calls and arrays; far more than an expression of 2048 characters means in earnest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """``100``."""

    value: float
    """Itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """``'Sum'`` or ``"errors"``."""

    text: str
    """Without the quotes, escaped quotes of its own kind unescaped."""
    position: int
    """Where the text begins, after the quote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """``REPEAT``, ``DESC``: an argument that is a word."""

    word: str
    """In upper case."""
    position: int
    """Where it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """``m1``: the result of another query."""

    id: str
    """Its id."""
    position: int
    """Where it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """``[m1, m2]``."""

    items: tuple["Node", ...]
    """Its members."""
    position: int
    """Where it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """``SUM(…)``."""

    name: str
    """The function."""
    arguments: tuple["Node", ...]
    """What it is given."""
    position: int
    """Where it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Negation:
    """``-m1``."""

    operand: "Node"
    """What is negated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """``m1 / m2``."""

    operator: str
    """One of ``+ - * / ^ == != <= >= < > AND OR``."""
    left: "Node"
    """The left side."""
    right: "Node"
    """The right side."""
    position: int
    """Where the operator stands."""


type Node = Number | Text | Word | Ref | Array | Call | Negation | Operation

_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_SINGLE = re.compile(r"'((?:[^'\\]|\\.)*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"')
_FUNCTION = re.compile(r"([A-Z][A-Z0-9_]*)\s*\(")
_WORD = re.compile(r"[A-Z][A-Z0-9_]*\b")
_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_LEVELS: tuple[dict[re.Pattern[str], str], ...] = (
    {re.compile(r"OR\b|\|\|"): "OR"},
    {re.compile(r"AND\b|&&"): "AND"},
    {
        re.compile(re.escape(sign) + ("(?!=)" if sign in "<>" else "")): sign
        for sign in ("==", "!=", "<=", ">=", "<", ">")
    },
    {re.compile(r"\+"): "+", re.compile("-"): "-"},
    {re.compile(r"\*"): "*", re.compile("/"): "/"},
)
"""Operators by precedence, the weakest first."""


def parse(text: str) -> Node:
    """Read an expression.

    Raises:
        QueryError: If it is none; the message tells the position and what was found there.
    """
    if len(text) > MAX_LENGTH:
        refuse(f"the expression has {len(text)} characters, CloudWatch takes {MAX_LENGTH}")
    parser = _Parser(Scanner(text))
    return parser.whole()


def references(node: Node) -> Iterator[Ref]:
    """Give every reference to another query, in the order of the text."""
    match node:
        case Ref():
            yield node
        case Array(items=children) | Call(arguments=children):
            for child in children:
                yield from references(child)
        case Negation(operand=operand):
            yield from references(operand)
        case Operation(left=left, right=right):
            yield from references(left)
            yield from references(right)
        case _:
            pass


class _Parser:
    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._depth = 0

    def whole(self) -> Node:
        node = self._level(0)
        self._scanner.expect_end()
        return node

    def _level(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._signed()
        node = self._level(level + 1)
        while found := self._operator(level):
            operator, position = found
            node = Operation(operator=operator, left=node, right=self._level(level + 1), position=position)
        return node

    def _operator(self, level: int) -> tuple[str, int] | None:
        position = self._scanner.position
        for pattern, operator in _LEVELS[level].items():
            if self._scanner.take(pattern):
                return operator, position
        return None

    def _signed(self) -> Node:
        if self._scanner.take_text("-"):
            return Negation(operand=self._deeper(self._signed))
        return self._power()

    def _power(self) -> Node:
        base, position = self._primary(), self._scanner.position
        if self._scanner.take_text("^"):
            return Operation(operator="^", left=base, right=self._deeper(self._signed), position=position)
        return base

    def _deeper(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            refuse(f"the expression is nested more than {_MAX_DEPTH} deep", self._scanner.position)
        node = read()
        self._depth -= 1
        return node

    def _primary(self) -> Node:
        position = self._scanner.position
        if number := self._scanner.take(_NUMBER):
            return Number(value=float(number[0]))
        if self._scanner.take_text("("):
            node = self._deeper(lambda: self._level(0))
            self._scanner.expect_text(")")
            return node
        if self._scanner.take_text("["):
            return Array(items=self._list("]"), position=position)
        if function := self._scanner.take(_FUNCTION):
            return Call(name=function[1], arguments=self._list(")"), position=position)
        if reference := self._scanner.take(_ID):
            return Ref(id=reference[0], position=position)
        return self._literal(position)

    def _literal(self, position: int) -> Node:
        for pattern, quote in ((_SINGLE, "'"), (_DOUBLE, '"')):
            if text := self._scanner.take(pattern):
                return Text(text=text[1].replace(f"\\{quote}", quote), position=position + 1)
        if word := self._scanner.take(_WORD):
            return Word(word=word[0], position=position)
        return self._scanner.fail("a metric, a number or a function (in upper case)")

    def _list(self, end: str) -> tuple[Node, ...]:
        if self._scanner.take_text(end):
            return ()
        items = [self._deeper(lambda: self._level(0))]
        while self._scanner.take_text(","):
            items.append(self._deeper(lambda: self._level(0)))
        self._scanner.expect_text(end)
        return tuple(items)
