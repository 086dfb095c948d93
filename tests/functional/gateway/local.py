"""The gateway behind the local server of ``meterctl serve``, in this process: ``with serve(url) as served``."""

import http.client
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.functional.gateway.door import ENVIRON, REGION, USE_CASE

from bedrock_meter.config import Settings
from bedrock_meter.domain import Record
from gateway.app import build
from meterctl.asgi import GatewayAsgi, Receive, Scope, Send
from meterctl.server import LocalServer

WAIT_SECONDS = 20.0
"""How long a test waits for what has to come; only a test that fails waits so long."""


@dataclass(slots=True)
class QueueSink:
    """A `Sink` from which a test can take records as they come."""

    records: "queue.Queue[Record]" = field(default_factory=queue.Queue)

    def emit(self, record: Record) -> None:
        """Keep one record."""
        self.records.put(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running local gateway."""

    url: str
    """Its URL."""
    sink: QueueSink
    """Its records."""
    noticed: threading.Event
    """Set once the gateway has noticed that a caller went away."""

    def record(self) -> Record:
        """Wait for the next record."""
        return self.sink.records.get(timeout=WAIT_SECONDS)

    def post(self, path: str, body: bytes) -> http.client.HTTPResponse:
        """Send one request; give the answer, unread, which owns its connection."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=WAIT_SECONDS)
        with closing(connection):  # the answer keeps the socket open as long as it needs it
            connection.request("POST", path, body, {"Connection": "close"})
            return connection.getresponse()

    def open(self, path: str, body: bytes) -> socket.socket:
        """Send one request over a bare socket."""
        parts = urlsplit(self.url)
        caller = socket.create_connection((parts.hostname or "", parts.port or 0), WAIT_SECONDS)
        caller.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body)) + body)
        return caller


@contextmanager
def serve(upstream_url: str, **settings: Any) -> Iterator[Served]:
    """Run the gateway on a free port."""
    usual: dict[str, Any] = {"upstream_url": upstream_url, "region": REGION, "use_case": USE_CASE}
    sink, noticed = QueueSink(), threading.Event()
    gateway = build(Settings(**(usual | settings)), environ=ENVIRON, sink=sink)
    with closing(gateway), GatewayAsgi(gateway) as app:

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            async def watch() -> Any:
                message = await receive()
                if message["type"] == "http.disconnect":
                    noticed.set()
                return message

            try:
                await app(scope, watch, send)
            finally:
                noticed.set()  # the server stops and takes its callers with it

        with LocalServer(watched) as server:
            yield Served(url=server.url, sink=sink, noticed=noticed)
