"""A query of CloudWatch Logs Insights, from its start to its rows."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from bedrock_meter.errors import MeterError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

MOST_ROWS = 10_000
"""The most that a query gives
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html)."""
PAUSE_SECONDS = 1.0
MOST_PAUSES = 300
_RUNNING = frozenset({"Scheduled", "Running", "Unknown"})


class QueryFailed(MeterError):  # noqa: N818 - the module's one error, named for what happened
    """A query did not end well, or gave as many rows as a query can, so that some may be missing."""


def query(
    logs: "CloudWatchLogsClient",
    text: str,
    *,
    groups: Sequence[str],
    start: datetime,
    end: datetime,
    sleep: Callable[[float], None] = time.sleep,
) -> list[dict[str, str]]:
    """Run a query and wait for it.

    Args:
        logs: The boto3 client.
        text: The query.
        groups: The names of the log groups.
        start: From when on; aware.
        end: Until when; aware, not included.
        sleep: How to wait between two looks at it, in seconds.

    Returns:
        Each row as text by field; a field without a value is absent.

    Raises:
        QueryFailed: It failed, took longer than five minutes, or its rows may not be all.
    """
    # EndTime is included, in whole seconds.
    started = logs.start_query(
        logGroupNames=list(groups),
        startTime=int(start.timestamp()),
        endTime=int(end.timestamp()) - 1,
        queryString=text,
        limit=MOST_ROWS,
    )
    for _ in range(MOST_PAUSES):
        answer = logs.get_query_results(queryId=started["queryId"])
        status = answer["status"]
        if status == "Complete":
            rows = [_row([(one.get("field"), one.get("value")) for one in found]) for found in answer["results"]]
            if len(rows) >= MOST_ROWS:
                raise QueryFailed(f"Logs Insights gave {MOST_ROWS:,} rows, the most it can; ask for a shorter time")
            return rows
        if status not in _RUNNING:
            raise QueryFailed(f"Logs Insights ended the query on {', '.join(groups)} with status {status}")
        sleep(PAUSE_SECONDS)
    raise QueryFailed(f"Logs Insights did not end the query on {', '.join(groups)} in {MOST_PAUSES} s")


def _row(fields: list[tuple[str | None, str | None]]) -> dict[str, str]:
    return {name: value for name, value in fields if name is not None and value is not None and name != "@ptr"}
