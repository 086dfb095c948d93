"""What each operation reads of a request, and how it puts a `Completion` on the wire."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

from meterctl.simulate import frames, openai
from meterctl.simulate.answer import (
    Frame,
    Refusal,
    Reply,
    Stream,
    Wire,
    anthropic_error,
    decode,
    encode,
    invalid,
    openai_error,
)
from meterctl.simulate.bodies import Completion, claude_body, converse_body, guardrail_trace
from meterctl.simulate.faults import INPUT_COUNT_HEADER
from meterctl.simulate.models import Model
from meterctl.simulate.prompt import Prompt, Segment, take_object
from meterctl.simulate.readers import read_converse, read_messages
from meterctl.simulate.streams import GUARDRAIL_ACTION, Chunk, claude_chunks, converse_events, with_metrics

type Headers = tuple[tuple[str, str], ...]

EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
SERVER_SENT_EVENTS: Final = "text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a reply depends on besides the completion."""

    document: dict[str, Any]
    """The request."""
    data_first: bool
    """Whether the `data:` line of a server-sent event stands before its `event:` line."""


def read_invoke(model: Model, document: dict[str, Any]) -> Prompt:
    """Read InvokeModel's body in the family's own schema."""
    if model.family.runs == "later":
        raise invalid("The model is supported for asynchronous invocation only.")
    return model.family.read(document)


def read_converse_for(model: Model, document: dict[str, Any]) -> Prompt:
    """Read Converse's body; where a stored prompt is called, the messages are with Bedrock."""
    if model.family.bills != "text":
        raise invalid(
            "This action doesn't support the model that you provided. Try again with a supported text or chat model."
        )
    if model.kind == "prompt":
        variables = take_object(document.get("promptVariables", {}), "promptVariables")
        return Prompt(segments=(Segment.of("promptVariables", variables),))
    return read_converse(document)


def read_count(model: Model, document: dict[str, Any]) -> Prompt:
    """Read either request that CountTokens takes; only foundation ids of some families are counted."""
    if model.profile or not model.family.counts_tokens:
        raise invalid("The provided model doesn't support counting tokens.")
    match take_object(document.get("input"), "input"):
        case {"invokeModel": {"body": str(encoded)}}:
            try:
                body = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                raise invalid("input.invokeModel.body: Input should be base64") from None
            return model.family.read(decode(body))
        case {"converse": dict(converse_document)}:
            return read_converse(converse_document)
        case _:
            raise invalid("input: Field 'invokeModel' or 'converse' required")


def read_chat_completions(model: Model, document: dict[str, Any]) -> Prompt:
    """Read a chat completions request."""
    _check_route(model, "ChatCompletions")
    return openai.read_chat(document)


def read_responses_for(model: Model, document: dict[str, Any]) -> Prompt:
    """Read a responses request."""
    _check_route(model, "Responses")
    return openai.read_responses(document)


def read_messages_for(model: Model, document: dict[str, Any]) -> Prompt:
    """Read a messages request."""
    _check_route(model, "Messages")
    return read_messages(document)


def _check_route(model: Model, name: str) -> None:
    if name not in model.family.routes:
        raise invalid("The model isn't supported on this route.")


def _token_headers(model: Model, completion: Completion) -> Headers:
    """Return InvokeModel's token headers; the cache pair is given only by models that support caching."""
    tokens, bills = completion.tokens, model.family.bills
    latency = ("X-Amzn-Bedrock-Invocation-Latency", str(completion.latency_ms))
    if bills == "units" or completion.blocked:
        return (latency,)
    headers = [(INPUT_COUNT_HEADER, str(tokens.input))]
    if bills == "text":
        headers.append(("X-Amzn-Bedrock-Output-Token-Count", str(tokens.output)))
    if completion.caches:
        headers += [
            ("X-Amzn-Bedrock-Cache-Read-Input-Token-Count", str(tokens.cache_read)),
            ("X-Amzn-Bedrock-Cache-Write-Input-Token-Count", str(tokens.cache_write)),
        ]
    return (*headers, latency)


def invoke(model: Model, completion: Completion, _: Asked) -> Reply:
    """Answer InvokeModel: the family's body and the token headers."""
    document = model.family.build(completion)
    if completion.blocked:
        document |= {GUARDRAIL_ACTION: "INTERVENED", "amazon-bedrock-trace": {"guardrail": guardrail_trace()}}
    return Reply(document=document, headers=_token_headers(model, completion))


def converse(_: Model, completion: Completion, _asked: Asked) -> Reply:
    """Answer Converse."""
    return Reply(document=converse_body(completion))


def count_tokens(_: Model, completion: Completion, _asked: Asked) -> Reply:
    """Answer CountTokens."""
    return Reply(document={"inputTokens": completion.tokens.input})


def _exception(refusal: Refusal) -> bytes:
    code = refusal.kind.code
    return frames.exception(code[0].lower() + code[1:], {"message": refusal.message, **refusal.extra})


