"""Who may call, as data: use cases and gateway keys. Pure; where they are kept is the business of the adapters.

A key's text is ``bm-<id>-<secret>``. The registry keeps the id and the SHA-256 of the secret and never the secret, so
that a copy of the registry opens nothing. A secret has 256 bits, which is why a plain hash is enough: it cannot be
guessed, and a slow hash would only slow the authorizer.
"""

import re
from dataclasses import dataclass
from datetime import datetime

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A use case, a team or an owner; a use case's name is also a metric dimension."""
KEY_ID = re.compile(r"[a-z2-7]{12}")
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
"""256 bits in base64url."""
KEY_TEXT = re.compile(rf"bm-({KEY_ID.pattern})-({SECRET.pattern})")
MAX_KEY_TEXT = 128
"""Whatever is longer is no key and is not looked at further."""


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
        if not self.models:
            raise ValueError("models has to have at least one pattern")


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
        if self.default_use_case not in self.use_cases:
            raise ValueError("default_use_case has to be one of use_cases")
