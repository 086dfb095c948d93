"""Who may call, as data: use cases, IAM principals and gateway keys. Pure; adapters know where they are kept.

A key's text is ``bm-<id>-<secret>``. The registry keeps the id and the SHA-256 of the secret and never the secret, so
that a copy of the registry opens nothing. A secret has 256 bits, which is why a plain hash is enough: it cannot be
guessed, and a slow hash would only slow the authorizer.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A use case, a team or an owner; a use case's name is also a metric dimension."""
KEY_ID = re.compile(r"[a-z2-7]{12}")
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
"""256 bits in base64url."""
KEY_TEXT = re.compile(rf"bm-({KEY_ID.pattern})-({SECRET.pattern})")
MAX_KEY_TEXT = 128
"""Whatever is longer is no key and is not looked at further."""
MAX_USE_CASES = 32
"""So many use cases a key may name; they travel in the answer of the authorizer."""
ARN_PATTERN = re.compile(r"arn(?::[^:\s]*){4}:[!-~]+", re.ASCII)
"""A pattern of ARNs, see `principals`."""
MAX_ARN_PATTERN = 1000
"""Characters of one in the registry, where it is part of a key of DynamoDB; no ARN of IAM is longer than 700."""
MAX_PATTERNS = 32
MAX_PATTERN = 256
"""Characters; a model id has no more that matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCase:
    """What calls are made for; the unit of attribution."""

    name: str
    """Unique in the registry."""
    team: str | None = None
    """Whose it is."""
    owner: str | None = None
    """Whom to ask."""
    models: tuple[str, ...] = ("*",)
    """The models that it may call, as patterns over the id as called or its foundation model; ``*`` stands for any
    characters."""

    def __post_init__(self) -> None:
        """Refuse names that are none."""
        for field, value in (("name", self.name), ("team", self.team), ("owner", self.owner)):
            if value is not None and not NAME.fullmatch(value):
                raise ValueError(f"{field} has to match {NAME.pattern}")
        if not 1 <= len(self.models) <= MAX_PATTERNS:
            raise ValueError(f"models has to have 1 to {MAX_PATTERNS} patterns")
        for pattern in self.models:
            if not 1 <= len(pattern) <= MAX_PATTERN or not pattern.isascii() or not pattern.isprintable():
                raise ValueError(f"a pattern of models has to have 1 to {MAX_PATTERN} printable ASCII characters")

    def allows(self, *names: str | None) -> bool:
        """Tell whether a model that goes by any of these names may be called."""
        return any(fits(pattern, name) for pattern in self.models for name in names if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The use cases that IAM principals may name: those whose ARN a pattern matches, see `principals`."""

    pattern: str
    """The ARN of a role, for its sessions, or a pattern of ARNs as STS shows them; unique in the registry."""
    use_cases: tuple[str, ...]
    """The use cases; the first one counts when a call names none."""

    def __post_init__(self) -> None:
        """Refuse what can match nothing, or nothing that counts."""
        if len(self.pattern) > MAX_ARN_PATTERN or not ARN_PATTERN.fullmatch(self.pattern):
            raise ValueError(
                f"pattern has to be a pattern of an ARN of at most {MAX_ARN_PATTERN} characters, such as "
                "arn:aws:iam::123456789012:role/Chatbot"
            )
        if not 1 <= len(self.use_cases) <= MAX_USE_CASES:
            raise ValueError(f"use_cases has to have 1 to {MAX_USE_CASES} names")
        if not all(map(NAME.fullmatch, self.use_cases)):
            raise ValueError(f"every name in use_cases has to match {NAME.pattern}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A gateway key, without its secret."""

    id: str
    """Its public part; the only part that may stand in a log."""
    secret_sha256: str
    """SHA-256 of the secret, 64 hexadecimal digits."""
    use_cases: tuple[str, ...]
    """The use cases that its holder may name."""
    default_use_case: str
    """The one that counts when the call names none; one of them."""
    expires_at: datetime | None = None
    """From when on it opens nothing; aware, UTC. None for never."""
    revoked_at: datetime | None = None
    """Since when it opens nothing; aware, UTC. None while it is good."""
    created_at: datetime
    """When it was made; aware, UTC."""

    def __post_init__(self) -> None:
        """Refuse a key that cannot work."""
        if not KEY_ID.fullmatch(self.id):
            raise ValueError(f"id has to match {KEY_ID.pattern}")
        if not re.fullmatch(r"[0-9a-f]{64}", self.secret_sha256):
            raise ValueError("secret_sha256 has to be 64 hexadecimal digits")
        if not 1 <= len(self.use_cases) <= MAX_USE_CASES:
            raise ValueError(f"use_cases has to have 1 to {MAX_USE_CASES} names")
        if not all(map(NAME.fullmatch, self.use_cases)):
            raise ValueError(f"every name in use_cases has to match {NAME.pattern}")
        if self.default_use_case not in self.use_cases:
            raise ValueError("default_use_case has to be one of use_cases")
        for field in ("expires_at", "revoked_at", "created_at"):
            value: datetime | None = getattr(self, field)
            if value is not None and value.utcoffset() is None:
                raise ValueError(f"{field} has to say its time zone")

    def expired(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now

    def revoked(self, now: datetime) -> bool:
        """Tell whether it is revoked by now; a key that is being rotated is revoked from a later time on."""
        return self.revoked_at is not None and self.revoked_at <= now


def fits(pattern: str, value: str) -> bool:
    """Tell whether a value is one of a pattern, in which ``*`` stands for any characters."""
    return _compiled(pattern).fullmatch(value) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    # Possessive runs between the stars: without them a pattern of many stars takes time that grows without bound.
    first, *parts = map(re.escape, re.sub(r"\*+", "*", pattern).split("*"))
    if not parts:
        return re.compile(first, re.DOTALL)
    *middle, last = parts
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last, re.DOTALL)
