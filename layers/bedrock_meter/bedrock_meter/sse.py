"""Incremental framing of ``text/event-stream``: bytes in, the data of events out. Pure, bounded, linear.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream. Only ``data`` is
given: the JSON in it names its own type, and one of Bedrock's endpoints sends the ``data`` line before the ``event``
line. The decoder watches a relay, so it never raises; an event that grows beyond the bound is dropped and counted.
"""

MAX_EVENT = 8 * 1024 * 1024
"""The largest event that is collected, in bytes. The largest one is the closing event of the Responses API, which
repeats the whole answer; a model's longest output (128 K tokens) stays below 2 MB as JSON."""

EVENT_TOO_LARGE = "stream_event_too_large"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NEWLINE, _RETURN = b"\n", b"\r"


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
        self._skipping_line = False
        self._after_return = False
        self._first = True

    @property
    def pending(self) -> int:
        """Bytes of an event that has not ended; not 0 at the end of a stream means that it was cut."""
        return len(self._line) + self._size

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; give the data of each event that they end."""
        events: list[bytes] = []
        if not data:
            return events
        if self._after_return and data.startswith(_NEWLINE):  # the second half of a CRLF that was cut in two
            data = data[1:]
            self._after_return = False
        if data:
            self._after_return = data.endswith(_RETURN)
        # bytes.splitlines knows exactly LF, CR and CRLF, as the format does.
        for line in data.splitlines(keepends=True):
            if not line.endswith((_NEWLINE, _RETURN)):
                self._grow(line)
            elif self._skipping_line:
                self._skipping_line = False
            elif self._line:
                self._line += line
                whole = bytes(self._line)
                self._line.clear()
                self._end_of_line(whole.rstrip(b"\r\n"), events)
            else:
                self._end_of_line(line.rstrip(b"\r\n"), events)
        return events

    def _grow(self, part: bytes) -> None:
        if self._skipping_line:
            return
        self._line += part
        if len(self._line) + self._size > MAX_EVENT:
            self._drop()
            self._skipping_line = True

    def _end_of_line(self, line: bytes, events: list[bytes]) -> None:
        if self._first:
            line, self._first = line.removeprefix(_BYTE_ORDER_MARK), False
        if not line:
            if self._data and not self._skipping:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
            if self._data or self._skipping:
                self._data, self._size, self._skipping = [], 0, False
        elif line.startswith(b"data:") and not self._skipping:
            value = line[6:] if line.startswith(b"data: ") else line[5:]
            self._data.append(value)
            self._size += len(value) + 1
            if self._size > MAX_EVENT:
                self._drop()

    def _drop(self) -> None:
        """Forget the event and ignore the rest of it, up to the empty line that ends it."""
        self._line.clear()
        self._data, self._size, self._skipping = [], 0, True
        if EVENT_TOO_LARGE not in self.faults:
            self.faults.append(EVENT_TOO_LARGE)
