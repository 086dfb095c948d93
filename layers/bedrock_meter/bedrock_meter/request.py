"""What a request asks for: ``match(method, path) -> Target`` and ``describe(target, …) -> Call``. Pure.

Both doors come through here: the gateway with what arrived over HTTP, the layer with what botocore is about to send.
The routes are a closed list; what stands in no row is refused, because what cannot be metered must not pass.

Paths are read raw, and their variable segments are percent-decoded exactly once: boto3 sends ``…-v1%3A0``, the
Anthropic SDK sends ``…-v1:0``, and both encode the slash of an ARN. A front that decodes the slash too (``sam local
start-api``, API Gateway HTTP APIs) is repaired by matching the segment greedily up to the next fixed one.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from bedrock_meter.asked import described
from bedrock_meter.domain import Call, Family, ModelRef, Operation
from bedrock_meter.errors import InvalidRequest, UnknownOperation
from bedrock_meter.modelid import MAX_MODEL_ID, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a request goes."""

    operation: Operation
    """The operation that the route stands for."""
    model: str | None
    """The model id or ARN in the path, percent-decoded once; None where the route has none."""
    path: str
    """The path to send to Bedrock: the caller's own bytes, with a stray slash of an id encoded again."""


# The last path segment of `POST /model/{modelId}/…` by operation
# (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html).
MODEL_ROUTES: Mapping[str, Operation] = MappingProxyType(
    {
        "invoke-with-response-stream": Operation.INVOKE_MODEL_STREAM,
        "invoke": Operation.INVOKE_MODEL,
        "converse-stream": Operation.CONVERSE_STREAM,
        "converse": Operation.CONVERSE,
        "count-tokens": Operation.COUNT_TOKENS,
    }
)

# The routes without a variable part. AWS prints the OpenAI-compatible ones with and without /openai, and which is right
# depends on the model and the endpoint, so both go on as they are
# (https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html).
FIXED_ROUTES: Mapping[tuple[str, str], Operation] = MappingProxyType(
    {
        ("POST", "/guardrail-checks/invoke"): Operation.INVOKE_GUARDRAIL_CHECKS,
        ("POST", "/async-invoke"): Operation.START_ASYNC_INVOKE,
        ("GET", "/async-invoke"): Operation.LIST_ASYNC_INVOKES,
        ("POST", "/openai/v1/chat/completions"): Operation.CHAT_COMPLETIONS,
        ("POST", "/v1/chat/completions"): Operation.CHAT_COMPLETIONS,
        ("POST", "/openai/v1/responses"): Operation.RESPONSES,
        ("POST", "/v1/responses"): Operation.RESPONSES,
        ("POST", "/anthropic/v1/messages"): Operation.MESSAGES,
        ("POST", "/v1/messages"): Operation.MESSAGES,
    }
)
# No endpoint of AWS has this path; it is what Anthropic's SDK asks for when its base URL is the gateway's own.
_CANONICAL: Mapping[str, str] = MappingProxyType({"/v1/messages": "/anthropic/v1/messages"})

_ANY = r"(?:(?![?#])[!-~])+"  # of a path, slashes included
_MODEL_PATH = re.compile(rf"/model/(?P<model>{_ANY})/(?P<verb>{'|'.join(MODEL_ROUTES)})")
_OTHER_PATHS: tuple[tuple[str, re.Pattern[str], str, Operation], ...] = (
    (
        "POST",
        re.compile(rf"/guardrail/({_ANY})/version/((?:(?![/?#])[!-~])+)/apply"),
        "/guardrail/{}/version/{}/apply",
        Operation.APPLY_GUARDRAIL,
    ),
    ("GET", re.compile(rf"/async-invoke/({_ANY})"), "/async-invoke/{}", Operation.GET_ASYNC_INVOKE),
)
_BIDIRECTIONAL = re.compile(rf"/model/{_ANY}/invoke-with-bidirectional-stream")
ROUTES_TEXT = ", ".join(
    (
        "POST /model/{modelId}/" + "|".join(MODEL_ROUTES),
        "POST /guardrail/{id}/version/{version}/apply",
        *(f"{method} {path}" for method, path in FIXED_ROUTES),
        "GET /async-invoke/{invocationArn}",
    )
)

