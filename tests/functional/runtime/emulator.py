"""Lambda's Runtime API as a runtime sees it: it hands out invocations and takes answers while they arrive.

What reaches it is kept in order, each event with what could be seen at that moment (`Emulator.observe`), so that a test
can say what came before what without waiting for anything to *not* happen.
"""

import itertools
import json
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

PATIENCE = 20.0
"""How long a test waits for what has to happen, in seconds."""
API = "/2018-06-01/runtime"
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that reached the Runtime API."""

    kind: str
    """``next``, ``response``, ``response-end``, ``error``, ``init-error``, ``restore-next`` or ``restore-error``."""
    id: str | None = None
    """The invocation that it is about."""
    seen: Any = None
    """What `Emulator.observe` gave at that moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A request to the Runtime API, as it arrived."""

    path: str
    """Its path below the version."""
    headers: tuple[tuple[str, str], ...]
    """In order, names in lower case."""
    chunks: tuple[bytes, ...] = ()
    """The HTTP chunks of its body; one for a body that has a length."""
    trailers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""

    @property
    def body(self) -> bytes:
        """The body, whole."""
        return b"".join(self.chunks)

    def all(self, name: str) -> list[str]:
        """Give every value of a header."""
        return [value for given, value in self.headers if given == name]

    def head(self) -> dict[str, Any]:
        """Give what stands before the eight NUL bytes, decoded."""
        head: dict[str, Any] = json.loads(self.body.partition(bytes(8))[0])
        return head

    def payload(self) -> bytes:
        """Give what stands behind the eight NUL bytes; fails where they are missing."""
        _, delimiter, payload = self.body.partition(bytes(8))
        assert delimiter == bytes(8)
        return payload


@dataclass(slots=True)
class Exchange:
    """One invocation and what was posted for it."""

    id: str
    """Lambda's id of it."""
    headers: Mapping[str, str]
    """What ``/next`` says beside the event."""
    event: bytes
    """The event."""
    seconds: float
    """How long Lambda gives it, from the moment that it is handed out."""
    status: int = 202
    """What the post is answered with."""
    hang_up_after: int | None = None
    """After so many chunks the connection is reset."""
    stalls: bool = False
    """Whether nothing of the body is ever read."""
    arrivals: "queue.SimpleQueue[bytes | Posted]" = field(default_factory=queue.SimpleQueue)
    """Chunks as they arrive, and then the whole post."""

    def chunk(self) -> bytes:
        """Wait for the next chunk."""
        arrived = self.arrivals.get(timeout=PATIENCE)
        assert isinstance(arrived, bytes), "the answer has ended"
        return arrived

    def posted(self) -> Posted:
        """Wait for the end of the post; chunks that nobody asked for are passed over."""
        while True:
            arrived = self.arrivals.get(timeout=PATIENCE)
            if isinstance(arrived, Posted):
                return arrived


