"""What both event-stream operations share: exceptions, unknown messages, faults of the framing."""

from abc import ABC, abstractmethod
from dataclasses import replace

from bedrock_meter.eventstream import EventStreamDecoder, Message
from bedrock_meter.usage import failures
from bedrock_meter.usage.reading import Reading

UNKNOWN_EVENT = "stream_event_unknown"

_EVENT = "event"


class EventReader(ABC):
    """The base of the two readers: `on_event` takes an event, `reading` tells what the events said."""

    def __init__(self, decoder: EventStreamDecoder) -> None:
        self._decoder = decoder
        self._error: tuple[str, int] | None = None
        self._faults: list[str] = []

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        for message in self._decoder.feed(chunk):
            # An exception may also come as an event of its name; other decoders of Bedrock streams expect both forms.
            if message.kind == _EVENT and message.type not in failures.STREAM_EXCEPTIONS:
                self.on_event(message)
            elif message.kind in {_EVENT, "exception", "error"}:
                self._error = self._error or failures.in_stream(message.type)
            else:
                self.unknown_event()

    def result(self) -> Reading:
        """Tell what was read so far. A stream of which a part could not be read is not complete, whatever it said."""
        found = self.reading()
        faults = (*self._decoder.faults, *self._faults, *found.faults)
        error = self._error or (found.error_code and (found.error_code, found.error_status)) or (None, None)
        return replace(
            found,
            complete=found.complete and not faults,
            complete_if_whole=found.complete_if_whole and not faults and error[0] is None,
            cut=self._decoder.pending > 0,
            error_code=error[0],
            error_status=error[1],
            faults=faults,
        )

    @abstractmethod
    def on_event(self, message: Message) -> None:
        """Take one event."""

    @abstractmethod
    def reading(self) -> Reading:
        """Tell what the events said."""

    def unknown_event(self) -> None:
        """Note a message of a kind that this version does not know: it may have held a count."""
        self.fault(UNKNOWN_EVENT)

    def fault(self, code: str) -> None:
        """Note what could not be read."""
        if code not in self._faults:
            self._faults.append(code)
