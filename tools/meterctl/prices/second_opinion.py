"""Runs in an environment of its own that has ``genai-prices``: what that package says the given ids cost.

stdin: a JSON list of model ids. stdout: a JSON object, by id, context band and name of the rate, of decimal strings in
US dollars per million tokens; ids that the package does not know are left out.
"""

import importlib
import json
import sys
from datetime import UTC, datetime
from typing import Any

RATES = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
}


def main() -> None:
    """Answer one list of ids."""
    # By name, because the package is not in the environment that the types are checked in.
    snapshot: Any = importlib.import_module("genai_prices.data_snapshot").get_snapshot()
    aws = next(provider for provider in snapshot.providers if provider.id == "aws")
    now = datetime.now(UTC)
    answer: dict[str, dict[int, dict[str, str]]] = {}
    for model_id in json.load(sys.stdin):
        model = aws.find_model(model_id)
        if model is not None:
            answer[model_id] = _bands(vars(model.get_prices(now)))
    json.dump(answer, sys.stdout)


def _bands(prices: dict[str, Any]) -> dict[int, dict[str, str]]:
    bands: dict[int, dict[str, str]] = {0: {}}
    for theirs, ours in RATES.items():
        rate = prices.get(theirs)
        if rate is None:
            continue
        bands[0][ours] = str(getattr(rate, "base", rate))
        for tier in getattr(rate, "tiers", ()):
            bands.setdefault(tier.start, {})[ours] = str(tier.price)
    return bands


if __name__ == "__main__":
    main()
