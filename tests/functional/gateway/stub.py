"""A stand-in for Bedrock that shows every byte it got, and answers with exactly the bytes, or the fault, it is told."""

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: close() sends RST instead of FIN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it arrived."""

    connection: int
    """Which connection it came on, from 0."""
    method: str
    """The method."""
    target: str
    """The request target, byte for byte."""
    headers: tuple[tuple[str, str], ...]
    """The headers, in order."""
    body: bytes
    """The body."""

    def header(self, name: str) -> str | None:
        """Give the value of a header that may come once; fail when it comes twice."""
        values = [value for given, value in self.headers if given.lower() == name.lower()]
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None


type Reply = Callable[[socket.socket], None]
"""Answers on a connection. To end the connection it closes the socket."""


def http(status: int, headers: dict[str, str], body: bytes, *, length: int | None = None) -> bytes:
    """Put an answer on the wire; ``length`` overrides the Content-Length."""
    lines = [f"HTTP/1.1 {status} Reason", *(f"{name}: {value}" for name, value in headers.items())]
    if "Transfer-Encoding" not in headers:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def sends(data: bytes) -> Reply:
    """Send these bytes and keep the connection."""
    return lambda connection: connection.sendall(data)


def sends_then_closes(data: bytes) -> Reply:
    """Send these bytes and close the connection in the ordinary way."""

    def reply(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.close()

    return reply


def sends_then_resets(data: bytes) -> Reply:
    """Send these bytes, let them arrive, and reset the connection."""

    def reply(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.sendall(data)
        connection.close()

    return reply


def stays_silent(data: bytes = b"") -> Reply:
    """Send these bytes and then nothing, until the peer gives up."""

    def reply(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.recv(1)
        connection.close()

    return reply


class StubUpstream:
    """A server on a free port of 127.0.0.1; give it one reply per request, the last of which repeats.

    Attributes:
        url: Its URL.
        seen: The requests so far.
    """

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self.closed = threading.Semaphore(0)
        """Released once for every connection that this side has closed."""
        self.seen: list[Seen] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def replies_with(self, *replies: Reply) -> None:
        """Give other replies from now on."""
        with self._lock:
            self._replies = list(replies)

    @property
    def connections(self) -> int:
        """How many connections were made so far."""
        return len(self._connections)

    def __enter__(self) -> Self:
        """Start to serve."""
        self._threads.append(threading.Thread(target=self._accept, daemon=True))
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every socket and wait for the threads."""
        # shutdown() wakes accept(); close() alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection, len(self._connections)), daemon=True)
            self._connections.append(connection)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while connection.fileno() >= 0 and (seen := _read_request(connection, number)):
                with self._lock:
                    self.seen.append(seen)
                    reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
                reply(connection)
        except ConnectionError:
            return  # the gateway went away, as some of the tests want it to
        finally:
            connection.close()
            self.closed.release()


def _read_request(connection: socket.socket, number: int) -> Seen | None:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    request_line, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = request_line.split(" ")
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return Seen(connection=number, method=method, target=target, headers=headers, body=body)
