"""The heart of the simulator: one request in, one `Exchange` out. No I/O, no clock, no state.

What changes from call to call (the prompt cache, how often the same request came, the script) is handed in as
`Conditions`; what the call changes is handed back in the `Exchange`.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from meterctl.simulate.answer import (
    UNKNOWN_OPERATION,
    Answer,
    Dialect,
    Frame,
    Refusal,
    RefusedError,
    Reply,
    decode,
    encode,
    error_answer,
    invalid,
)
from meterctl.simulate.bodies import CANNED, GUARDRAIL_UNITS, Completion
from meterctl.simulate.exchange import Conditions, Exchange, Request
from meterctl.simulate.faults import FAULT_HEADER, FAULTS, Fault
from meterctl.simulate.models import ROUTERS, Model, resolve
from meterctl.simulate.operations import Operation, Route, Service, check_caching, route
from meterctl.simulate.prompt import Prompt, mark_prefix, split_by_cache, take_text
from meterctl.simulate.replies import Asked
from meterctl.simulate.services import ServiceCall
from meterctl.simulate.tokens import Tokens, draw_length, draw_text, fingerprint

_HEALTHY: Final = Fault(summary="")


def request_key(request: Request, *, seed: int) -> bytes:
    """Return 16 bytes that stand for the request; repeated requests have the same ones."""
    found = route(request.method, request.path)
    place = (found.operation.name, *found.ids, found.query) if found else (request.method, request.path)
    # A query is rare; without one the key is that of the operation, the ids and the body.
    texts = (str(seed), *(place if not found or found.query else place[:-1]))
    return fingerprint(*(text.encode("utf-8", "surrogateescape") for text in texts), request.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draw:
    """One call while its answer is made."""

    found: Route
    key: bytes
    request_id: str
    fault: Fault = _HEALTHY


def respond(request: Request, conditions: Conditions) -> Exchange:
    """Answer `request` as Bedrock would, or with the fault that it, its model id or the script asks for."""
    key = request_key(request, seed=conditions.seed)
    turn = fingerprint(key, str(conditions.repeat).encode())
    request_id = str(uuid.UUID(bytes=turn, version=4))
    found = route(request.method, request.path)
    if found is None:
        refusal = Refusal(kind=UNKNOWN_OPERATION, message="The requested operation is not recognized by the service.")
        return _refused(refusal, request_id=request_id, found=None)
    model_id, name = found.model_id, None
    try:
        model_id, model = _find_model(found, request.body)
        name = _choose_fault(request, found, model, conditions)
        draw = _Draw(found=found, key=key, request_id=request_id, fault=FAULTS[name] if name else _HEALTHY)
        _raise_refusal(draw.fault)
        if isinstance(found.operation, Service):
            exchange = _serve(found.operation, request.body, turn, draw, conditions)
        else:
            exchange = _infer(found.operation, _admit(model), request.body, draw, conditions)
    except RefusedError as error:
        return _refused(error.refusal, request_id=request_id, found=found, model_id=model_id, fault=name)
    return _with_fault(replace(exchange, model_id=model_id), name, draw.fault)


def _find_model(found: Route, body: bytes) -> tuple[str | None, Model | None]:
    """Return the model id of a request and its row; the id is in the path, in the body, or nowhere."""
    model_id = found.model_id
    if isinstance(found.operation, Operation):
        if found.operation.model_in_body:
            model_id = take_text(decode(body).get("model"), "model")
    elif found.operation.name == "StartAsyncInvoke":
        model_id = take_text(decode(body).get("modelId"), "modelId")
    return model_id, None if model_id is None else resolve(model_id)


def _choose_fault(request: Request, found: Route, model: Model | None, conditions: Conditions) -> str | None:
    """Return the fault for this call: the header's, else the model id's, else the script's."""
    asked = request.headers.get(FAULT_HEADER)
    if asked is None:
        # Bedrock looks the model up before anything else can go wrong, so a script spares calls to unknown ones.
        if model is None:
            return conditions.scheduled if isinstance(found.operation, Service) else None
        return model.fault or conditions.scheduled
    if asked not in FAULTS:
        # A misspelt fault must not pass for a healthy call.
        raise invalid(f"{FAULT_HEADER}: no such fault")
    return asked


def _raise_refusal(fault: Fault) -> None:
    """Raise the error that the fault answers in the model's stead, if it has one."""
    if fault.refusal:
        raise RefusedError(fault.refusal)


def _admit(model: Model | None) -> Model:
    """Return the model, or raise Bedrock's error for an id that does not exist."""
    if model is None:
        raise invalid("The provided model identifier is invalid.")
    return model


