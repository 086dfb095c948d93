"""The heart of the simulator: one request in, one `Exchange` out. No I/O, no clock, no state.

What changes from call to call (the prompt cache, how often the same request came, the script) is handed in as
`Conditions`; what the call changes is handed back in the `Exchange`.
"""

import uuid
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from meterctl.simulate.answer import (
    UNKNOWN_OPERATION,
    Answer,
    Refusal,
    RefusedError,
    decode,
    encode,
    error_answer,
    invalid,
)
from meterctl.simulate.bodies import Completion
from meterctl.simulate.faults import FAULT_HEADER, FAULTS, Fault
from meterctl.simulate.models import Model, resolve
from meterctl.simulate.operations import Route, check_caching, route
from meterctl.simulate.prompt import split_by_cache
from meterctl.simulate.tokens import Tokens, draw_length, draw_text, fingerprint

_HEALTHY: Final = Fault(summary="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request."""

    method: str
    """HTTP method."""
    path: str
    """Path and query as they came, still percent-encoded."""
    headers: Mapping[str, str]
    """Header values by lower-case name."""
    body: bytes
    """The whole body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What an answer depends on besides the request."""

    seed: int
    """Another seed gives other texts, lengths and request ids."""
    repeat: int = 0
    """How often the very same request came before; it changes the request id and nothing else."""
    scheduled: str | None = None
    """The fault that the script has for this call."""
    known: Container[bytes] = field(default_factory=frozenset)
    """The prefixes in the prompt cache."""
    latency_ms: int = 0
    """How long a model takes, in milliseconds."""
    slow_ms: int = 0
    """How much longer a slow one takes, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An answer and what is to be remembered of it."""

    answer: Answer
    """What is sent."""
    request_id: str
    """Its `x-amzn-RequestId`."""
    operation: str | None
    """The operation's name; None for a path that Bedrock does not have."""
    model_id: str | None
    """The decoded model id as it was asked for; None where `operation` is None."""
    error_code: str | None = None
    """The exception's name, where one is answered."""
    fault: str | None = None
    """The fault that was shown."""
    tokens: Tokens = field(default_factory=Tokens)
    """What is billed."""
    written: tuple[bytes, ...] = ()
    """The prefixes that the prompt cache holds from now on."""


def request_key(request: Request, *, seed: int) -> bytes:
    """Return 16 bytes that are the same for the same operation, model id, body and seed."""
    found = route(request.method, request.path)
    place = (found.operation.name, found.model_id) if found else (request.method, request.path)
    texts = (str(seed), *place)
    return fingerprint(*(text.encode("utf-8", "surrogateescape") for text in texts), request.body)


def respond(request: Request, conditions: Conditions) -> Exchange:
    """Answer `request` as Bedrock would, or with the fault that it, its model id or the script asks for."""
    key = request_key(request, seed=conditions.seed)
    request_id = str(uuid.UUID(bytes=fingerprint(key, str(conditions.repeat).encode()), version=4))
    found = route(request.method, request.path)
    if found is None:
        refusal = Refusal(kind=UNKNOWN_OPERATION, message="The requested operation is not recognized by the service.")
        return _refused(refusal, request_id=request_id, found=None)
    name: str | None = None
    try:
        model = resolve(found.model_id)
        name = _choose_fault(request, model, conditions)
        fault = FAULTS[name] if name else _HEALTHY
        draw = _Draw(key=key, request_id=request_id, fault=fault)
        exchange = _infer(found, _admit(model, fault), request.body, draw, conditions)
    except RefusedError as error:
        return _refused(error.refusal, request_id=request_id, found=found, fault=name)
    return _with_fault(exchange, name, fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draw:
    """What identifies one call while its answer is made."""

    key: bytes
    request_id: str
    fault: Fault


def _choose_fault(request: Request, model: Model | None, conditions: Conditions) -> str | None:
    """Return the fault for this call: the header's, else the model id's, else the script's."""
    asked = request.headers.get(FAULT_HEADER)
    if asked is None:
        # Bedrock looks the model up before anything else can go wrong, so a script spares calls to unknown ones.
        return (model.fault or conditions.scheduled) if model else None
    if asked not in FAULTS:
        # A misspelt fault must not pass for a healthy call.
        raise invalid(f"{FAULT_HEADER}: no such fault")
    return asked


def _admit(model: Model | None, fault: Fault) -> Model:
    """Return the model, or raise the fault's error or Bedrock's for an id that does not exist."""
    if fault.refusal:
        raise RefusedError(fault.refusal)
    if model is None:
        raise invalid("The provided model identifier is invalid.")
    return model


def _infer(found: Route, model: Model, body: bytes, draw: _Draw, conditions: Conditions) -> Exchange:
    """Let the model answer: read the prompt, divide the input by the cache, draw the text, build the body."""
    operation = found.operation
    prompt = operation.read(model, decode(body))
    check_caching(model, prompt)
    latency_ms = conditions.latency_ms + (conditions.slow_ms if draw.fault.slow else 0)
    if operation.infers:
        split = split_by_cache(prompt, scope=model.base.encode(), known=conditions.known)
        wanted = draw_length(draw.key)
        length = wanted if prompt.max_tokens is None else min(wanted, prompt.max_tokens)
        tokens, written = replace(split.tokens, output=length), split.written
    else:
        wanted = length = 0
        tokens, written = Tokens(input=prompt.tokens), ()
    completion = Completion(
        model=model.base,
        key=draw.key,
        text=draw_text(draw.key, length),
        tokens=tokens,
        cut=length < wanted,
        caches=model.family.caches,
        latency_ms=latency_ms,
    )
    return Exchange(
        answer=Answer(
            status=200,
            headers=(
                ("Content-Type", "application/json"),
                ("x-amzn-RequestId", draw.request_id),
                *operation.headers(completion),
            ),
            body=encode(operation.build(model, completion)),
            delay_ms=latency_ms,
        ),
        request_id=draw.request_id,
        operation=operation.name,
        model_id=found.model_id,
        tokens=tokens if operation.infers else Tokens(),
        written=written,
    )


def _with_fault(exchange: Exchange, name: str | None, fault: Fault) -> Exchange:
    answer = fault.change(exchange.answer) if fault.change else exchange.answer
    changed = replace(exchange, answer=answer, fault=name)
    return changed if fault.runs_model else replace(changed, tokens=Tokens(), written=())


def _refused(refusal: Refusal, *, request_id: str, found: Route | None, fault: str | None = None) -> Exchange:
    return Exchange(
        answer=error_answer(refusal, request_id=request_id),
        request_id=request_id,
        operation=found.operation.name if found else None,
        model_id=found.model_id if found else None,
        error_code=refusal.kind.code,
        fault=fault,
    )
