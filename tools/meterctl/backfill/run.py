"""The backfill itself: lines to records to metric lines, each call once, unit by unit."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bedrock_meter import tally
from bedrock_meter.domain import Record
from bedrock_meter.emf import Emf
from bedrock_meter.errors import LogEntryError
from bedrock_meter.invocationlog import LogReader
from logmeter.callbook import CallBook, Note, Noted, Witness
from meterctl.backfill.sources import UNREADABLE, Line, Period, Source, Unit
from meterctl.backfill.state import State, StateError

if TYPE_CHECKING:
    from meterctl.backfill.sending import Sender

EMF_AGE = timedelta(days=14)
"""CloudWatch takes no metric from a line whose time lies further back
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html)."""

WRITTEN, OLDER = "written", "written, too old for metrics"
OUTSIDE, METERED, REPEATED = "outside of the period", "metered by another door", "repeated"
OTHER_LINE, UNIT_UNREADABLE, NOT_NOTED = "line of another kind", "unit_unreadable", "call_not_noted"

_BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """One backfill."""

    source: Source
    period: Period
    reader: LogReader
    emf: Emf
    calls: CallBook
    out: Path
    """Where metric lines go."""
    now: datetime
    """When it runs; aware."""
    sender: "Sender | None" = None
    """Who sends the lines to CloudWatch Logs as well; None for nobody."""

    @property
    def older(self) -> Path:
        """Where lines go that CloudWatch takes no metric from."""
        return self.out.with_name(f"{self.out.name}.older")

    @property
    def job(self) -> str:
        """What a state file knows it by."""
        period = f"{self.period.start.isoformat()} to {self.period.end.isoformat()}"
        return f"{self.source.name}, {period}, into {self.out}{f', sent to {self.sender.group}' if self.sender else ''}"

    def run(self, state: State, *, tell: Callable[[Unit, Counter[str]], None]) -> Counter[str]:
        """Do what is not done yet.

        Args:
            state: How far an earlier run has come.
            tell: Is told of each unit that is done, and of the counts so far.

        Returns:
            What became of the lines, by what it was.

        Raises:
            StateError: An output file would be overwritten.
        """
        if not state.done and any(path.exists() and path.stat().st_size for path in (self.out, self.older)):
            raise StateError(f"{self.out} is there already and no state says how far it goes; name another --out")
        counts = state.counts.copy()
        skipped: Counter[str] = Counter()
        with ExitStack() as stack:
            files = [stack.enter_context(_reopened(path, size)) for path, size in self._files(state)]
            for unit in self.source.units(self.period, skipped):
                if unit.key not in state.done:
                    self._do(unit, files, counts)
                    state.commit(unit.key, [file.tell() for file in files], counts)
                tell(unit, counts)
        # The listing is made anew on each run, so what it leaves out is counted on the last one alone.
        return counts + skipped

    def _files(self, state: State) -> Iterator[tuple[Path, int]]:
        sizes = state.sizes or [0, 0]
        return zip((self.out, self.older), sizes, strict=True)

    def _do(self, unit: Unit, files: Sequence[TextIO], counts: Counter[str]) -> None:
        records = list[Record]()
        for batch in batched(self._read(_intact(unit, counts), counts), _BATCH):
            records += self._new(batch, unit, counts)
        young = list[tuple[datetime, str]]()
        for record in records:
            line, time = self.emf.line(record), record.call.received_at
            too_old = time < self.now - EMF_AGE
            files[too_old].write(line + "\n")
            counts[OLDER if too_old else WRITTEN] += 1
            if not too_old:
                young.append((time, line))
        for file in files:
            file.flush()
        if self.sender is not None and young:
            self.sender.send(young)

    def _read(self, lines: Iterable[Line], counts: Counter[str]) -> Iterator[Record]:
        for line in lines:
            try:
                logged = self.reader.read(line.message, written=line.written)
            except LogEntryError as error:
                counts[error.code] += 1
                continue
            if logged is None:
                counts[OTHER_LINE] += 1
            elif logged.record.call.received_at not in self.period:
                counts[OUTSIDE] += 1
            elif logged.metered:
                counts[METERED] += 1
            else:
                yield logged.record

    def _new(self, records: Sequence[Record], unit: Unit, counts: Counter[str]) -> Iterator[Record]:
        """Give the records of calls that nobody has counted."""
        first = {record.call.id: record for record in records}
        counts[REPEATED] += len(records) - len(first)
        notes = [
            Note(request_id=name, witness=Witness.LOG, tally=tally.of_record(record), facts={"counted": "yes"})
            for name, record in first.items()
        ]
        known = self.calls.note(notes, delivery=f"backfill {self.source.name} {unit.key}")
        for record, before in zip(first.values(), known, strict=True):
            reason = _seen(before)
            if reason is None:
                yield record
            else:
                counts[reason] += 1


def _intact(unit: Unit, counts: Counter[str]) -> Iterator[Line]:
    """Give the lines of a unit, up to where it breaks off."""
    try:
        yield from unit.read()
    except UNREADABLE:
        counts[UNIT_UNREADABLE] += 1


def _seen(before: Noted | Exception) -> str | None:
    if isinstance(before, Exception):
        return NOT_NOTED
    if before.repeated:
        return REPEATED
    return METERED if before.other is not None else None


def _reopened(path: Path, size: int) -> TextIO:
    """Open an output file where the last unit that was done had ended."""
    if size > (path.stat().st_size if path.exists() else 0):
        raise StateError(f"{path} is shorter than the state says; delete both to begin again")
    file = path.open("a", encoding="utf-8", newline="\n")
    file.truncate(size)
    return file
