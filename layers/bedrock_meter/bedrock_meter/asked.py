"""What a request asks of a model, read from its headers and its parsed body. Pure.

Whoever has the request comes through `described`: the doors with what is about to be sent, the invocation log with what
Bedrock wrote down of it.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from bedrock_meter.domain import MAX_COUNT, Call, Family, ModelRef, Operation

# Where a request states its own bound on the output, by operation. An InvokeModel body follows its model family.
_INVOKE_BOUNDS = (
    ("max_tokens",),
    ("inferenceConfig", "maxTokens"),
    ("inferenceConfig", "max_new_tokens"),
    ("max_gen_len",),
    ("textGenerationConfig", "maxTokenCount"),
    ("max_completion_tokens",),
    ("max_tokens_to_sample",),
    ("maxTokens",),
    ("maxOutputTokens",),
)
_CONVERSE_BOUNDS = (("inferenceConfig", "maxTokens"),)
_OUTPUT_BOUNDS: Mapping[Operation, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        Operation.CONVERSE: _CONVERSE_BOUNDS,
        Operation.CONVERSE_STREAM: _CONVERSE_BOUNDS,
        Operation.INVOKE_MODEL: _INVOKE_BOUNDS,
        Operation.INVOKE_MODEL_STREAM: _INVOKE_BOUNDS,
        Operation.CHAT_COMPLETIONS: (("max_completion_tokens",), ("max_tokens",)),
        Operation.RESPONSES: (("max_output_tokens",),),
        Operation.MESSAGES: (("max_tokens",),),
    }
)
_ANSWERS = ("n", "num_generations", "numResults")
_STREAMS = frozenset({Operation.INVOKE_MODEL_STREAM, Operation.CONVERSE_STREAM})
_MAY_STREAM = frozenset({Operation.CHAT_COMPLETIONS, Operation.RESPONSES, Operation.MESSAGES})
_SDK_ATTEMPT = re.compile(r"attempt=(\d{1,4})")


def described(
    operation: Operation,
    model: ModelRef | None,
    headers: Mapping[str, str],
    document: Mapping[str, Any],
    *,
    call_id: str,
    input_bytes: int | None,
    received_at: datetime,
    tags: Mapping[str, str],
) -> Call:
    """Describe a request whose parts are known; see `describe`.

    Args:
        operation: What is asked for.
        model: Of which model.
        headers: The request headers with lower-case names, as far as they are known.
        document: The parsed body; empty where there is none.
        call_id: Our id for the call.
        input_bytes: The size of the body; None where nobody knows it.
        received_at: When it arrived; aware.
        tags: The labels of the caller.
    """
    return Call(
        id=call_id,
        operation=operation,
        model=model,
        tags=tags,
        max_output_tokens=_output_bound(operation, document),
        input_bytes=input_bytes,
        tier=_tier(headers, document),
        streaming=operation in _STREAMS or (operation in _MAY_STREAM and document.get("stream") is True),
        attempt=_attempt(headers),
        documents=_documents(model, document),
        received_at=received_at,
    )


def _output_bound(operation: Operation, document: Mapping[str, Any]) -> int | None:
    if not document:
        return None
    most = None
    for path in _OUTPUT_BOUNDS.get(operation, ()):
        value: Any = document
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        # The largest of several: a member that the model does not know must not make the output look short.
        most = max(_positive(value) or 0, most or 0) or None
    if most is None:
        return None
    # Each of several answers may be so long.
    return min(most * max(_positive(document.get(name)) or 1 for name in _ANSWERS), MAX_COUNT)


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_COUNT else None


def _tier(headers: Mapping[str, str], document: Mapping[str, Any]) -> str | None:
    if not headers and not document:
        return None
    stated = headers.get("x-amzn-bedrock-service-tier")
    if stated is None:
        field = document.get("serviceTier")
        stated = field.get("type") if isinstance(field, dict) else document.get("service_tier")
    known = {"priority", "default", "flex", "reserved"}
    if isinstance(stated, str) and stated in known:
        return stated
    speed = document.get("performanceConfig")
    wanted = (
        speed.get("latency") if isinstance(speed, dict) else headers.get("x-amzn-bedrock-performanceconfig-latency")
    )
    return "latency" if wanted == "optimized" else None


def _documents(model: ModelRef | None, document: Mapping[str, Any]) -> int | None:
    sent = document.get("documents") if model is not None and model.family is Family.RERANK else None
    return len(sent) if isinstance(sent, list) else None


def _attempt(headers: Mapping[str, str]) -> int | None:
    if not headers:
        return None
    aws_sdk = _SDK_ATTEMPT.search(headers.get("amz-sdk-request", ""))
    if aws_sdk is not None:
        return int(aws_sdk[1])
    retries = headers.get("x-stainless-retry-count", "")
    return int(retries) + 1 if retries.isascii() and retries.isdigit() and len(retries) < 5 else None  # noqa: PLR2004 - a bound on junk, as in the pattern above
