"""The sockets: a threading HTTP/1.1 server that sends what `respond` decides, whole or cut.

The standard library's server is used because the faults need the raw socket: a reset in the middle of a body, and a
body that is shorter than its Content-Length.
"""

import contextlib
import socket
import sys
import threading
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self, override

from meterctl.simulate.answer import Answer, Ending, encode
from meterctl.simulate.exchange import Exchange, Request
from meterctl.simulate.faults import Script
from meterctl.simulate.invocationlog import InvocationLog
from meterctl.simulate.ledger import Served
from meterctl.simulate.pace import Pace
from meterctl.simulate.sending import RESET_ON_CLOSE, Line, Manner, head, send_answer
from meterctl.simulate.state import Bedrock

LEDGER_PATH: Final = "/__simulator__/ledger"
DEFAULT_SLOW_MS: Final = 2000
# The largest body that InvokeModel's `Body` shape allows (botocore's service model).
MAX_BODY_BYTES: Final = 25_000_000


class _Server(ThreadingHTTPServer):
    """Keeps track of its connections, so that it can stop while clients keep theirs alive."""

    # server_close() then waits for the handlers: nothing of a simulator outlives it.
    daemon_threads = False
    # The default of 5 makes bursts of parallel clients wait a second for the SYN to be sent again.
    request_queue_size = 128

    def __init__(self, port: int, bedrock: Bedrock) -> None:
        self.bedrock = bedrock
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    @override
    def shutdown_request(self, request: Any) -> None:
        """Close a connection; the base class would send a FIN first, which a reset must not have."""
        with self._lock:
            self._connections.discard(request)
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(RESET_ON_CLOSE)) == RESET_ON_CLOSE:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report the simulator's own faults; a client that went away is none."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Stop accepting, hang up on every client, wait for the handlers."""
        self.stopping.set()
        self.shutdown()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Reads requests from one connection and sends the answers."""

    protocol_version = "HTTP/1.1"
    # Without TCP_NODELAY, Nagle's algorithm and delayed acknowledgements add 40 ms to an answer.
    disable_nagle_algorithm = True
    server: _Server

    def serve(self) -> None:
        """Answer one request of any method."""
        body = self._read_body()
        if body is None:
            return
        if self.command == "GET" and self.path == LEDGER_PATH:
            self._send_ledger()
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        exchange = self.server.bedrock.serve(Request(method=self.command, path=self.path, headers=headers, body=body))
        if exchange.answer.delay_ms:
            self.server.stopping.wait(exchange.answer.delay_ms / 1000)
        self._send(exchange)

    # The base class looks the method up by these names.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815

    def _read_body(self) -> bytes | None:
        """Return the request's body, or None after an answer to a body that cannot be read."""
        problem = _body_problem(self.headers)
        if problem:
            # Where the next request begins is unknown, so the connection ends here.
            self.close_connection = True
            self.connection.sendall(head(Answer(status=problem, headers=(), body=b""), keep_alive=False))
            return None
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return None
        return body

    def _send_ledger(self) -> None:
        answer = Answer(
            status=200,
            headers=(("Content-Type", "application/json"),),
            body=encode(self.server.bedrock.ledger.as_json()),
        )
        self.connection.sendall(head(answer, keep_alive=not self.close_connection) + answer.body)

    def _send(self, exchange: Exchange) -> None:
        """Record the exchange, then send it: a client that has its answer finds it in the ledger."""
        bedrock = self.server.bedrock
        index = bedrock.ledger.record(exchange)
        line = Line(connection=self.connection, stopping=self.server.stopping)
        try:
            send_answer(
                line,
                exchange.answer,
                bedrock.manner,
                keep_alive=not self.close_connection,
                before_end=lambda: bedrock.ledger.mark(index, complete=True),
            )
        except OSError:
            bedrock.ledger.mark(index, complete=False)
            self.close_connection = True
        if exchange.answer.ending is not Ending.WHOLE:
            self.close_connection = True

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: a request line holds a model id, and a test has no use for it."""


def _body_problem(headers: Message) -> HTTPStatus | None:
    """Return the status that refuses a body which cannot be read, or None."""
    length = headers.get("Content-Length", "0")
    if "Transfer-Encoding" in headers:
        return HTTPStatus.LENGTH_REQUIRED
    if not (length.isascii() and length.isdigit()):
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if int(length) > MAX_BODY_BYTES else None


class Simulator:
    """A Bedrock on 127.0.0.1 that serves from the moment it is made until `close`.

    Use it as a context manager, or call `close`.
    """

    def __init__(  # noqa: PLR0913 - each is an option of its own
        self,
        *,
        port: int = 0,
        seed: int = 1,
        latency_ms: int = 0,
        slow_ms: int = DEFAULT_SLOW_MS,
        script: Script | None = None,
        tokens_per_second: float | None = None,
        first_token_ms: float = 0,
        chunk_bytes: int | None = None,
        data_first: bool = False,
        invocation_log: InvocationLog | None = None,
    ) -> None:
        """Bind the port and begin to serve.

        Args:
            port: TCP port; 0 takes a free one.
            seed: Another seed gives other texts, lengths and request ids.
            latency_ms: How long a model takes, in milliseconds; errors are answered at once.
            slow_ms: How much longer a model takes under the fault `slow`, in milliseconds.
            script: Which calls show which fault.
            tokens_per_second: How fast a streamed answer comes; None for as fast as possible.
            first_token_ms: From the head of a stream to its first text, in milliseconds.
            chunk_bytes: The size of the chunks in which HTTP carries a stream, whatever frames they cut or join; None
                for one chunk to each frame.
            data_first: The events of a streamed response have their `data:` line before their `event:` line, as
                bedrock-mantle sends them.
            invocation_log: Where calls are logged as Bedrock would; None for nowhere.

        Raises:
            OSError: The port is taken.
            ValueError: The pace or the size of the chunks makes no sense.
        """
        pace = Pace(first_token_ms=first_token_ms, tokens_per_second=tokens_per_second)
        bedrock = Bedrock(
            seed=seed,
            latency_ms=latency_ms,
            slow_ms=slow_ms,
            script=script or Script(),
            manner=Manner(pace=pace, chunk_bytes=chunk_bytes, data_first=data_first),
            log=invocation_log,
        )
        self._bedrock = bedrock
        self._server = _Server(port, bedrock)
        # The poll interval is what `close` waits for at worst.
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="bedrock-simulator"
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The endpoint URL for SDKs."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._server.server_address[1])

    @property
    def ledger(self) -> tuple[Served, ...]:
        """What was served so far, in order."""
        return self._bedrock.ledger.entries()

    def close(self) -> None:
        """Hang up on every client and free the port; a second call does nothing."""
        if self._thread.is_alive():
            self._server.stop()
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
