"""The answer to CloudFormation, which waits for it up to an hour: exactly one, whatever happens, before time runs out.

See https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html.
"""

import json
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_BODY = 4096
"""CloudFormation reads no longer body, in bytes."""

ATTEMPTS = 4
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What CloudFormation is told."""

    ok: bool
    """Whether the resource is as it was asked for."""
    reason: str
    """Why, in a sentence; shown to whoever looks at the stack's events."""
    data: Mapping[str, str] = field(default_factory=dict)
    """What ``Fn::GetAtt`` gives."""


def body_of(event: Mapping[str, Any], answer: Answer, physical_id: str) -> bytes:
    """Write the body of an answer; a reason that is too long is cut."""
    document = {
        "Status": "SUCCESS" if answer.ok else "FAILED",
        "Reason": answer.reason,
        "PhysicalResourceId": physical_id,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": dict(answer.data),
    }
    body = json.dumps(document).encode()
    # A character takes up to 12 bytes in JSON, so this cuts a little more than it must.
    while len(body) > MAX_BODY and document["Reason"]:
        reason = str(document["Reason"])
        document["Reason"] = reason[: max(0, len(reason) - max(1, (len(body) - MAX_BODY + 11) // 12))]
        body = json.dumps(document).encode()
    return body


def put(url: str, body: bytes, *, wait: Callable[[float], bool]) -> None:
    """Send an answer to the pre-signed URL; tried again as long as there is time.

    Raises:
        OSError: It could not be sent.
    """
    for attempt in range(1, ATTEMPTS + 1):
        # The signature of the URL is over an empty content type.
        request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310 - the URL is CloudFormation's own
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310 - the same
                return
        except OSError:
            if attempt == ATTEMPTS or not wait(2.0**attempt):
                raise


class Once:
    """Sends the first answer that it is given, and no other: that of the work, or that of the clock.

    Args:
        send: Sends an answer.
    """

    def __init__(self, send: Callable[[Answer], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._sent = False

    def __call__(self, answer: Answer) -> None:
        """Send it, unless one was sent."""
        with self._lock:
            if not self._sent:
                self._send(answer)
                self._sent = True
