"""What a caller shows, and whether it opens: the text of gateway keys. Pure; for the authorizer and ``meterctl serve``.

A key whose secret is wrong and a key that nobody has ever made get the same answer after the same work. That a key is
revoked or expired is told only to a caller who has its secret.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime

from bedrock_meter.errors import AccessDenied
from bedrock_meter.registry import KEY_TEXT, MAX_KEY_TEXT, Key

SEED_BYTES = 40
"""What a new key is made of: 8 random bytes for its id and 32 for its secret."""

NO_KEY = (
    "The call has no gateway key. Send it as Authorization: Bearer <key> (in AWS SDKs: the environment variable "
    "AWS_BEARER_TOKEN_BEDROCK) or as x-api-key."
)
SEVERAL = "The call has several gateway keys in one header. Send one."
NO_BEARER = (
    "The Authorization header is not 'Bearer <gateway key>'. An AWS SDK that signs its calls has no bearer token: set "
    "AWS_BEARER_TOKEN_BEDROCK to the key."
)
NOT_VALID = "The gateway key is not valid. Check that it was copied whole, or ask the gateway's owner for a new one."
EXPIRED = "The gateway key has expired. Ask the gateway's owner for a new one."
REVOKED = "The gateway key has been revoked. Ask the gateway's owner for a new one."

_NOBODYS = hashlib.sha256(b"a key that nobody has").hexdigest()


def mint(seed: bytes) -> tuple[str, str]:
    """Make the id and the secret of a new key.

    Args:
        seed: `SEED_BYTES` of randomness.

    Raises:
        ValueError: There is less or more.
    """
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a key is made of {SEED_BYTES} random bytes")
    return (
        base64.b32encode(seed[:8]).decode().lower()[:12],
        base64.urlsafe_b64encode(seed[8:]).decode().rstrip("="),
    )


def text_of(key_id: str, secret: str) -> str:
    """Give the text that is handed to a key's owner, once."""
    return f"bm-{key_id}-{secret}"


def digest(secret: str) -> str:
    """Give what the registry keeps of a secret."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def shown(headers: Mapping[str, str]) -> str:
    """Find the key in request headers.

    ``Authorization`` alone counts where it is sent: API Gateway remembers the authorizer's answer under its value, so
    another header must not decide about it.

    Args:
        headers: By lower-case name; a header that came several times has its values joined by commas.

    Raises:
        AccessDenied: There is none, or more than one.
    """
    authorization = headers.get("authorization")
    text = headers.get("x-api-key") if authorization is None else authorization
    if text is None or not text.strip():
        raise AccessDenied(NO_KEY)
    if "," in text:
        raise AccessDenied(SEVERAL)
    if authorization is None:
        return text.strip(" ")
    scheme, _, rest = text.strip(" ").partition(" ")
    if scheme.lower() != "bearer":
        raise AccessDenied(NO_BEARER)
    if not rest.strip():
        raise AccessDenied(NO_KEY)
    return rest.strip(" ")


def admit(text: str, find: Callable[[str], Key | None], now: datetime) -> Key:
    """Find the key that a text opens.

    Args:
        text: What the caller has shown.
        find: Gives a key by its id; None for one that does not exist. May raise `RegistryError`, which passes through.
        now: The time; aware.

    Raises:
        AccessDenied: It opens nothing.
    """
    parts = KEY_TEXT.fullmatch(text) if len(text) <= MAX_KEY_TEXT else None
    if parts is None:
        raise AccessDenied(NOT_VALID)
    key = find(parts[1])
    # The comparison is made for an unknown id as well, so that both take the same time.
    matches = hmac.compare_digest(digest(parts[2]), _NOBODYS if key is None else key.secret_sha256)
    if key is None or not matches:
        raise AccessDenied(NOT_VALID)
    if key.revoked(now):
        raise AccessDenied(REVOKED)
    if key.expired(now):
        raise AccessDenied(EXPIRED)
    return key