def _infer(operation: Operation, model: Model, body: bytes, draw: _Draw, conditions: Conditions) -> Exchange:
    """Let the model answer: read the prompt, divide the input by the cache, draw the text, build the body."""
    document = decode(body)
    prompt = operation.read(model, document)
    check_caching(model, prompt)
    spoken = _speak(operation, model, prompt, draw, conditions)
    reply = operation.reply(model, spoken.completion, Asked(document=document, data_first=conditions.data_first))
    return Exchange(
        answer=_answer(reply, draw, delay_ms=spoken.completion.latency_ms),
        request_id=draw.request_id,
        operation=operation.name,
        model_id=None,
        tokens=spoken.completion.tokens if operation.infers else Tokens(),
        units=spoken.units if operation.infers else {},
        written=spoken.written,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spoken:
    """A completion and what it leaves behind."""

    completion: Completion
    units: Mapping[str, int]
    written: tuple[bytes, ...]


def _speak(operation: Operation, model: Model, prompt: Prompt, draw: _Draw, conditions: Conditions) -> _Spoken:
    """Decide what the model says and what is billed for it."""
    family, pace, blocked = model.family, conditions.pace, draw.fault.blocked and model.family.bills == "text"
    latency_ms = conditions.latency_ms + (conditions.slow_ms if draw.fault.slow else 0)
    wanted = draw_length(draw.key) if operation.infers and family.bills == "text" else 0
    length = wanted if prompt.max_tokens is None else min(wanted, prompt.max_tokens)
    tokens = Tokens(input=prompt.tokens)
    written: tuple[bytes, ...] = ()
    if operation.infers:
        marked = mark_prefix(prompt) if family.caches_by_itself else prompt
        split = split_by_cache(marked, scope=model.base.encode(), known=conditions.known)
        tokens, written = replace(split.tokens, output=length), split.written
    if family.bills == "units" or (blocked and operation.name.startswith("Invoke")):
        # A guardrail stops InvokeModel before the model runs; elsewhere it takes the place of what the model said.
        tokens, written = Tokens(), ()
    completion = Completion(
        model=model.base,
        key=draw.key,
        text=CANNED if blocked else draw_text(draw.key, length),
        tokens=tokens,
        cut=length < wanted and not blocked,
        caches=family.caches,
        latency_ms=latency_ms,
        first_byte_ms=latency_ms + round(pace.first_token_ms),
        last_byte_ms=latency_ms + round(pace.first_token_ms + pace.lasts_ms(length)),
        amount=prompt.amount,
        counts_cache_twice=family.counts_cache_twice,
        invoked_model=model.arn if model.kind in ROUTERS else None,
        blocked=blocked,
    )
    guardrail = {name: count for name, count in GUARDRAIL_UNITS.items() if count} if blocked else {}
    return _Spoken(completion=completion, units={**prompt.units, **guardrail}, written=written)


def _serve(service: Service, body: bytes, turn: bytes, draw: _Draw, conditions: Conditions) -> Exchange:
    """Let a service answer that runs no model on the spot."""
    reply = service.serve(
        ServiceCall(
            ids=draw.found.ids,
            query=draw.found.query,
            body=body,
            key=turn,
            now=conditions.now,
            jobs=conditions.jobs,
            blocked=draw.fault.blocked,
        )
    )
    delay_ms = conditions.latency_ms + (conditions.slow_ms if draw.fault.slow else 0)
    return Exchange(
        answer=_answer(Reply(document=reply.document), draw, delay_ms=delay_ms),
        request_id=draw.request_id,
        operation=service.name,
        model_id=None,
        units=reply.units,
        jobs=reply.jobs,
    )


def _answer(reply: Reply, draw: _Draw, *, delay_ms: int) -> Answer:
    return Answer(
        status=200,
        headers=(("Content-Type", reply.content_type), ("x-amzn-RequestId", draw.request_id), *reply.headers),
        body=b"" if reply.document is None else encode(reply.document),
        stream=reply.stream,
        delay_ms=delay_ms,
    )


def _with_fault(exchange: Exchange, name: str | None, fault: Fault) -> Exchange:
    """Show the fault; an answer that cannot show it stays healthy, and says so in the ledger."""
    if fault.midway:
        return _fail_midway(exchange, name, fault.midway)
    answer = fault.change(exchange.answer) if fault.change else exchange.answer
    if fault.change and answer == exchange.answer:
        return exchange
    changed = replace(exchange, answer=answer, fault=name)
    return changed if fault.runs_model else replace(changed, tokens=Tokens(), units={}, written=(), jobs=())


def _fail_midway(exchange: Exchange, name: str | None, refusal: Refusal) -> Exchange:
    """Let a stream end with an error after half of its frames."""
    stream = exchange.answer.stream
    told = stream.wire.fail(refusal) if stream else None
    if stream is None or told is None:
        return exchange
    said = stream.frames[: len(stream.frames) // 2]
    frames = (*said, Frame(data=told))
    return replace(
        exchange,
        answer=replace(exchange.answer, stream=replace(stream, frames=frames)),
        fault=name,
        error_code=refusal.kind.code,
        tokens=replace(exchange.tokens, output=sum(frame.tokens for frame in said)),
    )


def _refused(
    refusal: Refusal, *, request_id: str, found: Route | None, model_id: str | None = None, fault: str | None = None
) -> Exchange:
    dialect = found.operation.dialect if found else Dialect.AWS
    return Exchange(
        answer=error_answer(refusal, request_id=request_id, dialect=dialect),
        request_id=request_id,
        operation=found.operation.name if found else None,
        model_id=model_id,
        error_code=refusal.kind.code,
        fault=fault,
    )
