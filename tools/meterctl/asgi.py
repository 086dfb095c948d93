"""The gateway's transport-free app behind ASGI, for the local server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sized
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from gateway.http import Request, Response

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_WORKERS = 64
"""Calls that may wait for Bedrock at the same time; each holds one thread."""


class GatewayAsgi:
    """Adapts ``Request -> Response`` to ASGI: the app blocks, so each call runs in a thread of its own.

    Args:
        gateway: The app.
    """

    def __init__(self, gateway: Callable[[Request], Response]) -> None:
        self._gateway = gateway
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="gateway")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, or take part in the server's start and end."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(
            id=str(uuid4()),
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            headers=_by_name(scope["headers"]),
            body=await _body(receive),
        )
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(self._threads, self._gateway, request)
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        if isinstance(response.body, Sized):
            length = sum(map(len, response.body))
            headers.append((b"content-length", str(length).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        chunks = iter(response.body)
        while (chunk := await loop.run_in_executor(self._threads, _next, chunks)) is not None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._threads.shutdown(wait=False, cancel_futures=True)
        await send({"type": "lifespan.shutdown.complete"})


def _next(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)


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
