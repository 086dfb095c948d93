"""When each frame of a stream is due."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meterctl.simulate.answer import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a model speaks on a stream."""

    first_token_ms: float = 0
    """From the head of the answer to the first frame with a part of the text, in milliseconds."""
    tokens_per_second: float | None = None
    """From then on; None for as fast as possible."""

    def __post_init__(self) -> None:
        if self.first_token_ms < 0:
            raise ValueError(f"first_token_ms is {self.first_token_ms}, it cannot be negative")
        if self.tokens_per_second is not None and self.tokens_per_second <= 0:
            raise ValueError(f"tokens_per_second is {self.tokens_per_second}, it has to be positive")

    def lasts_ms(self, tokens: int) -> float:
        """Return how long after the first token the token number `tokens` is said, in milliseconds."""
        return 0 if self.tokens_per_second is None else 1000 * tokens / self.tokens_per_second


def schedule(frames: Iterable[Frame], pace: Pace) -> Iterator[tuple[Frame, float]]:
    """Yield each frame and when it is due, in milliseconds after the head of the answer.

    Frames before the first token go out at once. A frame with tokens is due when its last token is said; the first one
    at `first_token_ms`. A frame without follows the one before it.
    """
    spoken = head_start = 0
    due = 0.0
    for frame in frames:
        if frame.tokens:
            head_start = head_start or frame.tokens
            spoken += frame.tokens
            due = pace.first_token_ms + pace.lasts_ms(spoken - head_start)
        yield frame, due
