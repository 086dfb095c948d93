"""What a CloudWatch refuses, and what this one does not know. Never an empty answer instead."""

from typing import NoReturn

from bedrock_meter import MeterError


class CloudWatchError(MeterError):
    """A request that is refused.

    Attributes:
        code: The name of the error on the wire, as AWS SDKs see it.
    """

    def __init__(self, message: str, *, code: str = "ValidationError") -> None:
        super().__init__(message)
        self.code = code


class InvalidParameterError(CloudWatchError):
    """A parameter that is missing, malformed or out of range."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="InvalidParameterValue")


class InvalidTokenError(CloudWatchError):
    """A ``NextToken`` that was given for another request, or for none."""

    def __init__(self) -> None:
        super().__init__("NextToken does not belong to this request", code="InvalidNextToken")


class QueryError(CloudWatchError):
    """An expression, search, statistic or label that cannot be understood or computed.

    Attributes:
        position: The character at which it went wrong, from 0; None where the whole is meant.
    """

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message if position is None else f"{message} at position {position}")
        self.position = position


class ExpressionError(CloudWatchError):
    """A fault in one query of a request. Grafana finds the panel's row by the quoted id."""

    def __init__(self, query_id: str, fault: QueryError) -> None:
        super().__init__(f"Error in expression '{query_id}': {fault}")


def refuse(message: str, position: int | None = None) -> NoReturn:
    """Raise a :class:`QueryError`."""
    raise QueryError(message, position=position)
