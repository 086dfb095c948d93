"""The one question that Grafana's health check asks CloudWatch Logs, answered. There is no log store behind it."""

import json
from collections.abc import Iterable
from typing import Any

from meterctl.cloudwatch.labels import ACCOUNT
from meterctl.cloudwatch.wire import Environ, StartResponse, Wsgi

_TARGET = "Logs_20140328."


class LogsFront:
    """A WSGI app that answers DescribeLogGroups, refuses the rest of CloudWatch Logs, and hands everything else on.

    Grafana's data source sends all its AWS requests to one endpoint.

    Args:
        app: What everything else goes to.
        log_group: The only log group; None for none.
    """

    def __init__(self, app: Wsgi, *, log_group: str | None) -> None:
        self._app = app
        self._log_group = log_group

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if not target.startswith(_TARGET):
            return self._app(environ, start_response)
        operation = target.removeprefix(_TARGET)
        if operation != "DescribeLogGroups":
            message = f"the local CloudWatch has no logs, and does not know the operation {operation}"
            return _send(start_response, "400 Bad Request", {"__type": "UnknownOperationException", "message": message})
        groups = [_described(self._log_group)] if self._log_group else []
        return _send(start_response, "200 OK", {"logGroups": groups})


def _described(name: str) -> dict[str, Any]:
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{name}"
    return {"logGroupName": name, "arn": f"{arn}:*", "logGroupArn": arn, "creationTime": 0, "storedBytes": 0}


def _send(start_response: StartResponse, status: str, content: Any) -> list[bytes]:
    body = json.dumps(content).encode()
    start_response(status, [("content-type", "application/x-amz-json-1.1"), ("content-length", str(len(body)))])
    return [body]
