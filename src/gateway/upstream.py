"""Sign a request and send it to Bedrock; give the answer as it arrives.

There is no boto3 client and no service model here: nothing parses what it carries. There are no retries either, since
the caller's SDK retries.
"""

import re
import time
from collections.abc import Callable, Generator, Mapping

from awshttp.credentials import Credentials, Provider
from awshttp.endpoint import Endpoint, NotConnected
from awshttp.http1 import BrokenAnswer, Connection, Head
from bedrock_meter.errors import InvalidRequest, UpstreamTimeout, UpstreamUnavailable

# What Bedrock understands. Whatever else a caller sends (its authorization, cookies, what proxies added) stays here.
_FORWARDED = frozenset({"accept", "content-type", "user-agent"})
_FORWARDED_PREFIXES = ("amz-sdk-", "anthropic-", "openai-", "x-amzn-bedrock-", "x-stainless-")
_NOT_IN_A_HEADER = re.compile(r"[^\t\x20-\x7e]")

_SIGNED_FOR = "bedrock"
"""Bedrock's runtime and its control plane alike."""

DEADLINE_MARGIN_SECONDS = 1.0
"""Time to tell the caller and to write the record before Lambda ends the function."""
_UNREACHABLE = "The connection to Bedrock failed ({}). Try again."


class Answer:
    """Bedrock's answer: its head, and its body as an iterator.

    Attributes:
        status: The HTTP status.
        headers: In order, as they arrived.
    """

    def __init__(
        self,
        head: Head,
        read: Callable[[], bytes],
        release: Callable[[bool], None],
        hurry: Callable[[float], None],
    ) -> None:
        self.status = head.status
        self.headers = head.headers
        self._read = read
        self._release = release
        self._hurry = hurry

    def hurry(self, seconds: float) -> None:
        """Give the rest of the body no more than so many seconds from now."""
        self._hurry(seconds)

    def chunks(self) -> Generator[bytes]:
        """Give the body as it arrives, byte for byte. Closing the iterator closes the connection.

        Raises:
            UpstreamUnavailable: The connection broke before the body was whole.
            UpstreamTimeout: The time ran out before the body was whole.
        """
        whole = False
        try:
            while chunk := self._read():
                yield chunk
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
        self._endpoint = Endpoint(url=url, service=_SIGNED_FOR, region=region, credentials=credentials)
        self._read_timeout = read_timeout

    def sign(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        credentials: Credentials | None = None,
    ) -> bytes:
        """Make a request of our own from the caller's.

        Args:
            method: The HTTP method.
            path: The raw path, with its query if it has one. It is signed and sent as it stands.
            headers: The caller's headers with lower-case names; those that Bedrock knows are passed on.
            body: The body, passed on as it stands.
            credentials: To sign with, instead of the gateway's own.

        Returns:
            The request as it goes over the wire.

        Raises:
            InvalidRequest: A header holds what no header can.
            GatewayFault: There are no credentials.
        """
        return self._endpoint.request(method, path, forwarded(headers), body, credentials=credentials)

    def send(self, request: bytes, deadline: float | None) -> Answer:
        """Send a signed request and wait for the head of the answer.

        Args:
            request: What `sign` made.
            deadline: When the caller must have its answer, on ``time.perf_counter``; None for no bound.

        Raises:
            UpstreamUnavailable: There was no answer.
            UpstreamTimeout: The time ran out.
        """
        end: float | None = None

        def time_left() -> float:
            left = self._time_left(deadline)
            if end is not None:
                left = min(left, end - time.perf_counter())
                if left <= 0:
                    raise TimeoutError
            return left

        def hurry(seconds: float) -> None:
            nonlocal end
            end = time.perf_counter() + seconds

        connection = self._connection(time_left)
        try:
            connection.send(request, time_left())
            head = connection.head(time_left)
        except (OSError, BrokenAnswer) as error:
            connection.close()
            raise _failure(error) from error

        def read() -> bytes:
            try:
                return connection.read(time_left)
            except (OSError, BrokenAnswer) as error:
                raise _failure(error) from error

        def release(whole: bool) -> None:
            self._endpoint.release(connection, whole=whole)

        return Answer(head, read, release, hurry)

    def close(self) -> None:
        """Close the connections that are kept for later calls."""
        self._endpoint.close()

    def _connection(self, time_left: Callable[[], float]) -> Connection:
        try:
            return self._endpoint.connection(time_left)
        except NotConnected as error:
            # Nothing was sent, so this is no timeout of the model, however long it took.
            raise UpstreamUnavailable(_UNREACHABLE.format(type(error.__cause__).__name__), sent=False) from error
        except TimeoutError as error:
            raise _failure(error) from error

    def _time_left(self, deadline: float | None) -> float:
        if deadline is None:
            return self._read_timeout
        left = deadline - time.perf_counter() - DEADLINE_MARGIN_SECONDS
        if left <= 0:
            raise TimeoutError
        return min(self._read_timeout, left)


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """Choose the headers that go on to Bedrock.

    ``Accept-Encoding`` is always ``identity``: a compressed answer could not be metered as it passes.

    Raises:
        InvalidRequest: One of them holds a character that HTTP cannot carry.
    """
    chosen = {
        name: value for name, value in headers.items() if name in _FORWARDED or name.startswith(_FORWARDED_PREFIXES)
    }
    for name, value in chosen.items():
        if _NOT_IN_A_HEADER.search(value):
            raise InvalidRequest(f"The header {name} holds a character that HTTP cannot carry. Leave it out.")
    return {**chosen, "accept-encoding": "identity"}


def _failure(error: OSError | BrokenAnswer) -> UpstreamUnavailable | UpstreamTimeout:
    if isinstance(error, TimeoutError):
        return UpstreamTimeout("Bedrock did not answer within the time that the gateway has for a call.")
    if isinstance(error, BrokenAnswer):
        return UpstreamUnavailable(f"Bedrock's answer is not whole: {error}. Try again.")
    # Only the kind of a network error is told: its text may carry addresses that are nobody's business.
    return UpstreamUnavailable(_UNREACHABLE.format(type(error).__name__))
