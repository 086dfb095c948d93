"""Adapters that keep what they are given in memory, for tests and for programs that read their own records."""

from bedrock_meter.domain import Record


class MemorySink:
    """A `Sink` that keeps records in the order in which they were closed.

    Attributes:
        records: What was emitted so far.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []

    def emit(self, record: Record) -> None:
        """Keep one record."""
        self.records.append(record)
