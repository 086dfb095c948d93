"""The scheduled function: compares the last whole hour and emits what nobody metered."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from bedrock_meter import __version__, metrics
from bedrock_meter.config import Settings
from bedrock_meter.emf import Emf
from reconcile.account import HOUR, LAG, aliases, closed, reconcile
from reconcile.compare import Line, total
from reconcile.principals import Caller, callers

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_logs import CloudWatchLogsClient

MOST_PRINCIPALS = 20
"""So many are named in a line; the rest is in the invocation log."""

logger = Logger(service="reconcile")


class Reconciler:
    """Compares one hour.

    Args:
        settings: The settings of the deployment.
        cloudwatch: The boto3 client of CloudWatch.
        bedrock: That of Bedrock's control plane.
        logs: That of CloudWatch Logs.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        cloudwatch: "CloudWatchClient",
        bedrock: "BedrockClient",
        logs: "CloudWatchLogsClient",
    ) -> None:
        self._settings = settings
        self._cloudwatch = cloudwatch
        self._bedrock = bedrock
        self._logs = logs
        self._emf = Emf(
            namespace=settings.namespace,
            service=settings.service,
            use_cases=settings.use_cases,
            models=settings.models,
            version=__version__,
        )

    def run(self, now: datetime) -> Iterator[str]:
        """Compare the last hour that ended `LAG` before now, and give the EMF lines: one a model, one for the service.

        A line stands at the start of its hour, so a second run for the same hour would count it twice in a sum.
        """
        start, end = closed(now - LAG - 2 * HOUR, now, now=now)
        start = max(start, end - HOUR)
        known = aliases(self._bedrock)
        found = reconcile(self._cloudwatch, namespace=self._settings.namespace, start=start, end=end, aliases=known)
        whole = total(found, at=start)
        named = self._callers(start, end, known) if whole.unmetered_tokens else []
        for line in found:
            if line.account_tokens:
                mine = [caller for caller in named if caller.model == line.model]
                yield self._line(line, mine, {metrics.MODEL_ID: line.model})
        yield self._line(whole, named, {})
        logger.info(
            "reconciled",
            hour=start.isoformat(),
            metered_tokens=whole.metered_tokens,
            account_tokens=whole.account_tokens,
            unmetered_tokens=whole.unmetered_tokens,
            models=len(found),
        )

    def _callers(self, start: datetime, end: datetime, known: Mapping[str, str]) -> Sequence[Caller]:
        """Name who called, where the invocation log is there to ask. The figures do not wait for the names."""
        group = self._settings.invocation_log
        if group is None:
            return []
        try:
            return callers(self._logs, group, start=start, end=end, metered=self._settings.metered_roles, aliases=known)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the log, the metrics have to be emitted
            logger.warning("the invocation log could not be read", group=group, error=type(error).__name__)
            return []

    def _line(self, line: Line, named: Sequence[Caller], dimensions: Mapping[str, str]) -> str:
        values: dict[str, float | None] = {
            metrics.UNMETERED_TOKENS: line.unmetered_tokens,
            metrics.UNMETERED_SHARE: line.unmetered_share,
            metrics.DRIFT: line.drift,
        }
        properties: dict[str, Any] = {
            "metered_tokens": line.metered_tokens,
            "account_tokens": line.account_tokens,
            "metered_calls": line.metered_calls,
            "account_calls": line.account_calls,
            "version": __version__,
        }
        if line.notes:
            properties["notes"] = [note.name.lower() for note in line.notes]
        if named:
            properties["principals"] = [
                {"principal": one.principal, "model": one.model, "calls": one.calls, "tokens": one.tokens}
                for one in named[:MOST_PRINCIPALS]
            ]
        known = {name: round(value, 3) for name, value in values.items() if value is not None}
        return self._emf.measurement(known, at=line.at, dimensions=dimensions, properties=properties)


def scheduled_at(event: Mapping[str, Any]) -> datetime:
    """Give the moment that the run is for: the schedule's, so that a retry compares the same hour; else now.

    Raises:
        ValueError: The event has a time that is none.
    """
    given = event.get("time")
    return datetime.now(UTC) if given is None else datetime.fromisoformat(given).astimezone(UTC)


@logger.inject_lambda_context
def lambda_handler(event: Mapping[str, Any], context: "LambdaContext") -> None:
    """Reconcile; ``{"time": "2026-11-23T13:20:00Z"}`` does it for the hour before that."""
    del context
    reconciler = Reconciler(
        Settings.from_env(os.environ),
        cloudwatch=boto3.client("cloudwatch"),
        bedrock=boto3.client("bedrock"),
        logs=boto3.client("logs"),
    )
    for line in reconciler.run(scheduled_at(event)):
        # One write for the line and its end, as in bedrock_meter.adapters.stdout.
        sys.stdout.write(line + "\n")
