"""An ASGI app on a loopback port, in a thread of its own: hypercorn, started and stopped."""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from types import TracebackType
from typing import Any, Self

from hypercorn.asyncio import serve
from hypercorn.config import Config

from meterctl.certificate import ALPN, LocalCertificate

_STOP_SECONDS = 10.0
_GRACE_SECONDS = 1.0
"""How long answers that are under way may take when the server stops; then it hangs up on their callers."""


class LocalServer:
    """Serves an ASGI app while the ``with`` block runs.

    Args:
        app: The ASGI app.
        port: The port on 127.0.0.1; 0 takes a free one.
        certificate: What to serve https with; None serves http.

    Attributes:
        url: Where it listens, such as ``http://127.0.0.1:8400``.
    """

    def __init__(self, app: Any, *, port: int = 0, certificate: LocalCertificate | None = None) -> None:
        self._app = app
        self._certificate = certificate
        self._socket = socket.create_server(("127.0.0.1", port))
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
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
        if self._certificate is not None:
            config.certfile = config.keyfile = str(self._certificate.chain)
            config.alpn_protocols = [ALPN]
        config.errorlog = logging.getLogger("meterctl.server")
        config.graceful_timeout = _GRACE_SECONDS
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(config))

    async def _serve(self, config: Config) -> None:
        serving = asyncio.ensure_future(serve(self._app, config, shutdown_trigger=self._stop.wait))
        stopping = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        # From Python 3.12 on hypercorn waits without bound for connections to end by themselves. What is left of them
        # after the grace is cancelled when the loop ends.
        await asyncio.wait({serving}, timeout=_GRACE_SECONDS)
        serving.cancel()
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


def wait_for_signal() -> None:
    """Wait for Ctrl-C or SIGTERM. A second one has its usual effect: it ends the process at once."""
    stop = threading.Event()
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in usual:
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    for number, handler in usual.items():
        signal.signal(number, handler)
