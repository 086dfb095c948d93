"""The gateway's transport-free app behind ASGI, for the local server."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, MutableMapping, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from bedrock_meter.errors import Refusal
from gateway.http import Request, Response

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_WORKERS = 64
"""Calls that may wait for Bedrock at the same time; each holds one thread."""


_NO_HTTP2 = (
    "meterctl serve speaks HTTP/1.1 only. In the AWS SDK for JavaScript set requestHandler: new NodeHttpHandler() "
    "of @smithy/node-http-handler."
)


class GatewayAsgi:
    """Adapts ``Request -> Response`` to ASGI: the app blocks, so each call runs in a thread of its own.

    Use it as a context manager around the server: leaving it waits for the answers that are still read and metered
    after their callers have gone.

    Args:
        gateway: The app.
    """

    def __init__(self, gateway: Callable[[Request], Response]) -> None:
        self._gateway = gateway
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="gateway")
        # Apart, so that callers who have gone take no place from those who wait.
        self._closers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="gateway-drain")

    def __enter__(self) -> Self:
        """Be ready."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until every call has its record."""
        self._threads.shutdown()
        self._closers.shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, or take part in the server's start and end."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http" and scope["http_version"].startswith("2"):
            await _refuse_http2(send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(
            id=str(uuid4()),
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=_by_name(scope["headers"]),
            body=await _body(receive),
        )
        answering = self._threads.submit(self._gateway, request)
        try:
            response = await asyncio.shield(asyncio.wrap_future(answering))
        except asyncio.CancelledError:
            answering.add_done_callback(_close_answer)  # the server stops; the answer may still come
            raise
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        if isinstance(response.body, Sized):
            body = b"".join(response.body)
            headers.append((b"content-length", str(len(body)).encode()))
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})
            return
        stream = _Stream(response)
        gone = asyncio.ensure_future(_disconnect(receive))
        try:
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await self._relay(stream, send, gone)
        finally:
            gone.cancel()
            self._closers.submit(stream.close)

    async def _relay(self, stream: "_Stream", send: Send, gone: "asyncio.Future[None]") -> None:
        loop = asyncio.get_running_loop()
        while not gone.done():
            try:
                chunk = await loop.run_in_executor(self._threads, stream.next)
            except Refusal:
                return  # without the end of the message: the server closes the connection, and the caller sees a cut
            if chunk is None:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _refuse_http2(send: Send) -> None:
    """Say that HTTP/2 is not spoken.

    The JavaScript SDK's own handler takes leave of the connection as soon as an answer has begun, while it still reads
    it. hypercorn then closes the connection, and the stream would end short without an error.
    """
    await send({"type": "http.response.start", "status": 505, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps({"message": _NO_HTTP2}).encode(), "more_body": False})


class _Stream:
    """The body of an answer, which one thread at a time may advance or close."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._chunks = iter(response.body)
        self._one_at_a_time = threading.Lock()

    def next(self) -> bytes | None:
        """Wait for the next chunk; None at the end."""
        with self._one_at_a_time:
            return next(self._chunks, None)

    def close(self) -> None:
        """Say that nobody waits any more. It waits for the chunk that is being read, and reads the rest."""
        with self._one_at_a_time:
            self._response.close()


def _close_answer(answering: "Future[Response]") -> None:
    if answering.exception() is None:
        answering.result().close()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def _by_name(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


async def _body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    return b"".join(chunks)