class Emulator:
    """The server, on a free port of 127.0.0.1.

    Args:
        observe: Looked at for every event.

    Attributes:
        address: What ``AWS_LAMBDA_RUNTIME_API`` has to be.
        events: What arrived so far, in order.
        reports: What was posted to ``/init/error`` and ``/restore/error``.
    """

    def __init__(self, observe: Callable[[], Any] = lambda: None) -> None:
        self.observe = observe
        self.events: list[Event] = []
        self.reports: dict[str, Posted] = {}
        self._happened = threading.Condition()
        self._pending: queue.SimpleQueue[Exchange | None] = queue.SimpleQueue()
        self._exchanges: dict[str, Exchange] = {}
        self._numbers = itertools.count(1)
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Start to serve."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop: hang up on whoever waits for an invocation."""
        self._closing.set()
        self._pending.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def invoke(
        self,
        event: Any,
        *,
        seconds: float = 60.0,
        headers: Mapping[str, str] | None = None,
        status: int = 202,
        hang_up_after: int | None = None,
        stalls: bool = False,
    ) -> Exchange:
        """Hand out an invocation.

        Args:
            event: The event; bytes are sent as they are.
            seconds: How long Lambda gives it.
            headers: Headers of ``/next`` that differ from the usual ones.
            status: What the post is answered with.
            hang_up_after: After so many chunks of the answer the connection is reset.
            stalls: Whether nothing of the answer is ever read.
        """
        number = f"invocation-{next(self._numbers)}"
        usual = {
            "Lambda-Runtime-Aws-Request-Id": number,
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:gateway",
            "Lambda-Runtime-Trace-Id": f"Root=1-5759e988-{number}",
        }
        exchange = Exchange(
            id=number,
            headers={**usual, **(headers or {})},
            event=event if isinstance(event, bytes) else json.dumps(event).encode(),
            seconds=seconds,
            status=status,
            hang_up_after=hang_up_after,
            stalls=stalls,
        )
        self._exchanges[number] = exchange
        self._pending.put(exchange)
        return exchange

    def wait_for(self, kind: str, times: int = 1) -> Event:
        """Wait until an event has happened so many times; give it."""
        with self._happened:
            assert self._happened.wait_for(lambda: len(self._of(kind)) >= times, PATIENCE), self.kinds()
            return self._of(kind)[times - 1]

    def kinds(self) -> list[str]:
        """Give the kinds of the events so far."""
        return [event.kind for event in self.events]

    def note(self, kind: str, id_: str | None = None) -> None:
        """Keep an event."""
        with self._happened:
            self.events.append(Event(kind=kind, id=id_, seen=self.observe()))
            self._happened.notify_all()

    def take(self) -> Exchange | None:
        """Wait for an invocation to hand out; None when the emulator stops."""
        return self._pending.get()

    def exchange(self, id_: str) -> Exchange:
        """Give an invocation that was handed out."""
        return self._exchanges[id_]

    def wait_for_the_end(self) -> None:
        """Hold a connection until the emulator stops."""
        self._closing.wait()

    def _of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], emulator: Emulator) -> None:
        super().__init__(address, _Connection)
        self.emulator = emulator

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: runtimes that are ended in the middle are what some of the tests are about."""


class _Connection(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        """Serve ``/invocation/next`` and ``/restore/next``."""
        emulator = self.server.emulator
        if self.path == f"{API}/restore/next":
            emulator.note("restore-next")
            self._reply(200, {}, b"")
            return
        assert self.path == f"{API}/invocation/next"
        emulator.note("next")
        exchange = emulator.take()
        if exchange is None:
            self.close_connection = True
            return
        deadline = str(int((time.time() + exchange.seconds) * 1000))
        self._reply(200, {**exchange.headers, "Lambda-Runtime-Deadline-Ms": deadline}, exchange.event)

    def do_POST(self) -> None:
        """Take an answer or an error."""
        emulator, path = self.server.emulator, self.path.removeprefix(API)
        if path in {"/init/error", "/restore/error"}:
            emulator.reports[path] = self._posted(path, (self._whole_body(),))
            emulator.note(path[1:].replace("/", "-"))
            self._reply(202, {}, b"")
            return
        _, kind, id_, what = path.split("/")
        assert kind == "invocation"
        exchange = emulator.exchange(id_)
        emulator.note(what, id_)
        if what == "error":
            posted = self._posted(path, (self._whole_body(),))
        elif exchange.stalls:
            emulator.wait_for_the_end()
            return
        else:
            chunks = self._chunks(exchange)
            if chunks is None:
                return
            posted = self._posted(path, chunks, self._trailers())
        emulator.note(f"{what}-end", id_)
        exchange.arrivals.put(posted)
        self._reply(exchange.status, {}, b"")

    def _chunks(self, exchange: Exchange) -> tuple[bytes, ...] | None:
        """Read a chunked body as it arrives; None when the connection was reset on purpose."""
        chunks: list[bytes] = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            assert self.rfile.readline() == b"\r\n"
            exchange.arrivals.put(chunks[-1])
            if len(chunks) == exchange.hang_up_after:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                self.close_connection = True
                self.connection.close()
                return None
        return tuple(chunks)

    def _trailers(self) -> dict[str, str]:
        trailers: dict[str, str] = {}
        while (line := self.rfile.readline()) != b"\r\n":
            assert line, "the connection ended within the trailers"
            name, _, value = line.decode().partition(":")
            trailers[name.lower()] = value.strip()
        return trailers

    def _whole_body(self) -> bytes:
        return self.rfile.read(int(self.headers["content-length"]))

    def _posted(self, path: str, chunks: tuple[bytes, ...], trailers: Mapping[str, str] | None = None) -> Posted:
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        return Posted(path=path, headers=headers, chunks=chunks, trailers=trailers or {})

    def _reply(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
