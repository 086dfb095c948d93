"""Which use cases an IAM principal may name: patterns of ARNs, checked so that no principal can match two answers.

A pattern is an ARN in which ``*`` stands for any text and ``?`` for one character, within one of the six parts of the
ARN, as in IAM's ``ArnLike``. Bedrock's invocation log names the caller as AWS STS does,
``arn:aws:sts::123456789012:assumed-role/Name/session``; the ARN of a role, as IAM shows it, stands for every session of
that role.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import combinations

from bedrock_meter.registry import ARN_PATTERN, NAME

MAX_PATTERNS = 1000
"""Pairs of patterns are compared when they are written, and each principal is held against all of them once."""

_ROLE = re.compile(r"arn:(?P<partition>[^:]+):iam::(?P<account>[^:]+):role/(?:.*/)?(?P<name>[^/]+)")
_MAX_PATTERN = 2048


class ArnPatterns:
    """A set of patterns.

    Args:
        patterns: ARNs with wildcards.

    Raises:
        ValueError: One cannot be a pattern; the message quotes it.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        sessions = [_sessions(pattern) for pattern in patterns]
        self._match = re.compile("|".join(map(_translated, sessions))).fullmatch if sessions else None

    def __contains__(self, arn: str) -> bool:
        return self._match is not None and self._match(arn) is not None


class PrincipalMap:
    """A `Principals` over patterns.

    Args:
        patterns: Use cases by pattern, the default first.
        doubtful: Is told of a principal that matches two patterns with different use cases, once, and that principal
            has none. None compares all patterns now and refuses such a pair, which takes time that grows with the
            square of their number: for patterns that nobody compared when they were written.

    Raises:
        ValueError: A pattern or a use case cannot be one, or a principal could match two patterns with different use
            cases; the message quotes them.
    """

    def __init__(
        self, patterns: Mapping[str, tuple[str, ...]], *, doubtful: Callable[[str], None] | None = None
    ) -> None:
        if len(patterns) > MAX_PATTERNS:
            raise ValueError(
                f"{len(patterns)} patterns are more than {MAX_PATTERNS}; let one pattern stand for several"
            )
        by_use_cases: dict[tuple[str, ...], list[str]] = {}
        for pattern, use_cases in patterns.items():
            for use_case in use_cases or ("",):
                if not NAME.fullmatch(use_case):
                    raise ValueError(f"{use_case!r} is no use case name; it has to match {NAME.pattern}")
            by_use_cases.setdefault(use_cases, []).append(pattern)
        if doubtful is None:
            _refuse_overlap(patterns)
        self._doubtful = doubtful
        self._patterns = [(ArnPatterns(group), use_cases) for use_cases, group in by_use_cases.items()]
        self._find = lru_cache(maxsize=4096)(self._search)

    def find(self, arn: str) -> tuple[str, ...] | None:
        """Give the use cases of a principal, the default first; None where no pattern matches."""
        return self._find(arn)

    def _search(self, arn: str) -> tuple[str, ...] | None:
        found = [use_cases for patterns, use_cases in self._patterns if arn in patterns]
        if len(found) > 1 and self._doubtful is not None:
            self._doubtful(arn)
            return None
        return found[0] if found else None


def refuse_doubt(pattern: str, use_cases: tuple[str, ...], written: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse a new pattern beside others, of which one of the same text is replaced.

    Raises:
        ValueError: There would be too many, or a principal could match it and another one with different use cases; the
            message quotes both.
    """
    others = {other: theirs for other, theirs in written.items() if other != pattern}
    if len(others) >= MAX_PATTERNS:
        raise ValueError(f"there are {MAX_PATTERNS} patterns already; let one pattern stand for several")
    for other, theirs in others.items():
        _refuse_pair((pattern, _sessions(pattern), use_cases), (other, _sessions(other), theirs))


def meet(first: str, second: str) -> bool:
    """Tell whether there is an ARN that both patterns match."""
    return all(map(meet_in_part, first.split(":", 5), second.split(":", 5)))


def meet_in_part(first: str, second: str) -> bool:
    """Tell whether there is a text that both patterns of one part match."""
    # reachable[j]: some text matches the part of `first` so far and `second[:j]`.
    reachable = _start(second)
    for char in first:
        reachable = _step(char, second, reachable)
    return reachable[-1]


def _start(second: str) -> list[bool]:
    reachable = [True]
    for char in second:
        reachable.append(reachable[-1] and char == "*")
    return reachable


def _step(char: str, second: str, before: list[bool]) -> list[bool]:
    after = [before[0] and char == "*"]
    for j, other in enumerate(second, 1):
        if "*" in (char, other):
            # A star takes nothing, or takes one more from the other side, be that a character or a wildcard.
            reached = after[j - 1] or before[j]
        else:
            reached = before[j - 1] and (char == other or "?" in (char, other))
        after.append(reached)
    return after


def _refuse_overlap(patterns: Mapping[str, tuple[str, ...]]) -> None:
    sessions = [(pattern, _sessions(pattern), use_cases) for pattern, use_cases in patterns.items()]
    for first, second in combinations(sessions, 2):
        _refuse_pair(first, second)


def _refuse_pair(one: tuple[str, str, tuple[str, ...]], two: tuple[str, str, tuple[str, ...]]) -> None:
    """Refuse two patterns with their patterns of sessions and use cases, if a principal could match both."""
    (first, sessions, use_cases), (second, others, theirs) = one, two
    if use_cases != theirs and meet(sessions, others):
        raise ValueError(
            f"a principal can match both {first!r} ({'+'.join(use_cases)}) and {second!r} ({'+'.join(theirs)}); "
            "make one of the two narrower, so that every call counts for one use case"
        )


def _sessions(pattern: str) -> str:
    """Give the pattern of the sessions of a role for the ARN of the role itself, and any other pattern as it is."""
    if len(pattern) > _MAX_PATTERN or not ARN_PATTERN.fullmatch(pattern):
        raise ValueError(f"{pattern[:200]!r} is no pattern of an ARN, such as arn:aws:iam::123456789012:role/Chatbot")
    role = _ROLE.fullmatch(pattern)
    if role is None:
        return pattern
    return f"arn:{role['partition']}:sts::{role['account']}:assumed-role/{role['name']}/*"


def _translated(pattern: str) -> str:
    *places, resource = pattern.split(":", 5)
    parts = [_part(place, "[^:]") for place in places] + [_part(resource, ".")]
    return f"(?:{':'.join(parts)})"


def _part(pattern: str, any_char: str) -> str:
    wild = {"*": f"{any_char}*", "?": any_char}
    return "".join(wild.get(char) or re.escape(char) for char in pattern)
