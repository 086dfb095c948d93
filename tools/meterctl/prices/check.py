"""The book held against a second opinion, id by id; ``data/differences.toml`` explains where they differ.

The second opinion is the package ``genai-prices``, run as a child process in an environment of its own.
"""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from bedrock_meter import modelid
from bedrock_meter.pricing import PriceBook
from meterctl.prices.rules import DATA
from pricewatch.errors import PriceDataError

SCRIPT = Path(__file__).with_name("second_opinion.py")
DIFFERENCES = DATA / "differences.toml"

type Opinion = Mapping[str, Mapping[str, Mapping[str, str]]]
"""By id, context band and name of the rate: US dollars per million tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One id that the two price differently."""

    model_id: str
    above: int
    """The context band."""
    rate: str
    """The name of the rate."""
    ours: Decimal
    theirs: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Differences that somebody looked at, and why the book is right."""

    pattern: re.Pattern[str]
    """Matched against the whole ``id rate``."""
    reason: str


def ask(python: Path, ids: Iterable[str]) -> Opinion:
    """Ask for a second opinion.

    Args:
        python: The interpreter of the environment that has the package.
        ids: The ids to ask for.

    Raises:
        PriceDataError: The environment is not there, or the package does not answer.
    """
    if not python.exists():
        raise PriceDataError(f"{python} is not there; `make prices-check` sets it up")
    asked = json.dumps(sorted(set(ids)))
    run = subprocess.run(  # noqa: S603 - our own script in our own environment
        [str(python), str(SCRIPT)], input=asked, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise PriceDataError(f"the second opinion failed: {run.stderr.strip().splitlines()[-1:]}")
    answer: Opinion = json.loads(run.stdout)
    return answer


def compare(book: PriceBook, opinion: Opinion, *, region: str, day: date) -> tuple[int, list[Difference]]:
    """Compare every rate that both have.

    Args:
        book: Our book.
        opinion: The other one.
        region: Where the ids are called.
        day: Whose prices to compare.

    Returns:
        How many ids both price, and where they differ.
    """
    both, found = 0, []
    for model_id, bands in sorted(opinion.items()):
        model = modelid.parse(model_id, region)
        seen = False
        for band, rates in sorted(bands.items(), key=lambda item: int(item[0])):
            card = book.rate_card(model, day=day, tier=None, total_input=int(band) + 1)
            if card is None:
                continue
            for name, theirs in rates.items():
                if name in card.rates:
                    seen = True
                    if card.rates[name] != Decimal(theirs):
                        found.append(
                            Difference(
                                model_id=model_id,
                                above=int(band),
                                rate=name,
                                ours=card.rates[name],
                                theirs=Decimal(theirs),
                            )
                        )
        both += seen
    return both, found


def explanations(path: Path = DIFFERENCES) -> list[Explained]:
    """Read the differences that were looked at.

    Raises:
        PriceDataError: One has no reason.
    """
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("explained", [])
    if any(set(entry) != {"pattern", "reason"} or not entry["reason"] for entry in entries):
        raise PriceDataError(f"{path.name}: every entry has a pattern and a reason, and nothing else")
    return [Explained(pattern=re.compile(entry["pattern"]), reason=entry["reason"]) for entry in entries]


def explain(difference: Difference, known: Iterable[Explained]) -> Explained | None:
    """Find why a difference is there; None when nobody has looked at it."""
    return next((each for each in known if each.pattern.fullmatch(f"{difference.model_id} {difference.rate}")), None)
