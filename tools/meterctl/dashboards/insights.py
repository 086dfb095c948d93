"""A strict reader of the Logs Insights queries that we write: the local CloudWatch does not run them.

It takes the commands, functions and operators that our queries use, and the fields that an EMF line has. Anything else
is an error, also where CloudWatch would take it: a misspelt field is an empty panel there, and no error.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bedrock_meter.metrics import LIMIT, MODEL_ID, SERVICE, USE_CASE, VERSION
from meterctl.dashboards.declared import OWN

PROPERTIES = frozenset(
    {
        "request_id",
        "bedrock_request_id",
        "use_case",
        "team",
        "key_id",
        "operation",
        "model_id",
        "model_base",
        "model_profile",
        "model_scope",
        "region",
        "tier",
        "invoked_model",
        "streaming",
        "client_attempt",
        "sdk_attempts",
        "input_bytes",
        "max_output_tokens",
        "status",
        "ending",
        "http_status",
        "bedrock_status",
        "error_code",
        "stop_reason",
        "duration_ms",
        "bedrock_latency_ms",
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "other_units",
        "usage_source",
        "certainty",
        "cost_usd",
        "price_row",
        "meter_faults",
        "version",
        "account",
        "forecast_method",
        "forecast_tokens",
        "held_usd",
        "limits",
        "principal",
        "refused_by",
    }
)
"""The properties of a line, as docs/metrics.md lists them."""

_FIELDS = PROPERTIES | OWN.keys() | {USE_CASE, MODEL_ID, SERVICE, LIMIT, VERSION, "@timestamp", "@message"}
_FUNCTIONS = frozenset({"ispresent", "sum", "avg", "min", "max", "count", "count_distinct", "pct", "bin", "coalesce"})
_WORDS = frozenset({"and", "or", "not", "as", "by", "like", "in", "asc", "desc"})
_COMMANDS = frozenset({"filter", "fields", "stats", "sort", "limit"})
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>"[^"]*"|'[^']*')
    |(?P<duration>\d+[smhd])\b
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<name>@?[A-Za-z_]\w*)
    |(?P<operator><=|>=|!=|[=<>+*/(),-])""",
    re.VERBOSE,
)


class QueryError(ValueError):
    """A query does not read as one of ours; the text says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is known of a query that reads well."""

    groups: tuple[str, ...]
    """What it groups by besides time."""
    over_time: bool
    """Whether it groups by time, as a graph needs it."""


def read(text: str) -> Query:
    """Read a query.

    Raises:
        QueryError: It has a command, function, field or sign that is not known.
    """
    aliases: set[str] = set()
    groups: tuple[str, ...] = ()
    over_time = False
    for command in _commands(text):
        tokens = list(_tokens(command))
        verb, rest = tokens[0], tokens[1:]
        if verb not in _COMMANDS:
            raise QueryError(f"{verb!r} is no command of {', '.join(sorted(_COMMANDS))}")
        if rest.count("(") != rest.count(")"):
            raise QueryError(f"the brackets of {command!r} do not match")
        _check_names(rest, aliases)
        if verb == "stats":
            groups, over_time = _grouping(rest)
    return Query(groups=groups, over_time=over_time)


def _commands(text: str) -> Iterator[str]:
    for command in re.split(r"\|(?=(?:[^\"']|\"[^\"]*\"|'[^']*')*$)", text):
        if not command.strip():
            raise QueryError("a command is empty")
        yield command.strip()


def _tokens(command: str) -> Iterator[str]:
    place = 0
    while place < len(command):
        match = _TOKEN.match(command, place)
        if match is None:
            raise QueryError(f"{command[place:]!r} does not read")
        place = match.end()
        if match.lastgroup != "space":
            yield match[0]


def _check_names(tokens: list[str], aliases: set[str]) -> None:
    for place, token in enumerate(tokens):
        if not re.match(r"[@A-Za-z_]", token) or token in _WORDS:
            continue
        if place and tokens[place - 1] == "as":
            aliases.add(token)
        elif tokens[place + 1 : place + 2] == ["("]:
            if token not in _FUNCTIONS:
                raise QueryError(f"{token} is no function that is used here")
        elif token not in _FIELDS and token not in aliases:
            raise QueryError(f"a line has no field {token}")


def _grouping(tokens: list[str]) -> tuple[tuple[str, ...], bool]:
    if "by" not in tokens:
        return (), False
    terms = " ".join(tokens[tokens.index("by") + 1 :]).split(" , ")
    return tuple(term for term in terms if not term.startswith("bin (")), any(
        term.startswith("bin (") for term in terms
    )
