"""One AWS endpoint: requests signed for it, and the connections that are kept to it.

There are no retries; only a connection that could not be made, before any byte was sent, is tried once more.
"""

import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from awshttp.credentials import Credentials, Provider
from awshttp.http1 import BrokenAnswer, Connection
from awshttp.sigv4 import sign

_CONNECT_TIMEOUT_SECONDS = 5.0
_MAX_IDLE_SECONDS = 45.0
"""Beyond this a kept connection is not trusted: a frozen Lambda environment does not see its peer hang up."""
_MAX_IDLE = 64
"""So many connections are kept at most: as many as the local server has workers; a Lambda environment has one."""
_MAX_ANSWER = 32 * 1024 * 1024
"""No answer of DynamoDB is larger than 16 MB (BatchGetItem), and none of the other services comes near."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class NotConnected(Exception):  # noqa: N818 - what is the case, not whose error it is
    """No connection could be made, so nothing was sent; the cause is the `OSError` that says why."""


class Endpoint:
    """A service at one URL. Safe to share between threads; each exchange has a connection of its own while it lasts.

    Args:
        url: The endpoint, such as ``https://bedrock-runtime.us-east-1.amazonaws.com``.
        service: The name that the service is signed for.
        region: The Region to sign for.
        credentials: Where the credentials come from.
    """

    def __init__(self, *, url: str, service: str, region: str, credentials: Provider) -> None:
        parts = urlsplit(url)
        self._prefix = parts.path
        self._host = parts.netloc
        self._address = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._service = service
        self._region = region
        self._credentials = credentials
        self._idle: deque[tuple[Connection, float]] = deque()

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        credentials: Credentials | None = None,
    ) -> bytes:
        """Sign a request and give it as it goes over the wire.

        Args:
            method: The HTTP method.
            path: The raw path, with its query if it has one. It is signed and sent as it stands.
            headers: The headers, with lower-case names and values that HTTP can carry.
            body: The body.
            credentials: Other credentials than the endpoint's own.

        Raises:
            GatewayFault: There are no credentials.
        """
        target = self._prefix + path
        signed = sign(
            method,
            target,
            headers,
            body,
            host=self._host,
            service=self._service,
            region=self._region,
            credentials=credentials or self._credentials(),
            now=datetime.now(UTC),
        )
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in signed.items())]
        lines += [f"content-length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1") + body

    def connection(self, time_left: Callable[[], float]) -> Connection:
        """Give a connection for one exchange: one that was kept, else a new one.

        Args:
            time_left: Gives the seconds that may still be spent, or raises `TimeoutError`.

        Raises:
            TimeoutError: There was no time left.
            NotConnected: No connection could be made.
        """
        while (kept := self._kept()) is not None:
            connection, since = kept
            if time.perf_counter() - since < _MAX_IDLE_SECONDS and not connection.hung_up():
                return connection
            connection.close()
        timeout = min(_CONNECT_TIMEOUT_SECONDS, time_left())
        connection = Connection(*self._address, tls=self._tls)
        try:
            connection.connect(timeout)
        except OSError:
            self._connect_again(connection, time_left)
        return connection

    def release(self, connection: Connection, *, whole: bool) -> None:
        """Take a connection back, and keep it if its answer was read whole; else close it."""
        if whole and connection.reusable and len(self._idle) < _MAX_IDLE:
            self._idle.append((connection, time.perf_counter()))
        else:
            connection.close()

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> tuple[int, bytes]:
        """Send a request and read its answer whole.

        Args:
            method: The HTTP method.
            path: The raw path.
            headers: The headers, with lower-case names.
            body: The body.
            timeout: How long it may take in all, in seconds.

        Returns:
            The status and the body.

        Raises:
            GatewayFault: There are no credentials.
            NotConnected: Nothing was sent.
            OSError: The network failed, or the time ran out.
            BrokenAnswer: The answer is not whole, or longer than any of AWS's.
        """
        end = time.perf_counter() + timeout

        def time_left() -> float:
            left = end - time.perf_counter()
            if left <= 0:
                raise TimeoutError
            return left

        request = self.request(method, path, headers, body)
        connection = self.connection(time_left)
        whole = False
        try:
            connection.send(request, time_left())
            head = connection.head(time_left)
            answer = bytearray()
            while chunk := connection.read(time_left):
                answer += chunk
                if len(answer) > _MAX_ANSWER:
                    raise BrokenAnswer("it is too long")
            whole = True
        finally:
            self.release(connection, whole=whole)
        return head.status, bytes(answer)

    def close(self) -> None:
        """Close the connections that are kept for later exchanges."""
        while (kept := self._kept()) is not None:
            kept[0].close()

    def _kept(self) -> tuple[Connection, float] | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _connect_again(self, connection: Connection, time_left: Callable[[], float]) -> None:
        connection.close()
        try:
            connection.connect(min(_CONNECT_TIMEOUT_SECONDS, time_left()))
        except OSError as error:
            connection.close()
            raise NotConnected from error
