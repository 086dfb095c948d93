"""Limits in front of a boto3 client: a refusal is our own exception and botocore's in one.

botocore is imported where it is needed: whoever has a client has imported it.
"""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from bedrock_meter.adapters.dynamodb import Send, boto_transport
from bedrock_meter.domain import Call
from bedrock_meter.errors import Refusal
from bedrock_meter.limiter import Admission, Limiter

if TYPE_CHECKING:
    from botocore.client import BaseClient

TIMEOUT_SECONDS = 1.0
"""How long the application may wait for DynamoDB to connect, and to answer."""


class Gate:
    """Admits the calls of one client.

    Args:
        limiter: Admits calls.
        exceptions: The ``exceptions`` of the client.
    """

    def __init__(self, limiter: Limiter, exceptions: Any) -> None:
        self._limiter = limiter
        self._exceptions = exceptions

    def admit(self, call: Call, body: bytes, *, operation: str) -> Admission | None:
        """Admit a call, see `Limiter.admit`.

        Args:
            call: The call.
            body: Its body.
            operation: The name of the client's operation.

        Raises:
            Refusal: It is refused. ``except BudgetExceeded``, ``except ClientError`` and, where the service has an
                error of that name, ``except client.exceptions.ThrottlingException`` catch it alike.
        """
        try:
            return self._limiter.admit(call, body)
        except Refusal as refusal:
            raise self._as_client_error(refusal, operation, call.id) from refusal.__cause__

    def _as_client_error(self, refusal: Refusal, operation: str, request_id: str) -> Refusal:
        classes: tuple[Any, Any] = type(refusal), self._exceptions.from_code(refusal.code)
        kind: type[Refusal] = _both(*classes)
        both = kind.__new__(kind, refusal.message)
        facts = {
            "operation_name": operation,
            "response": {
                "Error": {"Code": refusal.code, "Message": refusal.message},
                "ResponseMetadata": {
                    "RequestId": request_id,
                    "HTTPStatusCode": refusal.http_status,
                    "HTTPHeaders": {},
                    "RetryAttempts": 0,
                },
                "message": refusal.message,
            },
        }
        vars(both).update(vars(refusal) | facts)
        return both


@cache
def _both(kind: Any, error: Any) -> Any:
    """Make the class that is both, and goes by the name of ours."""
    return type(kind.__name__, (kind, error), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def boto_services(region: str | None) -> Callable[[str], Send]:
    """Give the AWS services of a Region that limits need, by clients of botocore that all of the process shares."""

    def transport(service: str) -> Send:
        with _making:
            return boto_transport(service_client(service, region))

    return transport


_making = Lock()


@cache
def service_client(service: str, region: str | None) -> "BaseClient":
    """Make the client of an AWS service, one that tries once and does not wait long; the second time give the first."""
    from botocore.config import Config  # noqa: PLC0415 - see the head of this module
    from botocore.session import Session  # noqa: PLC0415 - the same

    config = Config(
        connect_timeout=TIMEOUT_SECONDS,
        read_timeout=TIMEOUT_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=64,
    )
    # An endpoint of one's own comes from AWS_ENDPOINT_URL_…, which botocore reads by itself.
    return Session().create_client(service, region_name=region, config=config)