_MODEL_MEMBER: Mapping[Operation, str] = MappingProxyType(
    {
        Operation.START_ASYNC_INVOKE: "modelId",
        Operation.CHAT_COMPLETIONS: "model",
        Operation.RESPONSES: "model",
        Operation.MESSAGES: "model",
    }
)
_ANY_BODY = frozenset({Operation.INVOKE_MODEL, Operation.INVOKE_MODEL_STREAM})
_NO_BODY = frozenset({Operation.GET_ASYNC_INVOKE, Operation.LIST_ASYNC_INVOKES})


def match(method: str, path: str) -> Target:
    """Find the operation of a request line.

    Args:
        method: The HTTP method.
        path: The raw path, still percent-encoded, without query and without a stage prefix.

    Raises:
        UnknownOperation: No row fits.
        InvalidRequest: The model id is longer than Bedrock accepts.
    """
    found = _MODEL_PATH.fullmatch(path) if method == "POST" else None
    if found is not None and not _climbs(found["model"]):
        return _model_target(found["model"], found["verb"])
    operation = FIXED_ROUTES.get((method, path))
    if operation is not None:
        return Target(operation=operation, model=None, path=_CANONICAL.get(path, path))
    for row_method, pattern, template, row_operation in _OTHER_PATHS:
        found = pattern.fullmatch(path) if method == row_method else None
        if found is not None and not any(map(_climbs, found.groups())):
            return Target(operation=row_operation, model=None, path=template.format(*map(_segment, found.groups())))
    if _BIDIRECTIONAL.fullmatch(path):
        raise UnknownOperation(
            "InvokeModelWithBidirectionalStream needs HTTP/2 with both directions open at once, and neither API "
            "Gateway nor a Lambda function can carry that, so the gateway does not forward it. Call Bedrock itself."
        )
    raise UnknownOperation(
        f"The gateway has no route {method[:16]} {path[:200]!r}, so it would not be metered and is not forwarded. "
        f"Routes: {ROUTES_TEXT}, GET /usage, GET /healthz."
    )


def _model_target(segment: str, verb: str) -> Target:
    model = unquote(segment)
    if len(model) > MAX_MODEL_ID:
        raise InvalidRequest(f"The model id has {len(model)} characters; Bedrock accepts at most {MAX_MODEL_ID}.")
    return Target(operation=MODEL_ROUTES[verb], model=model, path=f"/model/{_segment(segment)}/{verb}")


def _climbs(segment: str) -> bool:
    """Tell whether a segment is one that whoever normalises the path would take away."""
    return unquote(segment) in {".", ".."}


def _segment(raw: str) -> str:
    return raw.replace("/", "%2F")


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
        InvalidRequest: The body is not a JSON object although this operation and family need one, or it should name
            the model and does not.
    """
    operation = target.operation
    model = None if target.model is None else parse(target.model, region)
    document = _json_object(body, required=strict and _needs_json(operation, model))
    if operation in _MODEL_MEMBER:
        named = _named_model(document, _MODEL_MEMBER[operation], required=strict)
        model = None if named is None else parse(named, region)
    return described(
        operation,
        model,
        headers,
        document,
        call_id=call_id,
        input_bytes=len(body),
        received_at=received_at,
        tags=tags,
    )


def _needs_json(operation: Operation, model: ModelRef | None) -> bool:
    # A marketplace or imported model may take any body; all else is JSON, whatever the content type says.
    if operation in _NO_BODY:
        return False
    return operation not in _ANY_BODY or (model is not None and model.family is not Family.OTHER)


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


def _named_model(document: Mapping[str, Any], member: str, *, required: bool) -> str | None:
    named = document.get(member)
    if isinstance(named, str) and 0 < len(named) <= MAX_MODEL_ID:
        return named
    if required:
        raise InvalidRequest(
            f'The request body names no model. Give its id or ARN, of at most {MAX_MODEL_ID} characters, in "{member}".'
        )
    return None
