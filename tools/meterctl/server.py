"""An ASGI app on a loopback port, in a thread of its own: hypercorn, started and stopped."""

import asyncio
import logging
import signal
import socket
import threading
from types import TracebackType
from typing import Any, Self

from hypercorn.asyncio import serve
from hypercorn.config import Config

_STOP_SECONDS = 10.0


class LocalServer:
    """Serves an ASGI app while the ``with`` block runs.

    Args:
        app: The ASGI app.
        port: The port on 127.0.0.1; 0 takes a free one.

    Attributes:
        url: Where it listens, such as ``http://127.0.0.1:8400``.
    """

    def __init__(self, app: Any, *, port: int = 0) -> None:
        self._app = app
        self._socket = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, name="local-server", daemon=True)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    def __enter__(self) -> Self:
        """Start; the socket listens already, so a client may connect at once."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait until the thread has ended."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        config = Config()
        # hypercorn owns the socket from here on, and closes it.
        config.bind = [f"fd://{self._socket.detach()}"]
        config.errorlog = logging.getLogger("meterctl.server")
        config.graceful_timeout = 1.0
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(serve(self._app, config, shutdown_trigger=self._stop.wait))


def wait_for_signal() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
