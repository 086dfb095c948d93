"""Sign a request and send it to Bedrock; give the answer as it arrives.

The signer is botocore's, the connection the standard library's, kept alive between calls. There is no boto3 client and
no service model: nothing here parses what it carries. There are no retries either, since the caller's SDK retries; only
a connection that could not be made, before any byte was sent, is tried once more.
"""

import http.client
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from bedrock_meter.errors import UpstreamTimeout, UpstreamUnavailable
from gateway.credentials import Provider

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

SIGNING_NAME = "bedrock"

# What Bedrock understands. Whatever else a caller sends (its authorization, cookies, what proxies added) stays here.
_FORWARDED = frozenset({"accept", "content-type", "user-agent"})
_FORWARDED_PREFIXES = ("amz-sdk-", "x-amzn-bedrock-", "x-stainless-")

_CHUNK = 64 * 1024
_CONNECT_TIMEOUT_SECONDS = 5.0
_MAX_IDLE_SECONDS = 45.0
"""Beyond this a kept connection is not trusted: a frozen Lambda environment does not see its peer hang up."""
_DEADLINE_MARGIN_SECONDS = 1.0
"""Time to tell the caller and to write the record before Lambda ends the function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request that is ready to go."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Answer:
    """Bedrock's answer: its head, and its body as an iterator.

    Attributes:
        status: The HTTP status.
        headers: In order, as they arrived.
    """

    def __init__(
        self, raw: http.client.HTTPResponse, read: Callable[[], bytes], release: Callable[[bool], None]
    ) -> None:
        self.status = raw.status
        self.headers = tuple(raw.getheaders())
        self._raw = raw
        self._read = read
        self._release = release

    def chunks(self) -> Iterator[bytes]:
        """Give the body as it arrives, byte for byte.

        Raises:
            UpstreamUnavailable: The connection broke before the body was whole.
            UpstreamTimeout: The time ran out before the body was whole.
        """
        received, whole = 0, False
        try:
            while chunk := self._read():
                received += len(chunk)
                yield chunk
            # http.client ends quietly when a body with a Content-Length is cut short; `length` is what is missing.
            if self._raw.length:
                raise UpstreamUnavailable(
                    f"Bedrock's answer broke off after {received} of {received + self._raw.length} bytes. Try again."
                )
            whole = True
        finally:
            self._release(whole)


class Upstream:
    """Bedrock, at one URL. Safe to share between threads; each call has a connection of its own while it lasts.

    Args:
        url: The endpoint, such as ``https://bedrock-runtime.us-east-1.amazonaws.com``.
        region: The Region to sign for.
        credentials: Where the credentials come from.
        read_timeout: How long Bedrock may stay silent, in seconds.
    """

    def __init__(self, *, url: str, region: str, credentials: Provider, read_timeout: float) -> None:
        parts = urlsplit(url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._prefix = parts.path
        self._host, self._port, self._tls = parts.hostname or "", parts.port, parts.scheme == "https"
        self._region = region
        self._credentials = credentials
        self._read_timeout = read_timeout
        self._idle: deque[tuple[http.client.HTTPConnection, float]] = deque(maxlen=64)

    def sign(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> SignedRequest:
        """Make a request of our own from the caller's.

        Args:
            method: The HTTP method.
            path: The raw path. It is signed and sent as it stands.
            headers: The caller's headers with lower-case names; those that Bedrock knows are passed on.
            body: The body, passed on as it stands.
        """
        target = self._prefix + path
        request = AWSRequest(method=method, url=self._origin + target, data=body, headers=forwarded(headers))
        SigV4Auth(cast("ReadOnlyCredentials", self._credentials()), SIGNING_NAME, self._region).add_auth(request)
        return SignedRequest(method=method, target=target, headers=dict(request.headers.items()), body=body)

    def send(self, request: SignedRequest, deadline: float | None) -> Answer:
        """Send a signed request and wait for the head of the answer.

        Args:
            request: What `sign` made.
            deadline: When the caller must have its answer, on ``time.perf_counter``; None for no bound.

        Raises:
            UpstreamUnavailable: There was no answer.
            UpstreamTimeout: The time ran out.
        """
        connection = self._connection(deadline)
        try:
            self._limit(connection, deadline)
            connection.request(request.method, request.target, request.body, dict(request.headers))
            raw = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._failure(error) from error

        def read() -> bytes:
            try:
                self._limit(connection, deadline)
                return raw.read1(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise self._failure(error) from error

        def release(whole: bool) -> None:
            if whole and not raw.will_close:
                self._idle.append((connection, time.perf_counter()))
            else:
                raw.close()
                connection.close()

        return Answer(raw, read, release)

    def close(self) -> None:
        """Close the connections that are kept for later calls."""
        while self._idle:
            self._idle.pop()[0].close()

    def _connection(self, deadline: float | None) -> http.client.HTTPConnection:
        while self._idle:
            connection, since = self._idle.pop()
            if time.perf_counter() - since < _MAX_IDLE_SECONDS and not _hung_up(connection.sock):
                return connection
            connection.close()
        connection = self._new_connection()
        for last_try in (False, True):
            try:
                connection.timeout = min(_CONNECT_TIMEOUT_SECONDS, self._left(deadline))
                connection.connect()
            except OSError as error:
                connection.close()
                if last_try:
                    raise self._failure(error) from error
            else:
                break
        return connection

    def _new_connection(self) -> http.client.HTTPConnection:
        if self._tls:
            return http.client.HTTPSConnection(self._host, self._port)
        return http.client.HTTPConnection(self._host, self._port)

    def _limit(self, connection: http.client.HTTPConnection, deadline: float | None) -> None:
        # http.client lets go of the socket once the last byte of an answer that ends the connection is buffered.
        if connection.sock is not None:
            connection.sock.settimeout(self._left(deadline))

    def _left(self, deadline: float | None) -> float:
        if deadline is None:
            return self._read_timeout
        left = deadline - time.perf_counter() - _DEADLINE_MARGIN_SECONDS
        if left <= 0:
            raise TimeoutError
        return min(self._read_timeout, left)

    def _failure(self, error: Exception) -> UpstreamUnavailable | UpstreamTimeout:
        # Only the kind of the error is told: its text may carry addresses that are nobody's business.
        if isinstance(error, TimeoutError):
            return UpstreamTimeout("Bedrock did not answer within the time that the gateway has for a call.")
        return UpstreamUnavailable(f"The connection to Bedrock failed ({type(error).__name__}). Try again.")


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """Choose the headers that go on to Bedrock.

    ``Accept-Encoding`` is always ``identity``: a compressed answer could not be metered as it passes.
    """
    chosen = {
        name: value for name, value in headers.items() if name in _FORWARDED or name.startswith(_FORWARDED_PREFIXES)
    }
    return {**chosen, "accept-encoding": "identity"}


def _hung_up(sock: socket.socket | None) -> bool:
    """Tell whether the peer has closed a connection on which nothing is due: then it is readable."""
    return sock is None or bool(select.select([sock], [], [], 0)[0])
