"""The table of operations and the way from a method and a raw path to its row."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from meterctl.simulate.answer import ACCESS_DENIED, Refusal, RefusedError, decode, invalid
from meterctl.simulate.bodies import Completion, converse_body
from meterctl.simulate.faults import INPUT_COUNT_HEADER
from meterctl.simulate.models import Model
from meterctl.simulate.prompt import Prompt, take_object
from meterctl.simulate.readers import read_converse

type Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row: an operation under `POST /model/{modelId}/`."""

    name: str
    """As in the AWS API and in Bedrock's invocation log."""
    verb: str
    """The last segment of the path."""
    read: Callable[[Model, dict[str, Any]], Prompt]
    """Request document to prompt; raises `RefusedError`."""
    build: Callable[[Model, Completion], dict[str, Any]]
    """Completion to answer document."""
    headers: Callable[[Completion], Headers]
    """Headers that only this operation has."""
    infers: bool = True
    """Whether the model writes an answer, so that tokens are billed."""


def _read_invoke(model: Model, document: dict[str, Any]) -> Prompt:
    return model.family.read(document)


def _read_converse(_: Model, document: dict[str, Any]) -> Prompt:
    return read_converse(document)


def _read_count(model: Model, document: dict[str, Any]) -> Prompt:
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
        case {"converse": dict(converse)}:
            return read_converse(converse)
        case _:
            raise invalid("input: Field 'invokeModel' or 'converse' required")


def _token_headers(completion: Completion) -> Headers:
    """Return InvokeModel's token headers; the cache pair is given only by models that support caching."""
    tokens = completion.tokens
    cache = (
        ("X-Amzn-Bedrock-Cache-Read-Input-Token-Count", str(tokens.cache_read)),
        ("X-Amzn-Bedrock-Cache-Write-Input-Token-Count", str(tokens.cache_write)),
    )
    return (
        (INPUT_COUNT_HEADER, str(tokens.input)),
        ("X-Amzn-Bedrock-Output-Token-Count", str(tokens.output)),
        *(cache if completion.caches else ()),
        ("X-Amzn-Bedrock-Invocation-Latency", str(completion.latency_ms)),
    )


OPERATIONS: Final = (
    Operation(
        name="InvokeModel",
        verb="invoke",
        read=_read_invoke,
        build=lambda model, completion: model.family.build(completion),
        headers=_token_headers,
    ),
    Operation(
        name="Converse",
        verb="converse",
        read=_read_converse,
        build=lambda _, completion: converse_body(completion),
        headers=lambda _: (),
    ),
    Operation(
        name="CountTokens",
        verb="count-tokens",
        read=_read_count,
        build=lambda _, completion: {"inputTokens": completion.tokens.input},
        headers=lambda _: (),
        infers=False,
    ),
)

_BY_VERB: Final = {operation.verb: operation for operation in OPERATIONS}
_PATH: Final = re.compile(r"/model/([^/?]+)/([a-z-]+)(?:\?.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a request goes."""

    operation: Operation
    """Its row."""
    model_id: str
    """The model id, decoded once."""


def route(method: str, path: str) -> Route | None:
    """Return the route of a request, or None where Bedrock has no such operation.

    Args:
        method: HTTP method.
        path: The path as it came, still percent-encoded.
    """
    found = _PATH.fullmatch(path)
    if found is None or method != "POST" or found[2] not in _BY_VERB:
        return None
    return Route(operation=_BY_VERB[found[2]], model_id=unquote(found[1]))


def check_caching(model: Model, prompt: Prompt) -> None:
    """Raise Bedrock's AccessDeniedException where the prompt has cache marks and the model knows no caching."""
    if prompt.wants_cache and not model.family.caches:
        message = "You invoked an unsupported model or your request did not allow prompt caching."
        raise RefusedError(Refusal(kind=ACCESS_DENIED, message=message))
