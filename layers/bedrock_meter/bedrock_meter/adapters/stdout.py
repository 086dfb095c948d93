"""Records as EMF lines on a text stream: in Lambda, stdout is CloudWatch Logs, and a valid line becomes metrics."""

import sys
from collections.abc import Container, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TextIO

from bedrock_meter.config import Settings
from bedrock_meter.domain import Record
from bedrock_meter.emf import Emf
from bedrock_meter.limits import BudgetUse
from bedrock_meter.metrics import BUDGET_USED, FAULTS, LIMIT
from bedrock_meter.version import __version__


class StreamSink:
    """A `Sink` that writes one EMF line per record, and a `Notifier` that writes how far budgets are spent.

    Line and line end go out in one ``write``: the Lambda runtime's stdout is unbuffered, and ``print`` would write
    twice, so that lines of two threads could run into each other. ``logging`` is no way either: it wraps the line, and
    CloudWatch then extracts no metric from it.

    Args:
        emf: The encoder.
        stream: Where to write; None looks ``sys.stdout`` up for each record, so that redirecting it works.
    """

    def __init__(self, emf: Emf, stream: TextIO | None = None) -> None:
        self._emf = emf
        self._stream = stream

    @classmethod
    def for_settings(
        cls, settings: Settings, stream: TextIO | None = None, *, use_cases: Container[str] | None = None
    ) -> "StreamSink":
        """Make the sink of a deployment.

        Args:
            settings: Its settings.
            stream: Where to write.
            use_cases: The registered use cases; None for those of the settings.
        """
        return cls(emf_for(settings, use_cases), stream)

    def emit(self, record: Record) -> None:
        """Write one line."""
        self._write(self._emf.line(record))

    def used(self, use: BudgetUse) -> None:
        """Write the metric ``BudgetUsed`` of one limit, and beside it for the service, whose maximum an alarm takes."""
        limit = use.ask.limit
        metrics = {BUDGET_USED: float(use.spent / limit.amount * 100)}
        properties = use.facts if use.level is None else {**use.facts, "level": str(use.level)}
        line = self._emf.measurement(metrics, at=use.at, dimensions={LIMIT: limit.id}, properties=properties)
        whole = self._emf.measurement(metrics, at=use.at)
        self._write(f"{line}\n{whole}")

    def measure(
        self,
        metrics: Mapping[str, float],
        *,
        at: datetime,
        dimensions: Mapping[str, str] = MappingProxyType({}),
        properties: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Write the line of a measurement, see `Emf.measurement`."""
        self._write(self._emf.measurement(metrics, at=at, dimensions=dimensions, properties=properties))

    def _write(self, line: str) -> None:
        (self._stream or sys.stdout).write(line + "\n")


def measured_fault(settings: Settings, code: str, at: datetime) -> str:
    """Give the EMF line of a fault that belongs to no call, without the line end."""
    return emf_for(settings).measurement({FAULTS: 1}, at=at, properties={"meter_faults": [code]})


def emf_for(settings: Settings, use_cases: Container[str] | None = None) -> Emf:
    """Make the encoder of a deployment.

    Args:
        settings: Its settings.
        use_cases: The registered use cases; None for those of the settings.
    """
    return Emf(
        namespace=settings.namespace,
        service=settings.service,
        use_cases=settings.use_cases if use_cases is None else use_cases,
        models=settings.models,
        version=__version__,
    )
