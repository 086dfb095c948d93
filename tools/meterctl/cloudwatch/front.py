"""The local CloudWatch on HTTP: moto's server for the wire protocols and the alarms, our engine for the metrics.

moto is imported here and nowhere else: it is in the optional extra ``local``.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from flask import Flask
from moto.cloudwatch.exceptions import CloudWatchException
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import convert_to_flask_response
from moto.moto_server.werkzeug_app import BackendRequest

from meterctl.cloudwatch.engine import CloudWatch
from meterctl.cloudwatch.errors import CloudWatchError
from meterctl.cloudwatch.logsfront import LogsFront
from meterctl.cloudwatch.wire import CborBridge, Environ, StartResponse, Wsgi

METRIC_OPERATIONS = frozenset(["GetMetricData", "GetMetricStatistics", "ListMetrics", "PutMetricData"])
ALARM_OPERATIONS = frozenset(
    [
        *("DeleteAlarms", "DescribeAlarms", "DescribeAlarmsForMetric", "PutMetricAlarm", "SetAlarmState"),
        *("EnableAlarmActions", "DisableAlarmActions", "ListTagsForResource", "TagResource", "UntagResource"),
    ]
)
"""What moto answers well: it keeps alarms, but never evaluates them."""


def build(engine: CloudWatch, *, clock: Callable[[], datetime], log_group: str | None = None) -> Wsgi:
    """Make the WSGI app.

    Args:
        engine: Answers for metrics.
        clock: Tells the time.
        log_group: The log group that DescribeLogGroups lists: the plugin's health check asks for it.
    """
    app = Flask("meterctl-cloudwatch")
    app.request_class = BackendRequest
    view = convert_to_flask_response(_responses(engine, clock).dispatch)
    app.add_url_rule("/", endpoint="cloudwatch", methods=["POST"], view_func=view)
    return _OneAtATime(LogsFront(CborBridge(app), log_group=log_group))


class _OneAtATime:
    """moto's state of alarms is not made for threads."""

    def __init__(self, app: Wsgi) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        with self._lock:
            # An answer without any chunk would never be started by the server.
            return [b"".join(self._app(environ, start_response))]


def _responses(engine: CloudWatch, clock: Callable[[], datetime]) -> type[CloudWatchResponse]:
    """Make the class that moto instantiates for each request."""

    class Responses(CloudWatchResponse):
        """moto's CloudWatch with the functions for metrics replaced."""

        def call_action(self) -> Any:
            """Answer, or refuse what moto would answer wrongly."""
            action = self._get_action()
            if action not in METRIC_OPERATIONS | ALARM_OPERATIONS:
                message = f"the local CloudWatch does not know the operation {action}"
                return self.serialized(ActionResult(CloudWatchException("ValidationError", message)))
            return super().call_action()

        def put_metric_data(self) -> ActionResult:
            """Record metrics."""
            self._ask(engine.put_metric_data)
            return EmptyResult()

        def get_metric_data(self) -> ActionResult:
            """Compute series."""
            return ActionResult(self._ask(engine.get_metric_data))

        def get_metric_statistics(self) -> ActionResult:
            """Compute one metric."""
            return ActionResult(self._ask(engine.get_metric_statistics))

        def list_metrics(self) -> ActionResult:
            """List metrics."""
            return ActionResult(self._ask(engine.list_metrics))

        def _ask[Answer](self, operation: Callable[..., Answer]) -> Answer:
            try:
                return operation(now=clock(), **self._get_params())
            except CloudWatchError as error:
                raise CloudWatchException(error.code, str(error)) from error

    return Responses
