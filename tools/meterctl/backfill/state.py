"""How far a backfill has come, in a file: what is done, how long the output was then, and what was counted."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bedrock_meter import MeterError


class StateError(MeterError):
    """A state file does not fit."""


@dataclass(slots=True, kw_only=True)
class State:
    """The state of one backfill."""

    job: str
    """What is backfilled, from when to when, and whereto; a state of another job is refused."""
    path: Path | None = None
    """Its file; None for none: then the backfill cannot be resumed."""
    done: set[str] = field(default_factory=set)
    """The keys of the units that are done."""
    sizes: list[int] = field(default_factory=list)
    """How long the output files were when the last one was done, in bytes."""
    counts: Counter[str] = field(default_factory=Counter)
    """What became of the lines so far."""

    @classmethod
    def load(cls, path: Path | None, job: str) -> Self:
        """Read a state; a new one where there is no file yet.

        Raises:
            StateError: It is of another job, or no state at all.
        """
        if path is None or not path.exists():
            return cls(job=job, path=path)
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            found = cls(
                job=document["job"],
                path=path,
                done=set(document["done"]),
                sizes=[int(size) for size in document["sizes"]],
                counts=Counter(document["counts"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"{path} is no state of a backfill; name another file, or delete it") from error
        if found.job != job:
            raise StateError(f"{path} is the state of another backfill ({found.job}); name another file")
        return found

    def commit(self, unit: str, sizes: Sequence[int], counts: Counter[str]) -> None:
        """Note that a unit is done. The file is replaced whole, so that it is never half written."""
        self.done.add(unit)
        self.sizes = list(sizes)
        self.counts = counts.copy()
        if self.path is None:
            return
        document = {"job": self.job, "done": sorted(self.done), "sizes": self.sizes, "counts": self.counts}
        beside = self.path.with_name(f"{self.path.name}.new")
        beside.write_text(json.dumps(document), encoding="utf-8")
        beside.replace(self.path)
