"""Incremental framing of ``application/vnd.amazon.eventstream``: bytes in, messages out. Pure, bounded, linear.

The frame: total length, header length and a CRC-32 of the two (the prelude); headers; payload; a CRC-32 of all of it
(https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html describes the encoding, which Bedrock shares).

The decoder watches a relay, so it is tolerant. A message whose own checksum is wrong is left out and counted, and the
next one is read. Once the prelude is wrong nobody can say where the next message starts: the decoder is lost, says so,
and ignores the rest. It never raises.
"""

from functools import lru_cache
from struct import Struct
from typing import NamedTuple
from zlib import crc32

MAX_MESSAGE = 24 * 1024 * 1024
"""The largest message that is collected, in bytes: the bound that botocore's own decoder puts on a payload. A longer
claim is taken for corruption, so that memory stays bounded."""

CORRUPT_MESSAGE = "stream_message_corrupt"
LOST = "stream_framing_lost"
UNREADABLE_HEADERS = "stream_headers_unreadable"

_read_prelude = Struct(">III").unpack_from
_read_checksum = Struct(">I").unpack_from
_PRELUDE_SIZE, _CHECKSUM_SIZE = 12, 4
_OVERHEAD = _PRELUDE_SIZE + _CHECKSUM_SIZE

# Bytes of a header value by its type; the variable ones (6 bytes, 7 string) carry a length of two bytes.
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _STRING = 6, 7


class Message(NamedTuple):
    """One message of a stream. A tuple because it is made for every chunk: a frozen dataclass takes twice the time."""

    kind: str
    """``:message-type``: ``event`` or ``exception``; ``error`` for an unmodelled one; empty when absent."""
    type: str
    """``:event-type``, or ``:exception-type``, or ``:error-code``; empty when absent."""
    payload: bytes
    """The payload as it arrived."""


class EventStreamDecoder:
    """Splits a byte stream into messages.

    Attributes:
        faults: What could not be read, in order; each kind once.
        lost: Whether the framing was lost, so that nothing more will come.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.lost = False
        self._buffer = bytearray()
        self._wanted = _PRELUDE_SIZE

    @property
    def pending(self) -> int:
        """Bytes of a message that has not arrived whole; not 0 at the end of a stream means that it was cut."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes; give the messages that they complete."""
        messages: list[Message] = []
        if self.lost:
            return messages
        # Most chunks start with a new message. Then the chunk itself is read, and only its unfinished end is kept.
        # The end of a longer message is collected without being looked at again, so that the work stays linear.
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._wanted:
                return messages
            source: bytes | bytearray = self._buffer
        else:
            source = data
        position, size = 0, len(source)
        self._wanted = _PRELUDE_SIZE
        while size - position >= _PRELUDE_SIZE:
            total, header_length, checksum = _read_prelude(source, position)
            if (
                not _OVERHEAD + header_length <= total <= MAX_MESSAGE
                or crc32(source[position : position + 8]) != checksum
            ):
                self._lose()
                return messages
            end = position + total
            if end > size:
                self._wanted = total
                break
            message = self._message(bytes(source[position:end]), header_length)
            if message is not None:
                messages.append(message)
            position = end
        if source is not data:
            del self._buffer[:position]
        elif position < size:
            self._buffer += memoryview(data)[position:]
        return messages

    def _message(self, frame: bytes, header_length: int) -> Message | None:
        checked = frame[:-_CHECKSUM_SIZE]
        if crc32(checked) != _read_checksum(frame, len(checked))[0]:
            self._fault(CORRUPT_MESSAGE)
            return None
        payload_start = _PRELUDE_SIZE + header_length
        names = _names(checked[_PRELUDE_SIZE:payload_start])
        if names is None:
            self._fault(UNREADABLE_HEADERS)
            return None
        return Message(names[0], names[1], checked[payload_start:])

    def _lose(self) -> None:
        self.lost = True
        self._buffer.clear()
        self._fault(LOST)

    def _fault(self, code: str) -> None:
        if code not in self.faults:
            self.faults.append(code)


@lru_cache(maxsize=256)
def _names(block: bytes) -> tuple[str, str] | None:
    """Read the kind and type from a header block; the same few blocks come with every message of a stream."""
    headers: dict[str, str] = {}
    position = 0
    try:
        while position < len(block):
            name_end = position + 1 + block[position]
            name, value_type = block[position + 1 : name_end].decode(), block[name_end]
            start = name_end + 1
            if value_type in {_BYTES, _STRING}:
                start, size = start + 2, int.from_bytes(block[start : start + 2])
            else:
                size = _FIXED_SIZES[value_type]
            position = start + size
            if value_type == _STRING:
                headers[name] = block[start:position].decode()
    except (IndexError, KeyError, UnicodeDecodeError):
        return None
    if position != len(block):
        return None
    kinds = (":event-type", ":exception-type", ":error-code")
    return headers.get(":message-type", ""), next((headers[kind] for kind in kinds if kind in headers), "")
