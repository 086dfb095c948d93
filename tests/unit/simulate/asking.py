"""Requests for the unit tests of the simulator, and the shortest way to an exchange."""

import json
from collections.abc import Container
from typing import Any

from meterctl.simulate.exchange import Conditions, Exchange, Request
from meterctl.simulate.respond import respond

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
TITAN = "amazon.titan-text-express-v1"
LLAMA = "meta.llama3-1-8b-instruct-v1:0"


def claude(text: str = "hello there", **changes: Any) -> dict[str, Any]:
    """Return a Claude document; `changes` replace or add members."""
    document = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": text}],
    }
    return document | changes


def converse(*blocks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a Converse document with one user message."""
    return {"messages": [{"role": "user", "content": list(blocks) or [{"text": "hello there"}]}]} | changes


def ask(
    document: Any,
    *,
    model: str = CLAUDE,
    verb: str = "invoke",
    seed: int = 1,
    repeat: int = 0,
    known: Container[bytes] = frozenset(),
    headers: dict[str, str] | None = None,
    scheduled: str | None = None,
) -> Exchange:
    """Send one document (or raw bytes) to the pure part of the simulator."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    request = Request(method="POST", path=f"/model/{model}/{verb}", headers=headers or {}, body=body)
    return respond(request, Conditions(seed=seed, repeat=repeat, known=known, scheduled=scheduled, slow_ms=500))


def document_of(exchange: Exchange) -> Any:
    """Return the answer's body as JSON."""
    return json.loads(exchange.answer.body)


def headers_of(exchange: Exchange) -> dict[str, str]:
    """Return the answer's headers."""
    return dict(exchange.answer.headers)