def _converse_exception(refusal: Refusal) -> bytes | None:
    """Return the exception frame; ModelTimeoutException is the one that ConverseStream does not have."""
    return None if refusal.kind.code == "ModelTimeoutException" else _exception(refusal)


_UNKNOWN: Final = frames.event("novelty", b'{"p":"abc"}')
_CHUNKS: Final = Wire(fail=_exception, unknown=_UNKNOWN, broken=frames.event("chunk", b'{"bytes":"eyJ'))
_EVENTS: Final = Wire(fail=_converse_exception, unknown=_UNKNOWN, broken=frames.event("metadata", b'{"usage":{'))


def invoke_stream(model: Model, completion: Completion, _: Asked) -> Reply:
    """Answer InvokeModelWithResponseStream: the model's documents as chunks; no token header."""
    if model.family.stream is None:
        raise invalid("The model is unsupported for streaming.")
    chunks = with_metrics(model.family.stream(completion), completion, apart=model.family.metrics_apart)
    return Reply(
        stream=Stream(
            frames=tuple(
                Frame(
                    data=frames.chunk_event(chunk.document, padding=frames.padding(completion.key, number)),
                    tokens=chunk.tokens,
                )
                for number, chunk in enumerate(chunks)
            ),
            wire=_CHUNKS,
        ),
        content_type=EVENT_STREAM,
        headers=(("X-Amzn-Bedrock-Content-Type", "application/json"),),
    )


def converse_stream(model: Model, completion: Completion, _: Asked) -> Reply:
    """Answer ConverseStream."""
    if model.family.stream is None:
        raise invalid("The model is unsupported for streaming.")
    return Reply(
        stream=Stream(
            frames=tuple(
                Frame(
                    data=frames.converse_event(
                        event.name, event.document, padding=frames.padding(completion.key, number)
                    ),
                    tokens=event.tokens,
                )
                for number, event in enumerate(converse_events(completion))
            ),
            wire=_EVENTS,
        ),
        content_type=EVENT_STREAM,
    )


def _data(document: dict[str, Any], *, name: str | None = None) -> bytes:
    return frames.sse_event(encode(document), name=name)


_BROKEN_LINE: Final = frames.sse_event(b'{"type":"novel')
_CHAT: Final = Wire(
    fail=lambda refusal: _data(openai_error(refusal)),
    unknown=_data({"object": "novelty"}),
    broken=_BROKEN_LINE,
    checked=False,
)
_RESPONSES: Final = Wire(
    fail=lambda refusal: _data({"type": "error", **openai_error(refusal)["error"]}, name="error"),
    unknown=_data({"type": "response.novelty"}, name="response.novelty"),
    broken=_BROKEN_LINE,
    checked=False,
)
_MESSAGES: Final = Wire(
    fail=lambda refusal: _data(anthropic_error(refusal), name="error"),
    unknown=_data({"type": "novelty"}, name="novelty"),
    broken=_BROKEN_LINE,
    checked=False,
)


def chat_completions(_: Model, completion: Completion, asked: Asked) -> Reply:
    """Answer a chat completions request; usage ends the stream only if the caller asked for it."""
    if asked.document.get("stream") is not True:
        return Reply(document=openai.chat_body(completion, details=True))
    chunks = openai.chat_chunks(completion)
    if openai.wants_usage(asked.document):
        chunks = [chunk._replace(document=chunk.document | {"usage": None}) for chunk in chunks]
        chunks.append(openai.usage_chunk(completion))
    done = Frame(data=frames.sse_event(b"[DONE]"))
    spoken = tuple(Frame(data=_data(chunk.document), tokens=chunk.tokens) for chunk in chunks)
    return Reply(stream=Stream(frames=(*spoken, done), wire=_CHAT), content_type=SERVER_SENT_EVENTS)


def responses(_: Model, completion: Completion, asked: Asked) -> Reply:
    """Answer a responses request."""
    if asked.document.get("stream") is not True:
        return Reply(document=openai.responses_body(completion))
    return _named_events(openai.responses_events(completion), _RESPONSES, data_first=asked.data_first)


def messages(_: Model, completion: Completion, asked: Asked) -> Reply:
    """Answer a messages request."""
    if asked.document.get("stream") is not True:
        return Reply(document=claude_body(completion))
    begin, *rest = claude_chunks(completion)
    return _named_events([begin, Chunk({"type": "ping"}), *rest], _MESSAGES, data_first=False)


def _named_events(chunks: list[Chunk], wire: Wire, *, data_first: bool) -> Reply:
    """Return a stream whose events are named by the `type` of their document."""
    spoken = tuple(
        Frame(
            data=frames.sse_event(encode(chunk.document), name=chunk.document["type"], data_first=data_first),
            tokens=chunk.tokens,
        )
        for chunk in chunks
    )
    return Reply(stream=Stream(frames=spoken, wire=wire), content_type=SERVER_SENT_EVENTS)
