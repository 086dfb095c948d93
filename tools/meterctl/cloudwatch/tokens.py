"""``NextToken``: where the next page begins, tied to its request."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from meterctl.cloudwatch.errors import InvalidTokenError


def issue(request: Mapping[str, Any], place: int) -> str:
    """Make the token for the page that begins at a place."""
    return f"{place}.{_digest(request)}"


def redeem(request: Mapping[str, Any]) -> int:
    """Give the place that the token of a request stands for; 0 without a token.

    Raises:
        InvalidTokenError: If it was given for another request.
    """
    token = request.get("NextToken")
    if not token:
        return 0
    place, _, digest = str(token).partition(".")
    if digest != _digest(request) or not place.isdecimal():
        raise InvalidTokenError
    return int(place)


def _digest(request: Mapping[str, Any]) -> str:
    same = {name: value for name, value in request.items() if name != "NextToken" and value is not None}
    return hashlib.sha256(json.dumps(same, sort_keys=True, default=str).encode()).hexdigest()[:32]
