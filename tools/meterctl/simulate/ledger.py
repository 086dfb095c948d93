"""What the simulator served, in order: the second witness against which metered figures are checked."""

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from meterctl.simulate.answer import Ending
from meterctl.simulate.exchange import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One entry. It holds no part of the prompt or of the answer."""

    request_id: str
    """`x-amzn-RequestId` of the answer."""
    operation: str | None
    """As in the AWS API; None for a path that Bedrock does not have."""
    model_id: str | None
    """The decoded model id as it was asked for; None where the request names none."""
    http_status: int | None
    """None where the connection was reset before a status was sent."""
    error_code: str | None
    """The exception's name, also where the route tells it in other words, and also where it came in the middle of a
    stream, whose status is 200; None for an answer of the model."""
    fault: str | None
    """The simulated fault that was shown; None for a healthy call, for an error that the request itself deserved, and
    where the answer could not show the fault, such as a fault of streams on Converse."""
    input_tokens: int
    """Billed tokens; CountTokens and errors bill none, an answer that was cut on the wire or that the caller did not
    wait for bills all, a stream that ends in an error bills what was said before it."""
    output_tokens: int
    """The same."""
    cache_read_tokens: int
    """The same."""
    cache_write_5m_tokens: int
    """The same."""
    cache_write_1h_tokens: int
    """The same."""
    complete: bool
    """Whether the whole answer was handed to the network; for a stream, False until its last byte is about to leave."""
    units: Mapping[str, int] = field(default_factory=dict)
    """What is billed besides tokens, by the name of the unit."""
    at: float = field(default=0.0, compare=False)
    """When its answer began to be sent, in seconds since the epoch. Not compared: the same traffic is never as late."""
    latency_ms: int = 0
    """How long the model took before its answer began."""


class Ledger:
    """The entries so far. Safe to use from any thread."""

    def __init__(self) -> None:
        """Start with no entry."""
        self._lock = threading.Lock()
        self._entries: list[Served] = []

    def record(self, exchange: Exchange) -> int:
        """Append an entry just before its answer is sent and return its index."""
        ending, tokens = exchange.answer.ending, exchange.tokens
        entry = Served(
            request_id=exchange.request_id,
            operation=exchange.operation,
            model_id=exchange.model_id,
            http_status=None if ending is Ending.RESET_BEFORE else exchange.answer.status,
            error_code=exchange.error_code,
            fault=exchange.fault,
            input_tokens=tokens.input,
            output_tokens=tokens.output,
            cache_read_tokens=tokens.cache_read,
            cache_write_5m_tokens=tokens.cache_write_5m,
            cache_write_1h_tokens=tokens.cache_write_1h,
            complete=ending is Ending.WHOLE and exchange.answer.stream is None,
            units=dict(exchange.units),
            at=time.time(),
            latency_ms=exchange.answer.delay_ms,
        )
        with self._lock:
            self._entries.append(entry)
            return len(self._entries) - 1

    def mark(self, index: int, *, complete: bool) -> None:
        """Note whether the answer of the entry at `index` could be sent to its end."""
        with self._lock:
            self._entries[index] = replace(self._entries[index], complete=complete)

    def entries(self) -> tuple[Served, ...]:
        """Return the entries in the order in which their answers were sent."""
        with self._lock:
            return tuple(self._entries)

    def as_json(self) -> dict[str, Any]:
        """Return the document of `GET /__simulator__/ledger`: `{"served": [entry, ...]}`."""
        return {"served": [asdict(entry) for entry in self.entries()]}
