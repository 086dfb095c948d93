"""The local CloudWatch on a loopback port."""

from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from hypercorn.middleware import AsyncioWSGIMiddleware

from bedrock_meter import MeterError
from meterctl.server import LocalServer

if TYPE_CHECKING:
    from meterctl.cloudwatch.engine import CloudWatch

MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""CloudWatch takes requests of 1 MB; a batch for loading may be larger."""


class MissingExtraError(MeterError):
    """The packages behind the server are not installed."""

    def __init__(self) -> None:
        super().__init__("`meterctl cloudwatch` needs moto and Flask: pip install 'bedrock-meter[cli,local]'")


class CloudWatchServer:
    """Serves an engine while the ``with`` block runs.

    Args:
        engine: What answers.
        clock: Tells the time.
        port: The port on 127.0.0.1; 0 takes a free one.
        log_group: What DescribeLogGroups lists.

    Attributes:
        url: The endpoint, for ``AWS_ENDPOINT_URL_CLOUDWATCH`` or boto3's ``endpoint_url``.

    Raises:
        MissingExtraError: If moto or Flask is not installed.
    """

    def __init__(
        self, engine: "CloudWatch", *, clock: Callable[[], datetime], port: int = 0, log_group: str | None = None
    ) -> None:
        try:
            from meterctl.cloudwatch import front  # noqa: PLC0415 - an optional extra
        except ModuleNotFoundError as error:
            raise MissingExtraError from error
        app = front.build(engine, clock=clock, log_group=log_group)
        self._server = LocalServer(AsyncioWSGIMiddleware(app, MAX_REQUEST_BYTES), port=port)
        self.url = self._server.url

    def __enter__(self) -> Self:
        """Start."""
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait until the thread has ended."""
        self._server.__exit__(kind, error, trace)
