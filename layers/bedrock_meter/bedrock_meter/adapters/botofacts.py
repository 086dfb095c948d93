"""What botocore's objects say about a call, read where its hooks show them.

botocore is imported where it is needed: whoever has a client has imported it.
"""

from collections.abc import Mapping
from typing import Any


def as_bytes(body: Any) -> bytes:
    """Take the serialised body; a file-like one belongs to the caller and is not read here."""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else b""


def attempts(context: Mapping[str, Any]) -> int | None:
    """Give the number of requests that botocore sent for a call, which it counts for its own header."""
    attempt = context.get("retries", {}).get("attempt")
    return attempt if isinstance(attempt, int) else None


def unsent(exception: BaseException, attempts: int | None) -> bool:
    """Tell whether a call certainly never left: its only attempt found nobody to talk to, or no credentials."""
    from botocore.exceptions import (  # noqa: PLC0415 - see the head of this module
        ConnectTimeoutError,
        EndpointConnectionError,
        NoCredentialsError,
    )

    return attempts in {None, 1} and isinstance(
        exception, ConnectTimeoutError | EndpointConnectionError | NoCredentialsError
    )


def event_stream(parsed: Mapping[str, Any]) -> Any:
    """Find the stream in a result: ConverseStream calls it ``stream``, InvokeModelWithResponseStream ``body``."""
    from botocore.eventstream import EventStream  # noqa: PLC0415 - see the head of this module

    return next(value for value in parsed.values() if isinstance(value, EventStream))
