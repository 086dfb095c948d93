"""What is told of a call before it is sent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What the input of a call will come to, told before it is sent."""

    tokens: int
    """The input tokens to expect, cached ones included."""
    most: int
    """The input tokens that the call does not pass; what a strict limit holds back."""
    method: str
    """How it was told: ``tokenizer`` or ``bytes`` for an estimate, ``count_tokens`` for Bedrock's own count, ``bound``
    for a body of which only the size is known."""
