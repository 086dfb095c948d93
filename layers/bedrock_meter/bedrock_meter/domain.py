"""The values that travel through bedrock-meter. Each is frozen, and knows its invariants and nothing else.

One call to Bedrock becomes one `Call` (what was asked), one `Usage` (what was counted), one `Outcome` (how it ended)
and one `Record` that joins them. Everything that bedrock-meter emits is a projection of the `Record`.

A count that nobody reported is ``None``, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from bedrock_meter.forecast import Forecast

MAX_COUNT = 10**9  # the largest token count that is believed: a hundred times the largest context window on Bedrock

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_UNITS: Mapping[str, int] = MappingProxyType({})


class Operation(StrEnum):
    """The operations of bedrock-runtime that are metered, by their AWS names; `UNKNOWN` for a route that is none."""

    INVOKE_MODEL = "InvokeModel"
    INVOKE_MODEL_STREAM = "InvokeModelWithResponseStream"
    CONVERSE = "Converse"
    CONVERSE_STREAM = "ConverseStream"
    COUNT_TOKENS = "CountTokens"
    APPLY_GUARDRAIL = "ApplyGuardrail"
    INVOKE_GUARDRAIL_CHECKS = "InvokeGuardrailChecks"
    START_ASYNC_INVOKE = "StartAsyncInvoke"
    GET_ASYNC_INVOKE = "GetAsyncInvoke"
    LIST_ASYNC_INVOKES = "ListAsyncInvokes"
    CHAT_COMPLETIONS = "ChatCompletions"  # this and the next two are compatible routes, which have no AWS name
    RESPONSES = "Responses"
    MESSAGES = "Messages"
    UNKNOWN = "Unknown"


class Family(StrEnum):
    """The model families whose answer bodies are known; `OTHER` is everything else, which may look like any of them."""

    CLAUDE = "claude"
    NOVA = "nova"
    NOVA_EMBEDDING = "nova-embedding"
    NOVA_CANVAS = "nova-canvas"
    NOVA_REEL = "nova-reel"
    TITAN_TEXT = "titan-text"
    TITAN_EMBEDDING = "titan-embedding"
    TITAN_IMAGE = "titan-image"
    LLAMA = "llama"
    MISTRAL = "mistral"
    COHERE_COMMAND = "cohere-command"
    COHERE_EMBED = "cohere-embed"
    RERANK = "rerank"
    AI21 = "ai21"
    DEEPSEEK = "deepseek"
    QWEN = "qwen"
    OPENAI = "openai"
    WRITER = "writer"
    OPEN_WEIGHT = "open-weight"  # Gemma, GLM, Grok, Kimi, MiniMax, Nemotron: they answer as OpenAI does
    STABILITY = "stability"
    LUMA = "luma"
    PEGASUS = "pegasus"
    MARENGO = "marengo"
    OTHER = "other"


class ModelKind(StrEnum):
    """What a model id stands for, which decides how Bedrock bills it: by token, or by the time that it is provided."""

    FOUNDATION = "foundation"
    PROFILE = "profile"  # a system-defined inference profile
    APPLICATION_PROFILE = "application-profile"
    PROVISIONED = "provisioned"  # bought throughput: billed by the hour
    CUSTOM = "custom"  # a fine-tuned model or its deployment
    IMPORTED = "imported"  # billed by the minute that it is loaded
    PROMPT = "prompt"  # a managed prompt, which names its model itself
    ROUTER = "router"  # a prompt router: the answer says which model it chose
    MARKETPLACE = "marketplace"  # an endpoint of SageMaker: billed by the hour
    UNKNOWN = "unknown"  # an ARN of another kind


class Scope(StrEnum):
    """Where Bedrock may run the call; prices differ between the three."""

    IN_REGION = "in-region"
    GEO = "geo"
    GLOBAL = "global"


class UsageSource(StrEnum):
    """Who gave the counts of a `Usage`."""

    HEADER = "header"
    BODY = "body"
    STREAM = "stream"
    LOG = "log"
    ESTIMATE = "estimate"


class Certainty(StrEnum):
    """How far the counts of a record can be trusted."""

    EXACT = "exact"  # Bedrock gave every count, or it is certain that nothing was processed
    AT_LEAST = "at_least"  # some of it was given
    UNKNOWN = "unknown"  # the model may have worked, and no count was given


class Ending(StrEnum):
    """How the exchange with Bedrock ended, as the transport saw it."""

    COMPLETE = "complete"  # the answer arrived whole, whatever its status
    TRUNCATED = "truncated"  # bedrock broke the answer off after its head had arrived
    UNREACHABLE = "unreachable"  # no answer at all: the connection failed before the head arrived
    TIMED_OUT = "timed_out"  # the time for the call ran out before the answer was whole
    REFUSED = "refused"  # the call was answered here and never sent
    CLIENT_GONE = "client_gone"  # the caller left before the end; the certainty says whether the rest was read


class Status(StrEnum):
    """What became of a call; the classes that the fault metrics count."""

    OK = "ok"
    CLIENT_ERROR = "client_error"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    DENIED = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """A model as the caller named it, taken apart."""

    raw: str
    """The id or ARN as it was called, percent-decoded once."""
    base: str | None
    """The foundation model id, such as ``anthropic.claude-sonnet-4-5-20250929-v1:0``; None while an ARN is opaque."""
    family: Family
    """Which request and answer bodies to expect."""
    scope: Scope | None
    """In-region, geo or global; None while an ARN is opaque."""
    region: str | None
    """The Region named by the ARN, else the one that was called."""
    profile: str | None
    """The inference profile that was called: ``us.anthropic.…`` or an application profile's id; None without one."""
    kind: ModelKind = ModelKind.FOUNDATION
    """What the id stands for."""

    @property
    def id(self) -> str:
        """The id that Bedrock's own metrics show: the profile when one was called, else the foundation model."""
        return self.profile or self.base or self.raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to Bedrock, described before it is sent. It holds no content."""

    id: str
    """Our own id of the call, unique; the caller gets it back in ``x-bedrock-meter-request-id``."""
    operation: Operation
    """The operation of bedrock-runtime."""
    model: ModelRef | None
    """The model, or None where the route names none."""
    tags: Mapping[str, str] = _NOTHING
    """Labels from the authenticated caller; ``use_case`` always; ``team``, ``key_id``, ``account`` and
    ``principal`` (the AWS account and ARN of the caller) where they are known."""
    max_output_tokens: int | None = None
    """The caller's own bound on the output, or None when the request sets none."""
    input_bytes: int | None = 0
    """The size of the request body in bytes; None where nobody saw it."""
    tier: str | None = None
    """The tier that was asked for (``priority``, ``default``, ``flex``, ``reserved``, ``latency``); None when unset."""
    streaming: bool = False
    """Whether the answer arrives as a stream."""
    attempt: int | None = None
    """Which attempt of its SDK this request is, from 1; None when the SDK does not say."""
    documents: int | None = None
    """How many documents a rerank request sends: Bedrock bills by their number and does not repeat it; else None."""
    received_at: datetime
    """When the request arrived; aware, UTC."""

    def __post_init__(self) -> None:
        """Refuse a naive time: its day would depend on where the code runs."""
        if self.received_at.tzinfo is None:
            raise ValueError("received_at must be an aware datetime")

    @property
    def use_case(self) -> str | None:
        """The use case that the call counts for, or None before it is known."""
        return self.tags.get("use_case")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one call consumed. The buckets are disjoint: every token is in exactly one of them.

    The input bucket never includes cached tokens; Bedrock's headers, Converse and Claude count so by themselves
    (https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html), others are normalised when read.
    """

    input: int | None = None
    """Input tokens that were neither read from nor written to a cache."""
    output: int | None = None
    """Output tokens, thinking included."""
    cache_read: int | None = None
    """Input tokens read from the prompt cache."""
    cache_write_5m: int | None = None
    """Input tokens written to the cache for 5 minutes, which is also the default."""
    cache_write_1h: int | None = None
    """Input tokens written to the cache for 1 hour."""
    other: Mapping[str, int] = _NO_UNITS
    """Units that are not tokens, by name: ``images``, ``search_units``, ``content_policy_units``, …"""
    source: UsageSource
    """Who gave the counts."""

    def __post_init__(self) -> None:
        """Refuse counts that no meter can have read."""
        for name in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h"):
            count = getattr(self, name)
            if count is not None and not 0 <= count <= MAX_COUNT:
                raise ValueError(f"Usage.{name} must lie between 0 and {MAX_COUNT}, not {count}")

    @property
    def cache_write(self) -> int | None:
        """Tokens written to the cache for any time; None when neither bucket is known."""
        if self.cache_write_5m is None and self.cache_write_1h is None:
            return None
        return (self.cache_write_5m or 0) + (self.cache_write_1h or 0)

    @property
    def total_input(self) -> int:
        """Every input token that is known of, cached ones included."""
        return (self.input or 0) + (self.cache_read or 0) + (self.cache_write or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended. Times are in milliseconds."""

    status: Status
    """The class of the answer."""
    ending: Ending
    """How the exchange with Bedrock ended."""
    http_status: int | None
    """The status that the caller got; None when it got none."""
    bedrock_status: int | None = None
    """The status that Bedrock answered with; None when no answer arrived."""
    error_code: str | None = None
    """The name of the error: AWS's (``ThrottlingException``), or the route's own on the compatible ones."""
    stop_reason: str | None = None
    """Why the model stopped, in its own words (``end_turn``, ``max_tokens``, …)."""
    duration_ms: float | None = None
    """From sending the request to the last byte of the answer; None for a call that was never sent."""
    first_byte_ms: float | None = None
    """From sending the request to the first byte of the answer's body; on a stream, to the answer's first piece."""
    overhead_ms: float = 0.0
    """Our own time: before the request was sent, for each chunk, and to close the books; never the wait for Bedrock."""
    certainty: Certainty
    """How far the counts can be trusted."""
    upstream_request_id: str | None = None
    """Bedrock's ``x-amzn-RequestId``: the key to its invocation log and to the AWS bill."""
    upstream_latency_ms: int | None = None
    """The latency that Bedrock itself reports."""
    attempts: int | None = None
    """How many requests the SDK sent for this call, where the door can see it."""
    invoked_model: str | None = None
    """The model that a prompt router chose; None without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The one fact about one call."""

    call: Call
    usage: Usage | None
    """The counts, or None when there are none: see ``outcome.certainty`` for what that means."""
    outcome: Outcome
    cost: Decimal | None = None
    """US dollars, or None where a price or a count is unknown."""
    price_row: str | None = None
    """The row of the price book that holds for the call (two with ``+``); None where the book has no price for it."""
    forecast: Forecast | None = None
    """What was expected of the input; None where nobody needed to know."""
    held: Decimal | None = None
    """US dollars that limits held back before the call; None where none held any."""
    limits: tuple[str, ...] = ()
    """The ids of the limits that count the call."""
    refused_by: str | None = None
    """The id of the limit that refused the call; None where none did."""
    disagreement: bool = False
    """Two sources of the same count differed; the one that Bedrock bills by was taken."""
    cold_start: bool = False
    """This was the first call of a new execution environment."""
    faults: tuple[str, ...] = field(default=())
    """What went wrong in the meter itself, each as a short code; the caller's answer was not touched by it."""
