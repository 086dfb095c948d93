"""Compare metric lines with the simulator's own account of what it served."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

# The bucket's name in the simulator's ledger, and in the metric line as a property.
TOKEN_BUCKETS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """The ledger of a simulator, read over HTTP as anybody could."""

    url: str
    """The base URL of the simulator."""

    def served(self) -> list[Mapping[str, Any]]:
        """Give every entry so far, in order."""
        with urlopen(f"{self.url}/__simulator__/ledger", timeout=10) as answer:  # noqa: S310 - a URL of ours
            entries: list[Mapping[str, Any]] = json.load(answer)["served"]
            return entries


def tokens(of: Mapping[str, Any]) -> dict[str, int]:
    """Give the buckets of a ledger entry or of a metric line that hold any token."""
    return {bucket: of[bucket] for bucket in TOKEN_BUCKETS if of.get(bucket)}


def due_metrics(entry: Mapping[str, Any]) -> dict[str, int]:
    """Give the token metrics that the line of a ledger entry must have; a metric that is zero is left out."""
    metrics = {
        "InputTokenCount": entry["input_tokens"],
        "OutputTokenCount": entry["output_tokens"],
        "CacheReadInputTokenCount": entry["cache_read_tokens"],
        "CacheWriteInputTokenCount": entry["cache_write_5m_tokens"] + entry["cache_write_1h_tokens"],
    }
    return {name: count for name, count in metrics.items() if count}


def token_metrics(line: Mapping[str, Any]) -> dict[str, int]:
    """Give the token metrics that a line declares."""
    return {name: count for name, count in metrics_of(line).items() if name.endswith("TokenCount")}


def metrics_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """Give the metrics that a line declares, by name.

    Raises:
        KeyError: A declared metric does not stand at the root of the line, where CloudWatch looks for it.
    """
    declared = {metric["Name"] for directive in line["_aws"]["CloudWatchMetrics"] for metric in directive["Metrics"]}
    return {name: line[name] for name in declared}
