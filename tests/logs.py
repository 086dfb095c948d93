"""Builders of invocation log entries and of the events that deliver them."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.builders import CLAUDE_US

ACCOUNT = "123456789012"
CHATBOT_ROLE = f"arn:aws:iam::{ACCOUNT}:role/service/Chatbot"
GATEWAY_ROLE = f"arn:aws:iam::{ACCOUNT}:role/meter-GatewayRole"
WRITTEN = datetime(2026, 11, 25, 6, 54, 30, tzinfo=UTC)
GROUP = "bedrock/invocations"
STREAM = "aws/bedrock/modelinvocations"


def session_of(role: str, session: str = "i-0abc") -> str:
    """Give the ARN by which a session of a role is logged."""
    return f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/{session}"


def an_entry(**changes: Any) -> dict[str, Any]:
    """Give a Converse entry of the chatbot's role in metadata mode; a change to None takes a member out."""
    entry = {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": "2026-11-25T06:54:27Z",
        "accountId": ACCOUNT,
        "region": "us-east-1",
        "identity": {"arn": session_of(CHATBOT_ROLE)},
        "requestId": "0c5a6e0e-0000-4000-8000-000000000001",
        "operation": "Converse",
        "modelId": CLAUDE_US,
        "inferenceRegion": "us-west-2",
        "input": {
            "inputContentType": "application/json",
            "inputTokenCount": 15,
            "cacheReadInputTokenCount": 7,
            "cacheWriteInputTokenCount": 5,
        },
        "output": {"outputContentType": "application/json", "outputTokenCount": 12},
    }
    return {name: value for name, value in (entry | changes).items() if value is not None}


def entries(count: int, **changes: Any) -> list[dict[str, Any]]:
    """Give entries of different calls."""
    return [an_entry(requestId=f"0c5a6e0e-0000-4000-8000-{number:012d}", **changes) for number in range(count)]


def delivered(lines: Sequence[str | Mapping[str, Any]], *, written: datetime = WRITTEN, **changes: Any) -> str:
    """Give the ``data`` of a delivery of lines; an entry becomes its JSON."""
    stamp = int(written.timestamp() * 1000)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": GROUP,
        "logStream": STREAM,
        "subscriptionFilters": ["bedrock-meter"],
        "logEvents": [{"id": str(number), "timestamp": stamp, "message": text} for number, text in enumerate(texts)],
    }
    return base64.b64encode(gzip.compress(json.dumps(document | changes).encode())).decode()


def subscription_event(lines: Sequence[str | Mapping[str, Any]], **changes: Any) -> dict[str, Any]:
    """Give the event with which CloudWatch Logs invokes a function."""
    return {"awslogs": {"data": delivered(lines, **changes)}}
