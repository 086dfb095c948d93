"""Bedrock's model invocation log as the simulator writes it: one JSON object a line, in the documented shape.

Of the operations that Bedrock logs
(https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html). What AWS does not document is
chosen here: a call that failed has `errorCode` with the exception's name and no counts, and the body of a stream is
the list of its events.
"""

import base64
import json
import re
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from meterctl.simulate.exchange import Exchange, Request

LOGGED: Final = frozenset({"InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream"})
ACCOUNT: Final = "123456789012"
METADATA_HEADER: Final = "x-amzn-bedrock-request-metadata"
DEFAULT_REGION: Final = "us-east-1"

_CREDENTIAL: Final = re.compile(r"Credential=(?P<key>[^/\s]+)/\d{8}/(?P<region>[a-z0-9-]+)/")
_GEO: Final = re.compile(r"(?:.*/)?(?P<geo>us|eu|apac|jp|au|global)\.[a-z0-9-]+\.")
_REROUTED: Final[Mapping[str, str]] = {
    "us": "us-west-2",
    "eu": "eu-west-1",
    "apac": "ap-northeast-1",
    "jp": "ap-northeast-3",
    "au": "ap-southeast-4",
    "global": "us-west-2",
}
"""Where a call through a profile of a geography is run."""
_EVENT_TYPE: Final = b":event-type\x07"
_EXCEPTION_TYPE: Final = b":exception-type\x07"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationLog:
    """Where and how to log. Safe to use from any thread."""

    path: Path
    """The file; lines are appended."""
    bodies: bool = False
    """Whether prompts and answers are in the log, as with every data delivery on; else only metadata is."""
    identities: Mapping[str, str] = field(default_factory=dict)
    """The ARN of the caller by access key id; any other key is a user of that name."""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    """Held while a line is written."""

    def write(self, request: Request, exchange: Exchange, *, now: float) -> None:
        """Log one call; one of an operation that Bedrock does not log is left out.

        Args:
            request: What was asked.
            exchange: What is answered.
            now: Seconds since the epoch.
        """
        if exchange.operation not in LOGGED:
            return
        line = json.dumps(entry(request, exchange, self, now=now), separators=(",", ":")) + "\n"
        with self.lock, self.path.open("a", encoding="utf-8") as file:
            file.write(line)


def entry(request: Request, exchange: Exchange, log: InvocationLog, *, now: float) -> dict[str, Any]:
    """Return the entry of one call."""
    key, region = _signer(request)
    document: dict[str, Any] = {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "accountId": ACCOUNT,
        "region": region,
        "identity": {"arn": log.identities.get(key, f"arn:aws:iam::{ACCOUNT}:user/{key}")},
        "requestId": exchange.request_id,
        "operation": exchange.operation,
        "modelId": exchange.model_id,
    }
    geo = _GEO.match(exchange.model_id or "")
    if geo is not None:
        document["inferenceRegion"] = _REROUTED[geo["geo"]]
    if exchange.error_code is not None:
        document["errorCode"] = exchange.error_code
    if metadata := _metadata(request):
        document["requestMetadata"] = metadata
    return document | _parts(request, exchange, bodies=log.bodies)


def _parts(request: Request, exchange: Exchange, *, bodies: bool) -> dict[str, Any]:
    asked: dict[str, Any] = {"inputContentType": "application/json"}
    answered: dict[str, Any] = {"outputContentType": "application/json"}
    tokens = exchange.tokens
    if exchange.error_code is None or tokens.input:
        asked["inputTokenCount"] = tokens.input
        asked["cacheReadInputTokenCount"] = tokens.cache_read
        asked["cacheWriteInputTokenCount"] = tokens.cache_write_5m + tokens.cache_write_1h
        answered["outputTokenCount"] = tokens.output
    if bodies:
        asked["inputBodyJson"] = _json(request.body)
        stream = exchange.answer.stream
        answered["outputBodyJson"] = (
            _json(exchange.answer.body) if stream is None else [_event(frame.data) for frame in stream.frames]
        )
    return {"input": asked, "output": answered}


def _signer(request: Request) -> tuple[str, str]:
    """Return the access key id and the Region of a signature; a bearer token has neither."""
    found = _CREDENTIAL.search(request.headers.get("authorization", ""))
    return ("bearer", DEFAULT_REGION) if found is None else (found["key"], found["region"])


def _metadata(request: Request) -> dict[str, Any]:
    """Return the caller's metadata: a header of InvokeModel, a member of Converse."""
    if METADATA_HEADER in request.headers:
        return _object(_json(request.headers[METADATA_HEADER].encode()))
    return _object(_object(_json(request.body)).get("requestMetadata"))


def _event(frame: bytes) -> Any:
    """Return what a frame of an event stream carries: the chunk of a model, or an event by its name."""
    _, length = struct.unpack(">II", frame[:8])
    headers, payload = frame[12 : 12 + length], frame[12 + length : -4]
    document = _json(payload)
    for mark in (_EVENT_TYPE, _EXCEPTION_TYPE):
        _, found, rest = headers.partition(mark)
        if found:
            (size,) = struct.unpack(">H", rest[:2])
            name = rest[2 : 2 + size].decode()
            return _json(base64.b64decode(document["bytes"])) if name == "chunk" else {name: document}
    return document


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
