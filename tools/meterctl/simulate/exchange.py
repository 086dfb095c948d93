"""One request, what its answer depends on besides, and what comes of it."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from meterctl.simulate.answer import Answer
from meterctl.simulate.pace import Pace
from meterctl.simulate.services import Job
from meterctl.simulate.tokens import Tokens


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
    pace: Pace = field(default_factory=Pace)
    """How fast a model speaks on a stream."""
    data_first: bool = False
    """Whether server-sent events have their `data:` line first."""
    jobs: Mapping[str, Job] = field(default_factory=dict)
    """The asynchronous invocations so far, by ARN."""
    now: float = 0
    """Seconds since the epoch."""


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
    """The decoded model id as it was asked for; None where the request names none."""
    error_code: str | None = None
    """The exception's name, where one is answered."""
    fault: str | None = None
    """The fault that was shown."""
    tokens: Tokens = field(default_factory=Tokens)
    """What is billed."""
    units: Mapping[str, int] = field(default_factory=dict)
    """What is billed besides tokens, by the name of the unit."""
    jobs: tuple[Job, ...] = ()
    """The asynchronous invocations that are new or have changed."""
    written: tuple[bytes, ...] = ()
    """The prefixes that the prompt cache holds from now on."""
