"""What a request asks for: ``match(method, path) -> Target`` and ``describe(target, …) -> Call``. Pure.

Both doors come through here: the gateway with what arrived over HTTP, the layer with what botocore is about to send.
The routes are a closed list; what stands in no row is refused, because what cannot be metered must not pass.

Paths are read raw, and the model segment is percent-decoded exactly once: boto3 sends ``…-v1%3A0``, the Anthropic SDK
sends ``…-v1:0``, and both encode the slash of an ARN. A front that decodes the slash too (``sam local start-api``,
API Gateway HTTP APIs) is repaired by matching the model greedily up to the last segment.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from bedrock_meter.domain import MAX_COUNT, Call, Family, Operation
from bedrock_meter.errors import InvalidRequest, UnknownOperation
from bedrock_meter.modelid import MAX_MODEL_ID, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a request goes."""

    operation: Operation
    """The operation that the route stands for."""
    model: str
    """The model id or ARN, percent-decoded once."""
    path: str
    """The path to send to Bedrock: the caller's own bytes, with a stray slash of the model id encoded again."""


# The last path segment of `POST /model/{modelId}/…` by operation
# (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html).
MODEL_ROUTES: Mapping[str, Operation] = MappingProxyType(
    {
        "invoke": Operation.INVOKE_MODEL,
        "converse": Operation.CONVERSE,
        "count-tokens": Operation.COUNT_TOKENS,
    }
)
_MODEL_PATH = re.compile(rf"/model/(?P<model>(?:(?![?#])[!-~])+)/(?P<verb>{'|'.join(MODEL_ROUTES)})")
ROUTES_TEXT = "POST /model/{modelId}/" + "|".join(MODEL_ROUTES)

# Where a request states its own bound on the output, by operation. An InvokeModel body follows its model family; the
# names do not collide, so the first one that is there counts.
_OUTPUT_BOUNDS: Mapping[Operation, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        Operation.CONVERSE: (("inferenceConfig", "maxTokens"),),
        Operation.INVOKE_MODEL: (
            ("max_tokens",),
            ("inferenceConfig", "maxTokens"),
            ("inferenceConfig", "max_new_tokens"),
            ("max_gen_len",),
            ("textGenerationConfig", "maxTokenCount"),
            ("max_completion_tokens",),
        ),
    }
)
_SDK_ATTEMPT = re.compile(r"attempt=(\d{1,4})")


def match(method: str, path: str) -> Target:
    """Find the operation of a request line.

    Args:
        method: The HTTP method.
        path: The raw path, still percent-encoded, without query and without a stage prefix.

    Raises:
        UnknownOperation: No row fits.
        InvalidRequest: The model id is longer than Bedrock accepts.
    """
    found = _MODEL_PATH.fullmatch(path)
    if method != "POST" or found is None or unquote(found["model"]) in {".", ".."}:
        raise UnknownOperation(
            f"The gateway has no route {method[:16]} {path[:200]!r}, so it would not be metered and is not forwarded. "
            f"Routes: {ROUTES_TEXT}, GET /healthz."
        )
    segment, verb = found["model"], found["verb"]
    model = unquote(segment)
    if len(model) > MAX_MODEL_ID:
        raise InvalidRequest(f"The model id has {len(model)} characters; Bedrock accepts at most {MAX_MODEL_ID}.")
    return Target(
        operation=MODEL_ROUTES[verb],
        model=model,
        path=f"/model/{segment.replace('/', '%2F')}/{verb}",
    )


def describe(
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    *,
    call_id: str,
    received_at: datetime,
    tags: Mapping[str, str],
    region: str | None,
    strict: bool = True,
) -> Call:
    """Describe a request without keeping any of its content.

    Args:
        target: What `match` found.
        headers: The request headers with lower-case names.
        body: The request body, whole.
        call_id: Our id for the call.
        received_at: When it arrived; aware.
        tags: The labels of the caller.
        region: The Region that is called.
        strict: Refuse a body that Bedrock would not understand; the layer, which only watches, does not.

    Raises:
        InvalidRequest: The body is not a JSON object although this operation and family need one.
    """
    model = parse(target.model, region)
    document = _json_object(body, required=strict and _needs_json(target.operation, model.family))
    return Call(
        id=call_id,
        operation=target.operation,
        model=model,
        tags=tags,
        max_output_tokens=_output_bound(target.operation, document),
        input_bytes=len(body),
        tier=_tier(headers, document),
        attempt=_attempt(headers),
        received_at=received_at,
    )


def _needs_json(operation: Operation, family: Family) -> bool:
    # A marketplace or imported model may take any body; the operations with a modelled body and the families whose
    # body is known are JSON whatever the content type says (the JavaScript and Go SDKs say application/octet-stream).
    return operation is not Operation.INVOKE_MODEL or family is not Family.OTHER


def _json_object(body: bytes, *, required: bool) -> Mapping[str, Any]:
    problem = "is not a JSON object"
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        # Only the position goes into the message: the text around it is the caller's.
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        problem = f"is not valid JSON{where}"
    else:
        if isinstance(document, dict):
            return document
    if required:
        raise InvalidRequest(f"The request body {problem}. Send the JSON object that the model expects.")
    return {}


def _output_bound(operation: Operation, document: Mapping[str, Any]) -> int | None:
    for path in _OUTPUT_BOUNDS.get(operation, ()):
        value: Any = document
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_COUNT:
            return value
    return None


def _tier(headers: Mapping[str, str], document: Mapping[str, Any]) -> str | None:
    stated = headers.get("x-amzn-bedrock-service-tier")
    if stated is None:
        field = document.get("serviceTier")
        stated = field.get("type") if isinstance(field, dict) else None
    known = {"priority", "default", "flex", "reserved"}
    return stated if isinstance(stated, str) and stated in known else None


def _attempt(headers: Mapping[str, str]) -> int | None:
    aws_sdk = _SDK_ATTEMPT.search(headers.get("amz-sdk-request", ""))
    if aws_sdk is not None:
        return int(aws_sdk[1])
    retries = headers.get("x-stainless-retry-count", "")
    return int(retries) + 1 if retries.isascii() and retries.isdigit() and len(retries) < 5 else None  # noqa: PLR2004 - a bound on junk, as in the pattern above
