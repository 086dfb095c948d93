"""An HTTP/1.1 connection to one host: bytes of a request out, head and body of the answer in, nothing else.

The gateway relays; it has no use for cookies, redirects, proxies or decoded bodies. ``http.client`` would take half of
the gateway's own time for its mail-style headers, takes a connection that closes within the head for a whole head, and
ends a cut body without a word. The figures are in docs/decisions/0004-gateway-start-up.md.

Framing follows RFC 9112 sections 6 and 7. The connection never decides what a failure means to the caller: it raises
`OSError` (`TimeoutError` among them) for the network and `BrokenAnswer` for an answer that is not whole.
"""

import re
import select
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

MAX_HEAD = 64 * 1024
"""The largest head of an answer, in bytes; nginx, Apache and Node stop at 8 to 16 KB."""

_RECEIVE = 64 * 1024
_MAX_CHUNK_LINE = 1024

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: [^\r\n]*)?")
_HEADER_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")

_FIRST_FINAL_STATUS = 200
_NO_BODY = frozenset({204, 304})


class BrokenAnswer(Exception):  # noqa: N818 - an answer that is broken, not an error of ours
    """The answer ended early, or is no HTTP/1.1."""


class _Framing(Enum):
    LENGTH = auto()
    CHUNKED = auto()
    UNTIL_CLOSE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The status and headers of an answer."""

    status: int
    """The HTTP status."""
    headers: tuple[tuple[str, str], ...]
    """In order, names as they were sent."""


class Connection:
    """One connection, for one exchange at a time: `send`, `head`, then `read` until it gives nothing.

    Args:
        host: The host.
        port: The port.
        tls: The TLS context; None for plain HTTP.

    What waits takes ``time_left``: it gives the seconds that the next wait may last, or raises `TimeoutError`.
    """

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> None:
        self._address = (host, port)
        self._tls = tls
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._framing = _Framing.UNTIL_CLOSE
        self._left = 0
        self._in_chunk = False
        self._keep = False
        self._received = 0

    @property
    def reusable(self) -> bool:
        """Whether the answer was read whole and the peer keeps the connection open."""
        return self._keep and not self._buffer

    def connect(self, timeout: float) -> None:
        """Open the connection.

        Raises:
            OSError: It could not be opened in time, or at all.
        """
        self._socket = socket.create_connection(self._address, timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            self._socket = self._tls.wrap_socket(self._socket, server_hostname=self._address[0])

    def close(self) -> None:
        """Close the connection; harmless when it is closed."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._keep = False

    def hung_up(self) -> bool:
        """Tell whether the peer has closed a connection on which nothing is due: then there is something to read."""
        return self._socket is None or bool(select.select([self._socket], [], [], 0)[0])

    def send(self, request: bytes, timeout: float) -> None:
        """Send a whole request, head and body in one piece."""
        self._open().settimeout(timeout)
        self._open().sendall(request)

    def head(self, time_left: Callable[[], float]) -> Head:
        """Wait for the head of the answer.

        Raises:
            BrokenAnswer: The peer closed before the head was whole, or sent no HTTP.
        """
        self._received, self._keep = 0, False
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            while end < 0:
                if len(self._buffer) > MAX_HEAD:
                    raise BrokenAnswer("its head is too long")
                if not self._fill(time_left):
                    raise BrokenAnswer("it ended within its head")
                end = self._buffer.find(b"\r\n\r\n")
            lines = bytes(self._buffer[:end]).split(b"\r\n")
            del self._buffer[: end + 4]
            version, status = _status(lines[0])
            headers = tuple(_header(line) for line in lines[1:])
            if status >= _FIRST_FINAL_STATUS:
                self._frame(version, status, headers)
                return Head(status=status, headers=headers)

    def read(self, time_left: Callable[[], float]) -> bytes:
        """Wait for the next bytes of the body, as many as have arrived; nothing when the body is whole.

        Raises:
            BrokenAnswer: The peer closed before the body was whole, or broke the framing.
        """
        if self._framing is _Framing.LENGTH:
            data = self._read_length(time_left)
        elif self._framing is _Framing.CHUNKED:
            data = self._read_chunked(time_left)
        else:
            data = self._take(_RECEIVE) if self._buffer or self._fill(time_left) else b""
        self._received += len(data)
        return data

    def _frame(self, version: int, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        by_name: dict[str, set[str]] = {}
        for name, value in headers:
            by_name.setdefault(name.lower(), set()).add(value.strip().lower())
        self._keep = version == 1 and "close" not in by_name.get("connection", ())
        self._in_chunk, self._left = False, 0
        lengths = by_name.get("content-length", set())
        if "transfer-encoding" in by_name:
            if by_name["transfer-encoding"] != {"chunked"}:
                raise BrokenAnswer("its transfer encoding is unknown")
            self._framing = _Framing.CHUNKED
            self._keep = self._keep and not lengths  # both at once is how requests are smuggled
        elif status in _NO_BODY:
            self._framing = _Framing.LENGTH
        elif lengths:
            length = lengths.pop()
            if lengths or not (length.isascii() and length.isdigit()):
                raise BrokenAnswer("its length is no number")
            self._framing, self._left = _Framing.LENGTH, int(length)
        else:
            self._framing, self._keep = _Framing.UNTIL_CLOSE, False

    def _read_length(self, time_left: Callable[[], float]) -> bytes:
        if self._left == 0:
            return b""
        if not self._buffer and not self._fill(time_left):
            raise BrokenAnswer(f"it broke off after {self._received} of {self._received + self._left} bytes")
        data = self._take(self._left)
        self._left -= len(data)
        return data

    def _read_chunked(self, time_left: Callable[[], float]) -> bytes:
        if self._left == 0:
            if self._in_chunk and self._line(time_left):
                raise BrokenAnswer("a chunk is longer than it says")
            size = self._line(time_left).partition(b";")[0].strip()
            if not _CHUNK_SIZE.fullmatch(size):
                raise BrokenAnswer("the size of a chunk is no number")
            self._left, self._in_chunk = int(size, 16), True
            if self._left == 0:
                self._in_chunk = False
                while self._line(time_left):
                    pass  # trailers
                self._framing = _Framing.LENGTH  # nothing is left
                return b""
        if not self._buffer and not self._fill(time_left):
            raise BrokenAnswer(f"it broke off after {self._received} bytes")
        data = self._take(self._left)
        self._left -= len(data)
        return data

    def _line(self, time_left: Callable[[], float]) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _MAX_CHUNK_LINE or not self._fill(time_left):
                raise BrokenAnswer(f"it broke off after {self._received} bytes")
        line = self._take(end)
        del self._buffer[:2]
        return line

    def _take(self, size: int) -> bytes:
        if size >= len(self._buffer):
            data = bytes(self._buffer)
            self._buffer.clear()
        else:
            data = bytes(memoryview(self._buffer)[:size])
            del self._buffer[:size]
        return data

    def _fill(self, time_left: Callable[[], float]) -> bool:
        """Receive what there is; tell whether the peer is still there."""
        connected = self._open()
        connected.settimeout(time_left())
        data = connected.recv(_RECEIVE)
        self._buffer += data
        return bool(data)

    def _open(self) -> socket.socket:
        if self._socket is None:
            raise OSError("the connection is closed")
        return self._socket


def _status(line: bytes) -> tuple[int, int]:
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise BrokenAnswer("it is no HTTP/1.1")
    return int(found[1]), int(found[2])


def _header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not _HEADER_NAME.fullmatch(name):
        raise BrokenAnswer("one of its headers is none")
    return name.decode("ascii"), value.strip(b" \t").decode("latin-1")
