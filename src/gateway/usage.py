"""``GET /usage``: what the caller may call, and how far its limits are spent.

.. code-block:: json

    {
      "key_id": "k7f2m4q6s3za",
      "default_use_case": "chatbot",
      "use_cases": [
        {
          "name": "chatbot", "team": "support", "models": ["amazon.nova-*"],
          "limits": [
            {"id": "chat-daily", "unit": "usd", "period": "day", "on_exceed": "deny", "subject": "use_case",
             "pattern": "chatbot", "amount": "5", "spent": "1.25", "held": "0.1", "left": "3.65",
             "resets_at": "2026-11-24T00:00:00Z"}
          ]
        }
      ]
    }

Amounts are decimal text, exact. ``spent`` is what everybody together has spent of a limit, since a limit has one
counter. A limit of models stands under each use case whose patterns and its own do not exclude each other. Where the
limits cannot be read ``limits`` is null, and where the counters cannot ``spent``, ``held`` and ``left`` are.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bedrock_meter.adapters.limiting import Limits
from bedrock_meter.budget import Windows
from bedrock_meter.caller import Caller
from bedrock_meter.errors import LimitStoreError, RegistryError
from bedrock_meter.limits import Ask, Counter, Limit, Subject
from bedrock_meter.registry import UseCase, fits
from gateway.http import REQUEST_ID_HEADER, Request, Response

PATH = "/usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """Reads how far limits are spent."""

    limits: Limits | None = None
    """Who knows the limits, and where their counters are; None for a gateway without any."""
    windows: Windows
    """Whose days and months count."""

    def of(self, caller: Caller, now: datetime) -> dict[str, Any]:
        """Tell of a caller.

        Args:
            caller: The caller.
            now: The time; aware.
        """
        limits = {use_case.name: self._limits(use_case, caller.key_id) for use_case in caller.use_cases}
        unique = {limit.id: limit for found in limits.values() for limit in found or ()}
        told = self._told(list(unique.values()), now)
        return {
            "key_id": caller.key_id,
            "default_use_case": caller.default,
            "use_cases": [
                {
                    "name": use_case.name,
                    "team": use_case.team,
                    "models": list(use_case.models),
                    # Null, and not an empty list, where nobody knows whether there are any.
                    "limits": None if found is None else [told[limit.id] for limit in found],
                }
                for use_case in caller.use_cases
                for found in (limits[use_case.name],)
            ],
        }

    def _limits(self, use_case: UseCase, key_id: str | None) -> list[Limit] | None:
        if self.limits is None:
            return []
        try:
            return [limit for limit in self.limits.directory.limits() if concerns(limit, use_case, key_id)]
        except RegistryError:
            return None  # counted where it is read

    def _told(self, limits: Sequence[Limit], now: datetime) -> dict[str, dict[str, Any]]:
        asks = [_ask(limit, self.windows, now) for limit in limits]
        counters: Sequence[Counter | None] = [None] * len(asks)
        with suppress(LimitStoreError):
            if asks and self.limits is not None and self.limits.store is not None:
                counters = self.limits.store.read(asks)
        return {ask.limit.id: _described(ask, counter) for ask, counter in zip(asks, counters, strict=True)}


def concerns(limit: Limit, use_case: UseCase, key_id: str | None) -> bool:
    """Tell whether calls of a use case with a key may count for a limit."""
    if limit.subject is Subject.ALL:
        return True
    if limit.subject is Subject.MODEL:
        return any(_overlap(limit.pattern, pattern) for pattern in use_case.models)
    values = {Subject.USE_CASE: use_case.name, Subject.TEAM: use_case.team, Subject.KEY: key_id}
    value = values[limit.subject]
    return value is not None and fits(limit.pattern, value)


def _overlap(left: str, right: str) -> bool:
    """Tell whether two patterns may fit the same name: their plain beginnings and ends must not contradict."""
    if "*" not in left:
        return fits(right, left)
    if "*" not in right:
        return fits(left, right)
    begins = left.partition("*")[0], right.partition("*")[0]
    ends = left.rpartition("*")[2], right.rpartition("*")[2]
    return (begins[0].startswith(begins[1]) or begins[1].startswith(begins[0])) and (
        ends[0].endswith(ends[1]) or ends[1].endswith(ends[0])
    )


def _ask(limit: Limit, windows: Windows, now: datetime) -> Ask:
    window = windows.at(limit.period, now)
    return Ask(limit=limit, window=window.key, amount=Decimal(0), resets_at=window.end)


def _described(ask: Ask, counter: Counter | None) -> dict[str, Any]:
    limit = ask.limit
    spent = held = left = None
    if counter is not None:
        spent, held = counter.spent, counter.used - counter.spent
        left = max(Decimal(0), limit.amount - counter.used)
    return {
        "id": limit.id,
        "subject": limit.subject,
        "pattern": limit.pattern,
        "unit": limit.unit,
        "period": limit.period,
        "on_exceed": limit.on_exceed,
        "amount": _text(limit.amount),
        "spent": _text(spent),
        "held": _text(held),
        "left": _text(left),
        "resets_at": ask.resets_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize() if amount else Decimal(0):f}"


def answer_of(request: Request, document: dict[str, Any]) -> Response:
    """Make the response."""
    body = json.dumps(document).encode()
    headers = ("content-type", "application/json"), ("cache-control", "no-store"), (REQUEST_ID_HEADER, request.id)
    return Response(status=200, headers=headers, body=(body,))
