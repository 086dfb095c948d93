"""From a delivery of log lines to records: every call once, whatever is delivered twice, too late or broken.

The order is what makes that so: read everything, note every call, keep what failed as a dead letter, and only then
write. A fault before the writing fails the whole delivery, which is then tried again as if nothing had happened.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bedrock_meter import tally
from bedrock_meter.domain import Record, UsageSource
from bedrock_meter.errors import LogEntryError
from bedrock_meter.invocationlog import LogReader
from bedrock_meter.metrics import DISAGREEMENT, FAULTS, MODEL_ID, USE_CASE
from bedrock_meter.ports import Clock, Sink
from logmeter.callbook import CallBook, Note, Noted, Witness
from logmeter.deadletters import DeadLetters, Pointer
from logmeter.deliveries import Delivery, LogEvent

ENTRY_UNREADABLE = "entry_unreadable"
NOT_NOTED = "call_not_noted"
COUNTED_TWICE = "call_counted_twice"

_METRIC_LINE = '{"_aws":'
_PRINCIPAL, _COUNTED = "principal", "counted"


class Lines(Sink, Protocol):
    """Where metric lines go. A `StreamSink` is one."""

    def measure(
        self,
        metrics: Mapping[str, float],
        *,
        at: datetime,
        dimensions: Mapping[str, str] = ...,
        properties: Mapping[str, object] = ...,
    ) -> None:
        """Write a measurement."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of the lines of a delivery."""

    counted: int = 0
    """Calls that no other door had metered, and that count now."""
    compared: int = 0
    """Calls of which both witnesses have spoken."""
    disagreed: int = 0
    """Those of them whose counts differ."""
    counted_twice: int = 0
    """Calls that the log door had counted before it learned that another door meters them: the role of that door is
    missing in BEDROCK_METER_METERED_ROLES."""
    awaiting: int = 0
    """Calls of which the other witness has not spoken yet; they do not count here."""
    repeated: int = 0
    """Lines that were delivered before."""
    other: int = 0
    """Lines of other kinds."""
    failed: Counter[str] = field(default_factory=Counter)
    """Lines that could not be counted, by the reason."""

    def as_json(self) -> dict[str, Any]:
        """Give it as a document."""
        names = ("counted", "compared", "disagreed", "counted_twice", "awaiting", "repeated", "other")
        return {**{name: getattr(self, name) for name in names}, "failed": dict(self.failed)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A line about a call."""

    event: LogEvent
    note: Note
    record: Record | None = None
    """What to write if the call is to be counted; None for a line of a door of ours."""
    metered: bool = False
    """Whether another door meters the call, by the line's own word."""


class LogDoor:
    """Takes deliveries.

    Args:
        reader: Reads lines of the invocation log.
        calls: Where calls are noted.
        letters: Where to keep what cannot be counted.
        lines: Where metric lines go.
        clock: The time.
        ready: Is called before each delivery, for whatever the reader and the lines look things up in. May raise, and
            then nothing of the delivery is touched.
    """

    def __init__(
        self,
        *,
        reader: LogReader,
        calls: CallBook,
        letters: DeadLetters,
        lines: Lines,
        clock: Clock,
        ready: Callable[[], object] = bool,
    ) -> None:
        self._ready = ready
        self._reader = reader
        self._calls = calls
        self._letters = letters
        self._lines = lines
        self._clock = clock

    def take(self, delivery: Delivery) -> Report:
        """Meter the lines of a delivery.

        Raises:
            RegistryError: Who calls for which use case could not be read. Nothing was noted or written, and the
                delivery has to be tried again.
            Exception: Something that could not be counted could not be kept either. Nothing was written, and the
                delivery has to be tried again.
        """
        self._ready()
        report = Report()
        seen, failed = self._read(delivery, report)
        known = self._calls.note([one.note for one in seen], delivery=delivery.id)
        settled = list[tuple[_Seen, Noted]]()
        for one, before in zip(seen, known, strict=True):
            if isinstance(before, Exception):
                failed.append((one.event, NOT_NOTED))
            else:
                settled.append((one, before))
        for event, reason in failed:
            self._letters.put(_pointer(delivery, event).as_body(), reason=reason)
            report.failed[reason] += 1
        for one, before in settled:
            self._settle(one, before, report)
        self.tell_failures(report.failed)
        return report

    def keep(self, body: str, *, reason: str) -> Report:
        """Keep a delivery that cannot be unpacked."""
        self._letters.put(body, reason=reason)
        report = Report(failed=Counter({reason: 1}))
        self.tell_failures(report.failed)
        return report

    def tell_failures(self, failed: Mapping[str, int], **properties: object) -> None:
        """Count what could not be counted as faults of the meter."""
        if total := sum(failed.values()):
            faults = {"meter_faults": sorted(failed), **properties}
            self._lines.measure({FAULTS: total}, at=self._clock.now(), properties=faults)

    def _read(self, delivery: Delivery, report: Report) -> tuple[Sequence[_Seen], list[tuple[LogEvent, str]]]:
        seen = dict[tuple[str, Witness], _Seen]()
        failed = list[tuple[LogEvent, str]]()
        for event in delivery.events:
            try:
                one = self._one(event)
            except LogEntryError as error:
                failed.append((event, error.code))
            except Exception:  # noqa: BLE001 - whatever is wrong with one line, the others are counted
                failed.append((event, ENTRY_UNREADABLE))
            else:
                if one is None:
                    report.other += 1
                elif (key := (one.note.request_id, one.note.witness)) in seen:
                    report.repeated += 1
                else:
                    seen[key] = one
        return list(seen.values()), failed

    def _one(self, event: LogEvent) -> _Seen | None:
        if event.message.startswith(_METRIC_LINE):
            note = _door_note(event.message)
            return None if note is None else _Seen(event=event, note=note)
        logged = self._reader.read(event.message, written=event.written)
        if logged is None:
            return None
        facts = {} if logged.metered else {_COUNTED: "yes", _PRINCIPAL: logged.record.call.tags.get("principal", "")}
        note = Note(
            request_id=logged.record.call.id, witness=Witness.LOG, tally=tally.of_record(logged.record), facts=facts
        )
        return _Seen(event=event, note=note, record=logged.record, metered=logged.metered)

    def _settle(self, one: _Seen, before: Noted, report: Report) -> None:
        if before.repeated:
            report.repeated += 1
        elif before.other is not None:
            report.compared += 1
            self._compare(one, before.other, report)
        elif one.record is None or one.metered:
            report.awaiting += 1
        else:
            report.counted += 1
            self._lines.emit(one.record)

    def _compare(self, one: _Seen, other: Note, report: Report) -> None:
        logged, door = (one.note, other) if one.record is not None else (other, one.note)
        if logged.facts.get(_COUNTED) and one.record is None:
            # The log came first, and nothing told it that a door meters the caller.
            report.counted_twice += 1
            principal = {"principal": logged.facts.get(_PRINCIPAL, ""), "bedrock_request_id": logged.request_id}
            self.tell_failures({COUNTED_TWICE: 1}, **principal)
        if not tally.differ(door.tally, logged.tally):
            return
        report.disagreed += 1
        dimensions = {name: door.facts[name] for name in (USE_CASE, MODEL_ID)}
        told = {name: text for name, text in door.facts.items() if name not in dimensions}
        properties: dict[str, object] = {"bedrock_request_id": door.request_id, **told}
        properties |= {f"metered_{name}": count for name, count in door.tally.items()}
        properties |= {f"logged_{name}": count for name, count in logged.tally.items()}
        self._lines.measure({DISAGREEMENT: 1}, at=one.event.written, dimensions=dimensions, properties=properties)
        self._lines.measure({DISAGREEMENT: 1}, at=one.event.written)


def _door_note(line: str) -> Note | None:
    """Read the metric line of a call; None for another line: of a measurement, of a call that never reached Bedrock."""
    said: dict[str, Any] = json.loads(line)
    request_id, source = said.get("bedrock_request_id"), said.get("usage_source")
    if not isinstance(request_id, str) or source == UsageSource.LOG or not {USE_CASE, MODEL_ID} <= said.keys():
        return None
    names = (USE_CASE, MODEL_ID, "request_id", "usage_source", "certainty")
    facts = {name: said[name] for name in names if isinstance(said.get(name), str)}
    return Note(request_id=request_id, witness=Witness.DOOR, tally=tally.of_line(said), facts=facts)


def _pointer(delivery: Delivery, event: LogEvent) -> Pointer:
    return Pointer(
        account=delivery.owner,
        group=delivery.group,
        stream=delivery.stream,
        event_id=event.id,
        timestamp_ms=int(event.written.timestamp() * 1000),
        delivery=delivery.id,
    )
