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

type _Paths = tuple[tuple[str, ...], ...]

# Where an InvokeModel body states its own bound on the output, by family
# (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html). A model may pass over a name that it
# does not know, and then nothing bounds it.
_CHAT_BOUNDS = (("max_completion_tokens",), ("max_tokens",))
_BOUNDS_OF_FAMILIES: Mapping[Family, _Paths] = MappingProxyType(
    {
        Family.CLAUDE: (("max_tokens",), ("max_tokens_to_sample",)),
        Family.NOVA: (("inferenceConfig", "maxTokens"), ("inferenceConfig", "max_new_tokens")),
        Family.TITAN_TEXT: (("textGenerationConfig", "maxTokenCount"),),
        Family.LLAMA: (("max_gen_len",),),
        Family.MISTRAL: _CHAT_BOUNDS,
        Family.COHERE_COMMAND: (("max_tokens",),),
        Family.AI21: (*_CHAT_BOUNDS, ("maxTokens",)),
        Family.DEEPSEEK: _CHAT_BOUNDS,
        Family.QWEN: _CHAT_BOUNDS,
        Family.OPENAI: _CHAT_BOUNDS,
        Family.WRITER: _CHAT_BOUNDS,
        Family.OPEN_WEIGHT: _CHAT_BOUNDS,
        Family.PEGASUS: (("maxOutputTokens",),),
    }
)
# A model of no known family may look like any of them.
_ANY_BOUND: _Paths = tuple(dict.fromkeys(path for paths in _BOUNDS_OF_FAMILIES.values() for path in paths))
_CONVERSE_BOUNDS = (("inferenceConfig", "maxTokens"),)
_OUTPUT_BOUNDS: Mapping[Operation, _Paths] = MappingProxyType(
    {
        Operation.CONVERSE: _CONVERSE_BOUNDS,
        Operation.CONVERSE_STREAM: _CONVERSE_BOUNDS,
        Operation.CHAT_COMPLETIONS: _CHAT_BOUNDS,
        Operation.RESPONSES: (("max_output_tokens",),),
        Operation.MESSAGES: (("max_tokens",),),
    }
)
_ADDITIONAL = "additionalModelRequestFields"
"""Of Converse: what goes to the model as it is, beside what Converse knows."""
_ANSWERS = ("n", "num_generations", "numResults")
_INVOKES = frozenset({Operation.INVOKE_MODEL, Operation.INVOKE_MODEL_STREAM})
_CONVERSES = frozenset({Operation.CONVERSE, Operation.CONVERSE_STREAM})
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
        max_output_tokens=_output_bound(operation, model, document),
        input_bytes=input_bytes,
        tier=_tier(operation, headers, document),
        streaming=operation in _STREAMS or (operation in _MAY_STREAM and document.get("stream") is True),
        attempt=_attempt(headers),
        documents=_documents(model, document),
        received_at=received_at,
    )


def _output_bound(operation: Operation, model: ModelRef | None, document: Mapping[str, Any]) -> int | None:
    if not document:
        return None
    family = _BOUNDS_OF_FAMILIES.get(Family.OTHER if model is None else model.family, _ANY_BOUND)
    most = _largest(document, family if operation in _INVOKES else _OUTPUT_BOUNDS.get(operation, ()))
    if most is None:
        return None
    places = [document]
    if operation in _CONVERSES and isinstance(additional := document.get(_ADDITIONAL), dict):
        # Nobody says which of the two bounds the model goes by.
        most = max(most, _largest(additional, family) or 0)
        places.append(additional)
    # Each of several answers may be so long.
    answers = max(_positive(place.get(name)) or 1 for place in places for name in _ANSWERS)
    return min(most * answers, MAX_COUNT)


def _largest(document: Mapping[str, Any], paths: _Paths) -> int | None:
    """Give the largest of the bounds at some paths: which of several a model goes by is not known."""
    most = 0
    for path in paths:
        value: Any = document
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        most = max(most, _positive(value) or 0)
    return most or None


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_COUNT else None


def _tier(operation: Operation, headers: Mapping[str, str], document: Mapping[str, Any]) -> str | None:
    if not headers and not document:
        return None
    # Converse has it in the body alone.
    stated = None if operation in _CONVERSES else headers.get("x-amzn-bedrock-service-tier")
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
