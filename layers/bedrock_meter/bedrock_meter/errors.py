"""The exceptions of bedrock-meter: one root, each with the HTTP answer it stands for and its facts as data.

.. code-block:: text

    MeterError
    ├── ConfigError            a setting is missing or wrong; raised at start-up, never during a call
    ├── PriceBookError         a price book cannot be used
    ├── AwsError               another AWS service than Bedrock refused a request, or gave no answer
    │   └── DynamoDbError      DynamoDB did
    ├── LimitStoreError        the counters of the limits cannot be read or written
    ├── RegistryError          the registry cannot be read, or holds what it cannot
    └── Refusal                the call is answered here and not sent to Bedrock (or Bedrock gave no answer)
        ├── UnknownOperation   404  UnknownOperationException
        ├── InvalidRequest     400  ValidationException
        ├── RequestTooLarge    413  ValidationException
        ├── AccessDenied       403  AccessDeniedException
        │   └── UnpricedModel  403  a limit in US dollars applies, and the call has no price
        ├── BudgetExceeded     400  ServiceQuotaExceededException: SDKs do not repeat it
        │   └── RateLimited    429  ThrottlingException: SDKs wait and repeat it
        ├── LimitsUnavailable  503  ServiceUnavailableException
        ├── UpstreamUnavailable 503 ServiceUnavailableException
        ├── UpstreamTimeout    408  ModelTimeoutException
        └── GatewayFault       500  InternalServerException

``code`` is the name that AWS SDKs map to an exception class; it travels in the ``x-amzn-ErrorType`` header. The codes
and their statuses are those of bedrock-runtime itself
(https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html and the Errors section of each operation).
Messages never carry a prompt, a completion, a key or a credential.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar


class MeterError(Exception):
    """The root of every exception that bedrock-meter raises."""


class ConfigError(MeterError):
    """A setting is missing or wrong.

    Attributes:
        setting: The environment variable or argument to change.
    """

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting}: {problem}")
        self.setting = setting


class PriceBookError(MeterError):
    """A price book cannot be used; no row of it is.

    Attributes:
        row: The row that is wrong: its place in the list, from 1, and its key; None when it is the book as a whole.
    """

    def __init__(self, problem: str, *, row: str | None = None) -> None:
        super().__init__(f"{row or 'the price book'}: {problem}")
        self.row = row


class AwsError(MeterError):
    """Another AWS service than Bedrock refused a request of our own, or gave no answer.

    Attributes:
        code: AWS's name of the error, such as ``ConditionalCheckFailedException``; `UNANSWERED` when no answer came, so
            that nobody knows whether the request was carried out.
        fields: What else the answer said, such as ``Item`` or ``CancellationReasons``.
    """

    UNANSWERED: ClassVar[str] = "Unanswered"

    def __init__(self, code: str, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields or {}


class DynamoDbError(AwsError):
    """DynamoDB refused a request, or gave no answer."""


class LimitStoreError(MeterError):
    """The counters of the limits cannot be read or written; what happens to the call is the fail mode's to say."""


class RegistryError(MeterError):
    """The registry cannot be read, or holds what it cannot."""


class Refusal(MeterError):  # noqa: N818 - named for what it does to the call
    """A call that is answered here instead of by Bedrock.

    Attributes:
        code: The AWS exception name, for ``x-amzn-ErrorType``.
        http_status: The status of the answer.
        message: What was wrong and what to do, for the caller.
    """

    code: ClassVar[str]
    http_status: ClassVar[int]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UnknownOperation(Refusal):
    """The route is not one that the gateway can meter, so it does not forward it."""

    code = "UnknownOperationException"
    http_status = 404


class InvalidRequest(Refusal):
    """The request cannot be one that Bedrock would accept."""

    code = "ValidationException"
    http_status = 400


class RequestTooLarge(Refusal):
    """The body is larger than a Lambda function can receive.

    Attributes:
        size: The body's size in bytes.
        limit: The largest size that is accepted, in bytes.
    """

    code = "ValidationException"
    http_status = 413

    def __init__(self, *, size: int, limit: int) -> None:
        super().__init__(
            f"The request body has {size} bytes and the gateway accepts at most {limit}. "
            "Send less (fewer or smaller images and documents), or call Bedrock from a function with the layer."
        )
        self.size = size
        self.limit = limit


class AccessDenied(Refusal):
    """The caller may not make this call."""

    code = "AccessDeniedException"
    http_status = 403


class UnpricedModel(AccessDenied):
    """A limit in US dollars applies to the call, and nobody knows what the call would cost.

    Attributes:
        limit: The limit's id.
    """

    def __init__(self, message: str, *, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class BudgetExceeded(Refusal):
    """A limit has no room for the call.

    Attributes:
        limit: The limit's id.
        unit: What it counts: ``usd``, ``tokens`` or ``requests``.
        amount: How much a window of it has.
        spent: How much of that is spent; None where nobody looked, because the call fits into no window.
        held: How much of it is held back for calls that have not been settled; None likewise.
        asked: How much this call may need.
        resets_at: When the next window begins; aware, UTC.
    """

    code = "ServiceQuotaExceededException"
    http_status = 400

    def __init__(
        self,
        message: str,
        *,
        limit: str,
        unit: str,
        amount: Decimal,
        spent: Decimal | None,
        held: Decimal | None,
        asked: Decimal,
        resets_at: datetime,
    ) -> None:
        super().__init__(message)
        self.limit = limit
        self.unit = unit
        self.amount = amount
        self.spent = spent
        self.held = held
        self.asked = asked
        self.resets_at = resets_at


class RateLimited(BudgetExceeded):
    """A limit per minute has no room for the call; the next minute will have.

    Attributes:
        retry_after: How many seconds to wait, for the ``Retry-After`` header.
    """

    code = "ThrottlingException"
    http_status = 429

    def __init__(self, message: str, *, retry_after: int, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class LimitsUnavailable(Refusal):
    """The limits could not be looked at, and the deployment's fail mode is closed."""

    code = "ServiceUnavailableException"
    http_status = 503


class UpstreamUnavailable(Refusal):
    """Bedrock could not be reached, or broke the connection off before its answer was complete.

    Attributes:
        sent: Whether anything of the call may have reached Bedrock.
    """

    code = "ServiceUnavailableException"
    http_status = 503

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class UpstreamTimeout(Refusal):
    """Bedrock did not answer within the time that is left for the call.

    This is 408 and not 503 because SDKs send a 503 again: the model may still be working on the first request,
    and AWS bills every request that it finishes.
    """

    code = "ModelTimeoutException"
    http_status = 408


class GatewayFault(Refusal):
    """The gateway itself failed before it could send the call: a missing credential, or a bug."""

    code = "InternalServerException"
    http_status = 500
