"""Relay an answer while it arrives: to the meter first, then to the caller, byte for byte.

When the caller goes away, Bedrock works on and AWS bills the whole answer, so what is left is read here, within bounds.
"""

from collections.abc import Generator, Iterator, Mapping
from typing import Protocol

from bedrock_meter.config import Settings
from bedrock_meter.domain import Ending
from bedrock_meter.errors import GatewayFault, Refusal, UpstreamTimeout
from bedrock_meter.meter import Meter, Session
from bedrock_meter.ports import Clock
from gateway.chat_usage import UsageHider

GATEWAY_FAULT = "gateway_fault"

_STREAM_TYPES = frozenset({"application/vnd.amazon.eventstream", "text/event-stream"})


class Answer(Protocol):
    """Bedrock's answer, as `gateway.upstream` gives it."""

    status: int
    """The HTTP status."""
    headers: tuple[tuple[str, str], ...]
    """In order, as they arrived."""

    def chunks(self) -> Generator[bytes]:
        """Give the body as it arrives; raise a `Refusal` when it breaks off. Closing it closes the connection."""

    def hurry(self, seconds: float) -> None:
        """Give the rest of the body no more than so many seconds from now."""


def is_stream(headers: Mapping[str, str]) -> bool:
    """Tell by its content type whether an answer is one that its caller reads while it arrives.

    Args:
        headers: The headers of the answer with lower-case names.
    """
    return headers.get("content-type", "").partition(";")[0].strip().lower() in _STREAM_TYPES


class StreamRelay:
    """Relays streams.

    Args:
        settings: The bounds on what is read after the caller has gone.
        meter: Where faults go that belong to no session.
        clock: The time.
    """

    def __init__(self, *, settings: Settings, meter: Meter, clock: Clock) -> None:
        self._drain_seconds = settings.drain_seconds
        self._drain_bytes = settings.drain_bytes
        self._meter = meter
        self._clock = clock

    def start(self, answer: Answer, session: Session, hider: UsageHider | None = None) -> Iterator[bytes]:
        """Give the chunks of an answer as they arrive, and close the session when they end.

        The iterator is a generator that has been started, so that closing it, or dropping it, is noticed even before
        its first chunk: then the rest of the answer is read and metered before ``close()`` returns.

        Args:
            answer: The answer, whose head has been read.
            session: Its session.
            hider: What takes a chunk out of the answer that the caller did not ask for.

        Raises:
            Refusal: While iterating: Bedrock broke the answer off, or was too slow.
        """
        stream = self._relay(answer, session, hider)
        next(stream)
        return stream

    def _relay(self, answer: Answer, session: Session, hider: UsageHider | None) -> Generator[bytes]:
        chunks = answer.chunks()
        try:
            yield b""  # for start()
            for chunk in chunks:
                session.feed(chunk)
                if hider is None:
                    yield chunk
                elif shown := hider.feed(chunk):
                    yield shown
            if hider is not None and (rest := hider.rest()):
                yield rest
        except GeneratorExit:
            self._drain(answer, chunks, session)
            return
        except Exception as error:
            refusal = self._refusal(error)
            session.close(Ending.TIMED_OUT if isinstance(refusal, UpstreamTimeout) else Ending.TRUNCATED)
            if hider is not None and (rest := hider.rest()):
                yield rest
            raise refusal from error
        session.close(Ending.COMPLETE)

    def _drain(self, answer: Answer, chunks: Generator[bytes], session: Session) -> None:
        """Read on for the counts, which come last, until the bounds strike. Does not raise."""
        until, left = self._clock.monotonic() + self._drain_seconds, self._drain_bytes
        try:
            answer.hurry(self._drain_seconds)
            while left > 0 and self._clock.monotonic() < until and (chunk := next(chunks, None)) is not None:
                session.feed(chunk)
                left -= len(chunk)
        except Exception as error:  # noqa: BLE001 - nobody is there to be told; the certainty of the record tells it
            self._refusal(error)
        finally:
            session.close(Ending.CLIENT_GONE)
            chunks.close()

    def _refusal(self, error: Exception) -> Refusal:
        if isinstance(error, Refusal):
            return error
        self._meter.carry(GATEWAY_FAULT, error)
        return GatewayFault("The gateway failed while it relayed the answer. Its log names the fault.")
