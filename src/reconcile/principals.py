"""Who called Bedrock past the meter, from Bedrock's own invocation log."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from reconcile import insights
from reconcile.compare import model_of

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

# The counts of a record; https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html
_COUNTS = (
    "input.inputTokenCount",
    "output.outputTokenCount",
    "input.cacheReadInputTokenCount",
    "input.cacheWriteInputTokenCount",
)
_SCHEMA = "ModelInvocationLog"
QUERY = (
    f'filter schemaType = "{_SCHEMA}" | stats count(*) as calls, '
    + ", ".join(f"sum({name}) as tokens{place}" for place, name in enumerate(_COUNTS))
    + " by identity.arn as principal, modelId as model"
)
_SESSION = re.compile(r"(arn:[^:]+:sts::\d*:assumed-role/[^/]+)/.+")
_ROLE = re.compile(r"(?:assumed-role|role)/(?:.*/)?(?P<name>[^/]+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The calls of one principal to one model."""

    principal: str
    """Its ARN; of a role, without the session's name, which may be a person's."""
    model: str
    """The foundation model."""
    calls: int
    tokens: int
    """Of all buckets."""


def callers(
    logs: "CloudWatchLogsClient",
    group: str,
    *,
    start: datetime,
    end: datetime,
    metered: Iterable[str],
    aliases: Mapping[str, str],
) -> list[Caller]:
    """Ask the invocation log who called, and leave the roles out whose calls are metered.

    Args:
        logs: The boto3 client.
        group: The log group that Bedrock writes to.
        start: From when on; aware.
        end: Until when; aware.
        metered: Names or ARNs of the roles of the gateway and of the functions with the layer; ``*`` stands for any
            characters.
        aliases: As for `model_of`.

    Raises:
        QueryFailed: The query did not end well.
    """
    rows = insights.query(logs, QUERY, groups=[group], start=start, end=end)
    return unmetered(rows, metered=metered, aliases=aliases)


def unmetered(rows: Iterable[Mapping[str, str]], *, metered: Iterable[str], aliases: Mapping[str, str]) -> list[Caller]:
    """Sum the rows of the query up, without the roles that are metered; those with most tokens first."""
    known = [role_name(role) for role in metered]
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        arn = row.get("principal", "unknown")
        if any(fnmatchcase(role_name(arn), pattern) for pattern in known):
            continue
        key = (_SESSION.sub(r"\1", arn), model_of(row.get("model", "unknown"), aliases))
        tokens = sum(round(float(row.get(f"tokens{place}", 0))) for place in range(len(_COUNTS)))
        calls, before = sums.get(key, (0, 0))
        sums[key] = (calls + round(float(row["calls"])), before + tokens)
    found = [
        Caller(principal=principal, model=model, calls=calls, tokens=tokens)
        for (principal, model), (calls, tokens) in sums.items()
    ]
    return sorted(found, key=lambda caller: (-caller.tokens, caller.principal, caller.model))


def rows_of(records: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    """Give the rows that the query would give of parsed log records, one for each call; other records are skipped."""
    for record in records:
        if record.get("schemaType") != _SCHEMA:
            continue
        row = {"calls": "1"}
        if model := record.get("modelId"):
            row["model"] = model
        if arn := (record.get("identity") or {}).get("arn"):
            row["principal"] = arn
        for place, path in enumerate(_COUNTS):
            part, _, name = path.partition(".")
            row[f"tokens{place}"] = str((record.get(part) or {}).get(name) or 0)
        yield row


def named(found: Sequence[Caller]) -> int:
    """Give the tokens that the principals stand for; what is unmetered beyond them has no name."""
    return sum(caller.tokens for caller in found)


def role_name(arn: str) -> str:
    """Give the name of a role, from its ARN, that of a session of it, or the name itself."""
    found = _ROLE.search(_SESSION.sub(r"\1", arn))
    return found["name"] if found else arn
