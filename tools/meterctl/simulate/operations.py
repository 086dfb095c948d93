"""The table of operations and the way from a method and a raw path to its row."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from meterctl.simulate import services
from meterctl.simulate.answer import ACCESS_DENIED, Dialect, Refusal, RefusedError, Reply
from meterctl.simulate.bodies import Completion
from meterctl.simulate.models import Model
from meterctl.simulate.prompt import Prompt
from meterctl.simulate.replies import (
    Asked,
    chat_completions,
    converse,
    converse_stream,
    count_tokens,
    invoke,
    invoke_stream,
    messages,
    read_chat_completions,
    read_converse_for,
    read_count,
    read_invoke,
    read_messages_for,
    read_responses_for,
    responses,
)
from meterctl.simulate.services import ServiceCall, ServiceReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row: an operation that a model answers."""

    name: str
    """As in the AWS API and in Bedrock's invocation log; a name of our own for the routes of OpenAI and Anthropic."""
    path: re.Pattern[str]
    """Its raw paths; the group, if there is one, is the model id."""
    read: Callable[[Model, dict[str, Any]], Prompt]
    """Request document to prompt; raises `RefusedError`."""
    reply: Callable[[Model, Completion, Asked], Reply]
    """Completion to answer; raises `RefusedError`."""
    method: str = "POST"
    """HTTP method."""
    infers: bool = True
    """Whether the model runs, so that something is billed."""
    dialect: Dialect = Dialect.AWS
    """How its errors are told."""

    @property
    def model_in_body(self) -> bool:
        """Whether the member `model` of the body names the model."""
        return self.path.groups == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One row: an operation that no model answers on the spot."""

    name: str
    """As in the AWS API."""
    path: re.Pattern[str]
    """Its raw paths; the groups are ids."""
    serve: Callable[[ServiceCall], ServiceReply]
    """Request to answer; raises `RefusedError`."""
    method: str = "POST"
    """HTTP method."""
    dialect: Dialect = Dialect.AWS
    """How its errors are told."""


def _verb(verb: str) -> re.Pattern[str]:
    return re.compile(rf"/model/([^/]+)/{verb}")


OPERATIONS: Final[tuple[Operation | Service, ...]] = (
    Operation(name="InvokeModel", path=_verb("invoke"), read=read_invoke, reply=invoke),
    Operation(
        name="InvokeModelWithResponseStream",
        path=_verb("invoke-with-response-stream"),
        read=read_invoke,
        reply=invoke_stream,
    ),
    Operation(name="Converse", path=_verb("converse"), read=read_converse_for, reply=converse),
    Operation(name="ConverseStream", path=_verb("converse-stream"), read=read_converse_for, reply=converse_stream),
    Operation(name="CountTokens", path=_verb("count-tokens"), read=read_count, reply=count_tokens, infers=False),
    Operation(
        name="ChatCompletions",
        path=re.compile(r"(?:/openai)?/v1/chat/completions"),
        read=read_chat_completions,
        reply=chat_completions,
        dialect=Dialect.OPENAI,
    ),
    Operation(
        name="Responses",
        path=re.compile(r"(?:/openai)?/v1/responses"),
        read=read_responses_for,
        reply=responses,
        dialect=Dialect.OPENAI,
    ),
    Operation(
        name="Messages",
        path=re.compile(r"/anthropic/v1/messages"),
        read=read_messages_for,
        reply=messages,
        dialect=Dialect.ANTHROPIC,
    ),
    Service(
        name="ApplyGuardrail",
        path=re.compile(r"/guardrail/([^/]+)/version/([^/]+)/apply"),
        serve=services.apply_guardrail,
    ),
    Service(
        name="InvokeGuardrailChecks",
        path=re.compile(r"/guardrail-checks/invoke"),
        serve=services.invoke_guardrail_checks,
    ),
    Service(name="StartAsyncInvoke", path=re.compile(r"/async-invoke"), serve=services.start_async_invoke),
    Service(
        name="GetAsyncInvoke",
        path=re.compile(r"/async-invoke/([^/]+)"),
        serve=services.get_async_invoke,
        method="GET",
    ),
    Service(
        name="ListAsyncInvokes",
        path=re.compile(r"/async-invoke"),
        serve=services.list_async_invokes,
        method="GET",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a request goes."""

    operation: Operation | Service
    """Its row."""
    ids: tuple[str, ...]
    """What stands in the path, decoded once."""
    query: str
    """The query as it came."""

    @property
    def model_id(self) -> str | None:
        """The model id, if it stands in the path."""
        return self.ids[0] if isinstance(self.operation, Operation) and self.ids else None


def route(method: str, path: str) -> Route | None:
    """Return the route of a request, or None where Bedrock has no such operation.

    Args:
        method: HTTP method.
        path: The path and query as they came, still percent-encoded.
    """
    bare, _, query = path.partition("?")
    for operation in OPERATIONS:
        found = operation.path.fullmatch(bare)
        if found is not None and operation.method == method:
            return Route(operation=operation, ids=tuple(map(unquote, found.groups())), query=query)
    return None


def check_caching(model: Model, prompt: Prompt) -> None:
    """Raise Bedrock's AccessDeniedException where the prompt has cache marks and the model knows no caching."""
    if prompt.wants_cache and not model.family.caches:
        message = "You invoked an unsupported model or your request did not allow prompt caching."
        raise RefusedError(Refusal(kind=ACCESS_DENIED, message=message))
