"""Puts an `Answer` on a connection: whole or cut, at once or at the pace of the model."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from meterctl.simulate.answer import Answer, Ending, Frame, Stream
from meterctl.simulate.pace import Pace, schedule

# onoff = 1, linger = 0: close() drops what is unsent and resets the connection.
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_LOOK_AGAIN_SECONDS: Final = 0.02
_LAST_CHUNK: Final = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How streams are sent."""

    pace: Pace
    """When each frame is due."""
    chunk_bytes: int | None = None
    """The size of the chunks of HTTP, whatever frames they cut or join; None for one chunk to each frame."""
    data_first: bool = False
    """Whether server-sent events have their `data:` line before their `event:` line."""

    def __post_init__(self) -> None:
        if self.chunk_bytes is not None and self.chunk_bytes < 1:
            raise ValueError(f"chunk_bytes is {self.chunk_bytes}, it has to be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One client's connection."""

    connection: socket.socket
    """Its socket."""
    stopping: threading.Event
    """Set when the simulator stops."""

    def send(self, data: bytes) -> None:
        """Send `data`; raise OSError if the client is gone or the simulator stops.

        The first send to a connection that the client closed would still succeed, so this looks first.
        """
        if self.stopping.is_set() or self._is_gone():
            raise ConnectionAbortedError
        self.connection.sendall(data)

    def wait(self, seconds: float) -> None:
        """Let time pass; raise ConnectionAbortedError if the simulator stops."""
        if seconds > 0 and self.stopping.wait(seconds):
            raise ConnectionAbortedError

    def wait_for_hangup(self) -> None:
        """Keep silent until the client goes or the simulator stops, then raise ConnectionAbortedError."""
        while not self._is_gone():
            self.wait(_LOOK_AGAIN_SECONDS)
        raise ConnectionAbortedError

    def reset_on_close(self) -> None:
        """Make the end of this connection a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)

    def _is_gone(self) -> bool:
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False


def send_answer(
    line: Line, answer: Answer, manner: Manner, *, keep_alive: bool, before_end: Callable[[], None]
) -> None:
    """Send `answer` and end as it says.

    Args:
        line: To whom.
        answer: What.
        manner: How, if it is a stream.
        keep_alive: What the `Connection` header says of a whole answer.
        before_end: Called right before the last bytes of a whole answer leave.

    Raises:
        OSError: The client went away, or the simulator stops.
    """
    if answer.ending is not Ending.RESET_BEFORE:
        keep_alive = keep_alive or answer.ending is not Ending.WHOLE
        for data in _parts(line, answer, manner, keep_alive=keep_alive, before_end=before_end):
            line.send(data)
    if answer.ending is Ending.SILENT_MIDWAY:
        line.wait_for_hangup()
    if answer.ending in {Ending.RESET_BEFORE, Ending.RESET_MIDWAY}:
        line.reset_on_close()


def _parts(
    line: Line, answer: Answer, manner: Manner, *, keep_alive: bool, before_end: Callable[[], None]
) -> Iterator[bytes]:
    """Yield what goes into each send. No packet carries a head alone if more is due at once."""
    whole = answer.ending is Ending.WHOLE
    if answer.stream is None:
        body = answer.body if whole else answer.body[: len(answer.body) // 2]
        if whole:
            before_end()
        yield head(answer, keep_alive=keep_alive) + body
        return
    pending = head(answer, keep_alive=keep_alive)
    for data, last in _chunks(line, answer.stream if whole else _half(answer.stream), manner):
        if data:
            pending += f"{len(data):x}\r\n".encode() + data + b"\r\n"
        if last and whole:
            # A client that has seen the last frame may hang up at once; it has had everything.
            before_end()
            pending += _LAST_CHUNK
        if pending:
            yield pending
        pending = b""


def _chunks(line: Line, stream: Stream, manner: Manner) -> Iterator[tuple[bytes, bool]]:
    """Yield the chunks of HTTP when they are due, each with whether it is the last; nothing at all before a wait."""
    began = time.monotonic()
    held = b""
    for frame, due_ms in schedule(stream.frames, manner.pace):
        seconds = began + due_ms / 1000 - time.monotonic()
        if seconds > 0:
            yield held, False
            held = b""
            line.wait(seconds)
        held += frame.data
        size = manner.chunk_bytes or len(held) or 1
        # The very last chunk is kept for the end of the stream.
        kept = 1 if frame is stream.frames[-1] else 0
        full = (len(held) - kept) // size * size
        for start in range(0, full, size):
            yield held[start : start + size], False
        held = held[max(full, 0) :]
    yield held, True


def _half(stream: Stream) -> Stream:
    """Return the first half of the bytes of `stream`, wherever that cuts a frame."""
    left = sum(len(frame.data) for frame in stream.frames) // 2
    kept: list[Frame] = []
    for frame in stream.frames:
        kept.append(Frame(data=frame.data[:left], tokens=frame.tokens))
        left -= len(kept[-1].data)
        if left == 0:
            break
    return Stream(frames=tuple(kept), wire=stream.wire)


def head(answer: Answer, *, keep_alive: bool) -> bytes:
    """Return status line and headers; Content-Length is that of the whole body."""
    framing = f"Content-Length: {len(answer.body)}" if answer.stream is None else "Transfer-Encoding: chunked"
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Date: {formatdate(usegmt=True)}",
        *(f"{name}: {value}" for name, value in answer.headers),
        framing,
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
