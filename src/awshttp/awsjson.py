"""AWS services that speak JSON, over a kept-alive connection and without botocore.

The operation stands in a header; parameters and answer are the JSON documents of the service's API reference. DynamoDB
speaks AWS JSON 1.0, EventBridge 1.1 of the same (https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html).

Nothing is retried: of a request whose answer was lost nobody knows whether it was carried out.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from awshttp.credentials import Provider
from awshttp.endpoint import Endpoint, NotConnected
from awshttp.http1 import BrokenAnswer
from bedrock_meter.endpoints import service_url
from bedrock_meter.errors import AwsError

TIMEOUT_SECONDS = 1.0
"""These services answer within some ten milliseconds; whoever waits here makes a caller wait."""

_OK = 200
_encode = json.JSONEncoder(separators=(",", ":")).encode


class JsonService:
    """A service that speaks AWS JSON. Safe to share between threads.

    Args:
        region: The Region.
        credentials: Where the credentials come from.
        url: The endpoint; None for AWS's own in the Region.
        timeout: How long a request may take in all, in seconds.
    """

    _service: ClassVar[str]
    """Its host name and the name that it is signed for."""
    _target: ClassVar[str]
    """What stands before the operation in ``X-Amz-Target``."""
    _content_type: ClassVar[str]
    """The version of the protocol."""
    _error: ClassVar[type[AwsError]] = AwsError

    def __init__(
        self, *, region: str, credentials: Provider, url: str | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self._endpoint = Endpoint(
            url=url or service_url(self._service, region), service=self._service, region=region, credentials=credentials
        )
        self._timeout = timeout

    def send(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one operation and give its answer.

        Raises:
            AwsError: The service refused it, or no answer came in time.
            GatewayFault: There are no credentials.
        """
        try:
            status, body = self._endpoint.exchange(
                "POST",
                "/",
                {
                    "accept-encoding": "identity",
                    "content-type": self._content_type,
                    "x-amz-target": f"{self._target}.{operation}",
                },
                _encode(parameters).encode(),
                timeout=self._timeout,
            )
        except (OSError, NotConnected, BrokenAnswer) as error:
            raise self._error(AwsError.UNANSWERED) from error
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None  # what stands before the service may answer with a page
        if status == _OK and isinstance(document, dict):
            return document
        fields = document if isinstance(document, dict) else {}
        # "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
        code = str(fields.get("__type", "")).rpartition("#")[2]
        raise self._error(code or f"Http{status}", fields)

    def close(self) -> None:
        """Close the connections that are kept for later requests."""
        self._endpoint.close()
