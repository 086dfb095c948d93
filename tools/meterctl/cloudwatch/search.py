"""SEARCH expressions: which metrics one finds.

The grammar, the tokens and the rules for partial and exact matches are those of
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from meterctl.cloudwatch.errors import refuse
from meterctl.cloudwatch.model import Metric
from meterctl.cloudwatch.scanner import Scanner

MAX_LENGTH = 1024

type Test = Callable[[Metric], bool]
type Term = Callable[[str], bool]
"""Whether one string (a name or a value) is what a word of the search means."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BARE = re.compile(r"[^\s\"'(){}=,\\]+")
_SCHEMA_NAME = re.compile(r"[\w./#:-]+")
_BOOLEAN = re.compile(r"(?:AND|OR|NOT)(?![^\s\"'(){}=,\\])")
_EQUALS = re.compile(r"=")
_ESCAPED = re.compile(r"\\(.)")
_BARE_PARENTHESIS = re.compile(r"(?:[^()\\]|\\.)*[()]")
_ATOM = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_BETWEEN = re.compile(r"[^A-Za-z0-9]+")
_ACCOUNT = ":aws."


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search that was understood."""

    namespace: str | None
    """The namespace of the schema; None without a schema."""
    dimensions: frozenset[str]
    """The dimension names of the schema."""
    test: Test
    """The search term."""

    def find(self, metrics: Iterable[Metric]) -> list[Metric]:
        """Give the metrics that match, in the order in which they come.

        Raises:
            QueryError: If the schema names a namespace and no dimension, and metrics with dimensions match. AWS does
                not document whether they are found; here no answer is better than a doubtful one.
        """
        found = [metric for metric in metrics if self.namespace in (None, metric.namespace) and self.test(metric)]
        if self.namespace is None:
            return found
        if not self.dimensions and any(metric.dimensions for metric in found):
            refuse(
                f"the schema {{{self.namespace}}} names no dimension: name the whole dimension set, "
                f'or write Namespace="{self.namespace}"'
            )
        return [metric for metric in found if metric.keys == self.dimensions]


def parse(text: str, *, offset: int = 0) -> Search:
    """Read a search: what stands between the single quotes of ``SEARCH('…', 'Sum')``.

    Args:
        text: The search, with the escapes of the expression taken out.
        offset: Where it begins within the expression.

    Raises:
        QueryError: If it is not a search.
    """
    if len(text) > MAX_LENGTH:
        refuse(f"the search has {len(text)} characters, CloudWatch takes {MAX_LENGTH}", offset)
    scanner = Scanner(text, offset=offset)
    schema = _schema(scanner)
    if schema:
        scanner.take_text(",")
    elif scanner.ended:
        scanner.fail("a schema or a search term")
    test = _any_of(scanner) if not scanner.ended else _everything
    scanner.expect_end()
    return Search(namespace=schema[0] if schema else None, dimensions=frozenset((schema or [])[1:]), test=test)


def _everything(_: Metric) -> bool:
    return True


def _schema(scanner: Scanner) -> list[str] | None:
    if not scanner.take_text("{"):
        return None
    names = [_schema_name(scanner)]
    while scanner.take_text(","):
        names.append(_schema_name(scanner))
    scanner.expect_text("}")
    return names


def _schema_name(scanner: Scanner) -> str:
    if quoted := scanner.take(_QUOTED):
        return _unescaped(quoted[1])
    return scanner.expect(_SCHEMA_NAME, "a namespace or dimension name")[0]


def _any_of(scanner: Scanner) -> Test:
    tests = [_all_of(scanner)]
    while _boolean(scanner, "OR"):
        tests.append(_all_of(scanner))
    return tests[0] if len(tests) == 1 else lambda metric: any(test(metric) for test in tests)


def _all_of(scanner: Scanner) -> Test:
    tests = [_negated(scanner)]
    while not scanner.ended and not scanner.peek(re.compile(r"\)")) and not _is_boolean(scanner, "OR"):
        _boolean(scanner, "AND")
        tests.append(_negated(scanner))
    return tests[0] if len(tests) == 1 else lambda metric: all(test(metric) for test in tests)


def _negated(scanner: Scanner) -> Test:
    if _boolean(scanner, "NOT"):
        test = _negated(scanner)
        return lambda metric: not test(metric)
    return _factor(scanner)


def _factor(scanner: Scanner) -> Test:
    if scanner.take_text("("):
        test = _any_of(scanner)
        scanner.expect_text(")")
        return test
    position = scanner.position
    quoted = scanner.peek(_QUOTED) is not None
    word = _word(scanner)
    if scanner.take(_EQUALS):
        return _property(scanner, word, position)
    term = _term(word, position=position, exact=quoted)
    return lambda metric: any(term(text) for text in _texts(metric))


def _texts(metric: Metric) -> tuple[str, ...]:
    pairs = (text for pair in metric.dimensions for text in pair)
    return (metric.namespace, metric.name, *pairs)


def _property(scanner: Scanner, name: str, position: int) -> Test:
    """Read ``Name=value``, ``Name="value"`` or ``Name=("a" OR "b")``."""
    if name.startswith(_ACCOUNT):
        refuse(f"{name} is not supported: the local CloudWatch has one account", position)
    term = _terms(scanner)

    def test(metric: Metric) -> bool:
        value = {"MetricName": metric.name, "Namespace": metric.namespace}.get(name) or metric.value(name)
        return value is not None and term(value)

    return test


def _terms(scanner: Scanner) -> Term:
    if not scanner.take_text("("):
        return _value(scanner)
    terms = [_value(scanner)]
    while _boolean(scanner, "OR"):
        terms.append(_value(scanner))
    scanner.expect_text(")")
    return lambda text: any(term(text) for term in terms)


def _value(scanner: Scanner) -> Term:
    position, exact = scanner.position, scanner.peek(_QUOTED) is not None
    return _term(_word(scanner), position=position, exact=exact)


def _word(scanner: Scanner) -> str:
    position = scanner.position
    if quoted := scanner.take(_QUOTED):
        # The guide demands it: without the backslash it is not said what happens.
        if _BARE_PARENTHESIS.match(quoted[1]):
            refuse("a parenthesis in quotes has no backslash before it", position)
        return _unescaped(quoted[1])
    if scanner.peek(_BOOLEAN):
        scanner.fail("a search word")
    return scanner.expect(_BARE, "a search word")[0]


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _is_boolean(scanner: Scanner, word: str) -> bool:
    found = scanner.peek(_BOOLEAN)
    return found is not None and found[0] == word


def _boolean(scanner: Scanner, word: str) -> bool:
    return _is_boolean(scanner, word) and scanner.take(_BOOLEAN) is not None


def tokens(text: str) -> list[str]:
    """Split a name into the tokens that CloudWatch makes of it: the whole first, then the parts, in lower case."""
    whole = "".join(_BETWEEN.split(text)).lower()
    parts = [atom.lower() for atom in _ATOM.findall(text)]
    return [whole, *parts] if len(parts) > 1 else parts


def _term(word: str, *, position: int, exact: bool) -> Term:
    """Make the test of one search word.

    A word in quotes is the whole string. A bare word is a token or a run of tokens; what stands between two delimiters
    in it is compared without regard to case if it is one token (``count``), and with regard to case if it is composed
    (``CustomCount``).
    """
    if exact:
        return lambda text: text == word
    pieces = [_ATOM.findall(piece) for piece in _BETWEEN.split(word) if piece]
    if not pieces:
        refuse(f"the search word {word!r} has no letter and no digit", position)
    wanted = [(atom, len(piece) > 1) for piece in pieces for atom in piece]
    whole = word.lower() if len(pieces) == 1 else None

    def test(text: str) -> bool:
        found = tokens(text)
        return (whole is not None and found[:1] == [whole]) or _contains(_ATOM.findall(text), wanted)

    return test


def _contains(atoms: list[str], wanted: list[tuple[str, bool]]) -> bool:
    def alike(atom: str, part: tuple[str, bool]) -> bool:
        return atom == part[0] if part[1] else atom.lower() == part[0].lower()

    starts = range(len(atoms) - len(wanted) + 1)
    return any(all(alike(atoms[start + place], part) for place, part in enumerate(wanted)) for start in starts)
