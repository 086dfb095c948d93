"""One signed GET on a connection of its own, for what is asked seldom and answered in one piece."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ssl import create_default_context
from urllib.parse import urlsplit

from awshttp.credentials import Credentials
from awshttp.http1 import BrokenAnswer, Connection
from awshttp.sigv4 import sign

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An answer, whole."""

    status: int
    """The HTTP status."""
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


def fetch(
    url: str,
    headers: Mapping[str, str],
    *,
    service: str,
    region: str,
    credentials: Credentials,
    seconds: float,
    max_bytes: int,
) -> Fetched:
    """Ask once.

    Args:
        url: What to get, percent-encoded.
        headers: What is sent besides, with lower-case names.
        service: The name that the service is signed for.
        region: The Region.
        credentials: With these.
        seconds: How long it may take, all in all.
        max_bytes: How much of a body is read.

    Raises:
        OSError: The network failed, or the time ran out (`TimeoutError`).
        BrokenAnswer: The answer is not whole, no HTTP, or larger than ``max_bytes``.
    """
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    signed = sign(
        "GET",
        target,
        headers,
        b"",
        host=parts.netloc,
        service=service,
        region=region,
        credentials=credentials,
        now=datetime.now(UTC),
    )
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in signed.items()), "", ""]
    tls = create_default_context() if parts.scheme == "https" else None
    connection = Connection(parts.hostname or "", parts.port or _PORTS[parts.scheme], tls=tls)
    time_left = _countdown(seconds)
    try:
        connection.connect(time_left())
        connection.send("\r\n".join(lines).encode("latin-1"), time_left())
        head = connection.head(time_left)
        body = bytearray()
        while piece := connection.read(time_left):
            body += piece
            if len(body) > max_bytes:
                raise BrokenAnswer("it is too large")
    finally:
        connection.close()
    return Fetched(status=head.status, headers={name.lower(): value for name, value in head.headers}, body=bytes(body))


def _countdown(seconds: float) -> Callable[[], float]:
    end = time.monotonic() + seconds

    def left() -> float:
        rest = end - time.monotonic()
        if rest <= 0:
            raise TimeoutError
        return rest

    return left
