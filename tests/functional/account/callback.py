"""CloudFormation's side of a custom resource: the pre-signed URL, on this machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Callback:
    """What CloudFormation was told."""

    url: str
    """Where to tell it."""
    refusals: int = 0
    """How many answers it turns away before it takes one."""
    answers: list[dict[str, Any]] = field(default_factory=list)
    """The answers that it took."""
    told: threading.Event = field(default_factory=threading.Event)
    """Set when it took one."""
    heads: list[dict[str, str]] = field(default_factory=list)
    """Their headers, by lower-case name."""


@contextmanager
def serving() -> Iterator[Callback]:
    """Listen on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if callback.refusals:
                callback.refusals -= 1
                self.send_response(503)
            else:
                callback.heads.append({name.lower(): value for name, value in self.headers.items()})
                callback.answers.append(json.loads(body))
                callback.told.set()
                self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        callback = Callback(url=f"http://127.0.0.1:{server.server_address[1]}/answer?signature=canary")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield callback
        finally:
            server.shutdown()
            thread.join()
