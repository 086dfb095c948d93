"""Files of metrics: EMF lines that may still grow, and PutMetricData requests."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from meterctl.cloudwatch.errors import InvalidParameterError

_POLL_SECONDS = 0.5


class Tail:
    """Reads the whole lines that a file has got since the last time.

    A line without its end is left until the end is there. A file that has become shorter is read from its start.

    Args:
        path: The file; it may not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._number = 1

    def read(self, *, to_the_end: bool = False) -> tuple[int, list[str]]:
        """Give the number of the first new line, from 1, and the new lines.

        Args:
            to_the_end: Whether a last line without its end counts.
        """
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:
                    self._offset, self._number = 0, 1
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return self._number, []
        if not to_the_end:
            content = content[: content.rfind(b"\n") + 1]
        self._offset += len(content)
        lines = content.decode("utf-8", "replace").split("\n")
        if lines[-1] == "":
            lines.pop()
        first, self._number = self._number, self._number + len(lines)
        return first, lines


class Follower:
    """Calls a function again and again, in a thread, while the ``with`` block runs.

    Args:
        look: What is called.
        seconds: The pause between two calls.
    """

    def __init__(self, look: Callable[[], object], *, seconds: float = _POLL_SECONDS) -> None:
        self._look = look
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="emf-follower", daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait until the thread has ended."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self._look()


def put_requests(path: Path) -> list[dict[str, Any]]:
    """Read PutMetricData requests: one JSON object a line, in boto3's shape, times as ISO 8601 text or epoch seconds.

    Raises:
        InvalidParameterError: Naming the line that is none.
    """
    requests = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            request = json.loads(line)
            for datum in request["MetricData"]:
                if "Timestamp" in datum:
                    datum["Timestamp"] = _moment(datum["Timestamp"])
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidParameterError(
                f"{path} line {number} is not a PutMetricData request with Namespace and MetricData"
            ) from error
        requests.append(request)
    return requests


def _moment(value: object) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    raise TypeError(value)
