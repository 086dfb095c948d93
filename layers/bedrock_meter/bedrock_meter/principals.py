"""What principals that sign their calls may name: ``<pattern of an ARN>=<use case>[+<use case>...]``. Pure."""

import re
from dataclasses import dataclass

from bedrock_meter.registry import NAME

_PATTERN = re.compile(r"arn:[!-~]{1,600}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalUseCases:
    """What the principals of a pattern may name."""

    pattern: str
    """Of their ARNs; ``*`` stands for any characters."""
    use_cases: tuple[str, ...]
    """The use cases; the first is the one that counts when a call names none."""


def read_principals(text: str) -> tuple[PrincipalUseCases, ...]:
    """Read a list of them; empty elements are skipped.

    Raises:
        ValueError: An element has another form.
    """
    found = []
    for element in filter(None, map(str.strip, text.split(","))):
        pattern, equals, listed = (part.strip() for part in element.rpartition("="))
        names = tuple(name.strip() for name in listed.split("+"))
        if not equals or not _PATTERN.fullmatch(pattern) or not all(map(NAME.fullmatch, names)):
            raise ValueError(f"{element!r} is not <pattern of an ARN>=<use case>[+<use case>...]")
        found.append(PrincipalUseCases(pattern=pattern, use_cases=names))
    return tuple(found)
