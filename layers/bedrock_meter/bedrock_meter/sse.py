"""Incremental framing of ``text/event-stream``: bytes in, the data of events out. Pure, bounded, linear.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream. Only ``data`` is
given: the JSON in it names its own type, and one of Bedrock's endpoints sends the ``data`` line before the ``event``
line. The decoder watches a relay, so it never raises; an event that grows beyond the bound is dropped and counted.
"""

from collections.abc import Iterator

MAX_EVENT = 8 * 1024 * 1024
"""The largest event that is collected, in bytes. The largest one is the closing event of the Responses API, which
repeats the whole answer; a model's longest output (128 K tokens) stays below 2 MB as JSON."""

EVENT_TOO_LARGE = "stream_event_too_large"


class SseDecoder:
    """Splits a byte stream into the data of its events.

    Attributes:
        faults: What could not be read; each kind once.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._skipping = False
        self._after_return = False

    @property
    def pending(self) -> int:
        """Bytes of an event that has not ended; not 0 at the end of a stream means that it was cut."""
        return len(self._line) + self._size

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes; give the data of each event that they end. The iterator must be used up."""
        if self._after_return and data.startswith(b"\n"):
            data = data[1:]  # the second half of a CRLF that was cut in two
        self._after_return = data.endswith(b"\r") if data else self._after_return
        # bytes.splitlines knows exactly LF, CR and CRLF, as the format does.
        for line in data.splitlines(keepends=True):
            if not line.endswith((b"\n", b"\r")):
                self._grow(line)
                return
            self._line += line
            whole = bytes(self._line).rstrip(b"\r\n")
            self._line.clear()
            event = self._end_of_line(whole)
            if event is not None:
                yield event

    def _grow(self, part: bytes) -> None:
        self._line += part
        if len(self._line) + self._size > MAX_EVENT:
            self._drop()

    def _end_of_line(self, line: bytes) -> bytes | None:
        if not line:
            event = None if self._skipping or not self._data else b"\n".join(self._data)
            self._data, self._size, self._skipping = [], 0, False
            return event
        if line.startswith(b"data:") and not self._skipping:
            value = line[5:].removeprefix(b" ")
            self._data.append(value)
            self._size += len(value)
            if self._size > MAX_EVENT:
                self._drop()
        return None

    def _drop(self) -> None:
        """Forget the event and ignore the rest of it, up to the empty line that ends it."""
        self._line.clear()
        self._data, self._size, self._skipping = [], 0, True
        if EVENT_TOO_LARGE not in self.faults:
            self.faults.append(EVENT_TOO_LARGE)
