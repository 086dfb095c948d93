"""The simulator's token model: simple enough to check by hand, the same on every run.

- A piece of input of n UTF-8 bytes has ceil(n / 4) tokens; pieces are counted one by one and added up.
- An answer has 20 to 199 tokens, drawn from the request and the seed, and at most what the caller allows.
- Each token of an answer is one three-letter word; with the blanks between them the text of n tokens has 4n - 1
  bytes, so the rule for input gives the same n for the answer's text.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

BYTES_PER_TOKEN: Final = 4
SHORTEST_ANSWER: Final = 20
ANSWER_SPREAD: Final = 180

_VOCABULARY: Final = (
    "ash bay cap day elm fen gap hay ice jar key log map net oak pen "
    "ray sea tea urn van web yak zoo arc bow cup den eel fig gem hut "
    "ink joy kin lap mud nut orb pod rig sun tin use vat wax yam zip "
    "ant bee cod doe elk fox gnu hen ivy jay kid lot mug nap one paw"
)
WORDS: Final = tuple(_VOCABULARY.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The billed token buckets of one call. A token is in exactly one of them."""

    input: int = 0
    """Input tokens that were neither read from nor written to the prompt cache."""
    output: int = 0
    """Answer tokens."""
    cache_read: int = 0
    """Input tokens read from the prompt cache."""
    cache_write_5m: int = 0
    """Input tokens written to the prompt cache for five minutes."""
    cache_write_1h: int = 0
    """Input tokens written to the prompt cache for one hour."""

    @property
    def cache_write(self) -> int:
        """Tokens written to the prompt cache, whatever the lifetime."""
        return self.cache_write_5m + self.cache_write_1h

    @property
    def total(self) -> int:
        """All buckets together, as Converse's `totalTokens`."""
        return self.input + self.cache_read + self.cache_write + self.output


def count(size: int) -> int:
    """Return the tokens of one piece of input of `size` UTF-8 bytes."""
    return -(-size // BYTES_PER_TOKEN)


def fingerprint(*parts: bytes) -> bytes:
    """Return 16 bytes that stand for `parts`; the limits between the parts matter."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def draw_length(key: bytes) -> int:
    """Return how many tokens the answer for `key` would like to have."""
    return SHORTEST_ANSWER + int.from_bytes(fingerprint(key, b"length"), "big") % ANSWER_SPREAD


def draw_text(key: bytes, length: int) -> str:
    """Return the answer text of `length` tokens for `key`."""
    picks = hashlib.shake_128(key).digest(length)
    return " ".join(WORDS[pick % len(WORDS)] for pick in picks)
