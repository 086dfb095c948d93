"""What the client scripts share. They run in the environment of the SDKs, so this knows nothing of bedrock-meter.

A script registers its cases and calls `main`, which runs them in order and writes one JSON document to the file that
its argument names. It does not print: some SDKs do.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict
from urllib.request import urlopen


class Seen(TypedDict, total=False):
    """What an application sees of one case."""

    text: str
    """The whole text that the model wrote."""
    usage: dict[str, int]
    """What the client reports, named ``input`` (without cached tokens), ``prompt`` (with them), ``output``,
    ``cache_read``, ``cache_write``, ``total``; only what it reports."""
    facts: dict[str, Any]
    """What else the test looks at."""


type Case = Callable[[], Seen]

_CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """Register a case under the name of the function."""
    _CASES[function.__name__] = function
    return function


def words(number: int) -> str:
    """Give a text that a model would think worth caching."""
    return " ".join(f"word{index}" for index in range(number))


def _served() -> int:
    """Ask the simulator itself, past the gateway, how many requests have reached it."""
    with urlopen(os.environ["SIMULATOR_LEDGER"], timeout=10) as answer:  # noqa: S310 - the test's own simulator
        return len(json.load(answer)["served"])


def _run(function: Case) -> dict[str, Any]:
    first = _served()
    try:
        seen: dict[str, Any] = {**function()}
    except Exception as error:  # noqa: BLE001 - the exception of the SDK is what the test looks at
        kinds = [kind.__name__ for kind in type(error).__mro__]
        seen = {"error": {"kinds": kinds, "message": str(error), "response": _code(error)}}
    return {**seen, "served": [first, _served()]}


def _code(error: Exception) -> Any:
    """Give what the error says in a field: boto3's code, or the status of the others."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return response["Error"]["Code"]
    return getattr(error, "status_code", None)


def main() -> None:
    """Run every case and write down what was seen."""
    seen = {name: _run(function) for name, function in _CASES.items()}
    Path(sys.argv[1]).write_text(json.dumps(seen))
