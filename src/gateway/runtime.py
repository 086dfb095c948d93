"""The gateway as a Lambda runtime: answers leave as they arrive, which Python's managed runtime client cannot do.

``python -m gateway.runtime`` takes the place of that client; ``src/streaming-bootstrap`` starts it. Why it is so, and
how to check what has not been seen on AWS, is in docs/decisions/0008-streaming-on-lambda.md. When the managed runtime
learns to stream, this module, `runtime_api` and the wrapper script can go.
"""

import importlib
import io
import json
import os
import sys
from collections.abc import Callable, MutableMapping
from threading import Lock
from typing import Any, NoReturn

from awshttp.http1 import BrokenAnswer
from bedrock_meter.config import Settings
from bedrock_meter.ports import FaultLog
from gateway.http import Request, Response, parse_event
from gateway.runtime_api import Invocation, RuntimeApi, RuntimeApiError

_ENVIRONMENT_LOST = 500
# The managed runtime client ends with these when a hook fails.
_EXIT_BEFORE_SNAPSHOT, _EXIT_AFTER_RESTORE = 64, 65

type App = Callable[[Request], Response]


class HeldLines(io.StringIO):
    """Takes the metric lines of an invocation, and writes them to stdout when its answer is out. Safe for threads."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()

    def write(self, text: str) -> int:
        """Take a line."""
        with self._lock:
            return super().write(text)

    def release(self) -> None:
        """Write what was taken, in one piece."""
        with self._lock:
            lines = self.getvalue()
            self.seek(0)
            self.truncate()
        if lines:
            sys.stdout.write(lines)
            sys.stdout.flush()


def serve(
    api: RuntimeApi, app: App, *, environ: MutableMapping[str, str], faults: FaultLog, done: Callable[[], None]
) -> NoReturn:
    """Answer invocations for ever.

    Args:
        api: Where they come from.
        app: Answers them.
        environ: Gets the trace of each invocation, for SDKs that propagate it.
        faults: Is told of answers that could not be posted.
        done: Is called after each answer, before Lambda is asked for the next invocation.

    Raises:
        OSError: The Runtime API is gone.
        BrokenAnswer: The same.
        RuntimeApiError: It gave no invocation, or declared the environment lost.
    """
    while True:
        invocation = api.next()
        if invocation.trace_id is None:
            environ.pop("_X_AMZN_TRACE_ID", None)
        else:
            environ["_X_AMZN_TRACE_ID"] = invocation.trace_id
        try:
            _answer(api, app, invocation)
        except (OSError, BrokenAnswer, RuntimeApiError) as error:
            if isinstance(error, RuntimeApiError) and error.status >= _ENVIRONMENT_LOST:
                raise
            faults.report("answer_not_taken", error)
        finally:
            done()


def _answer(api: RuntimeApi, app: App, invocation: Invocation) -> None:
    try:
        event = json.loads(invocation.event)
        response = app(parse_event(event, fallback_id=invocation.id, deadline=invocation.deadline))
    except Exception as error:  # noqa: BLE001 - nothing has been sent, so Lambda can be told that it failed
        api.report(f"/invocation/{invocation.id}/error", error, echoed=invocation.echoed)
    else:
        api.respond(invocation, response)


def _restore(api: RuntimeApi, close: Callable[[], None]) -> None:
    """Do what SnapStart asks for between the start and the first invocation.

    The hooks are those of AWS's ``snapshot_restore_py``, which the managed runtime brings. Before the snapshot the one
    that was registered last runs first; after it they run in order.
    """
    try:
        before, after = _hooks()
        close()  # a connection does not outlive a snapshot
        while before:
            function, args, kwargs = before.pop()
            function(*args, **kwargs)
        api.restore_next()
    except Exception as error:  # noqa: BLE001 - Lambda is told, whatever it was
        api.report("/init/error", error, kind="Runtime.BeforeSnapshotError")
        sys.exit(_EXIT_BEFORE_SNAPSHOT)
    try:
        for function, args, kwargs in after:
            function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - the same
        api.report("/restore/error", error, kind="Runtime.AfterRestoreError")
        sys.exit(_EXIT_AFTER_RESTORE)


def _hooks() -> tuple[list[Any], list[Any]]:
    try:
        registry = importlib.import_module("snapshot_restore_py")
    except ModuleNotFoundError:
        return [], []
    return registry.get_before_snapshot(), registry.get_after_restore()


def main() -> NoReturn:
    """Start the gateway, and serve until Lambda ends the environment."""
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    lines = HeldLines()
    try:
        from gateway.app import build  # noqa: PLC0415 - what fails while it loads is a failed start, too
        from gateway.faultlog import StructuredFaultLog  # noqa: PLC0415 - the same

        settings = Settings.from_env(os.environ)
        gateway = build(settings, environ=os.environ, lines=lines)
    except Exception as error:
        api.report("/init/error", error)
        raise
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        _restore(api, gateway.close)

    def done() -> None:
        lines.release()
        gateway.finish()
        lines.release()  # what came while that waited

    serve(api, gateway, environ=os.environ, faults=StructuredFaultLog(settings.service), done=done)


if __name__ == "__main__":
    main()
