"""Which models of the published list have a price, by every way to call them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from bedrock_meter import modelid
from bedrock_meter.pricing import PriceBook
from meterctl.prices.models import Model

SOMEWHERE = "us-east-1"
"""The Region to ask for where the list names none: Global profiles, and models of bedrock-mantle alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How far one model is priced."""

    model: Model
    unpriced: tuple[str, ...]
    """The ways to call it that have no price, each as ``id in region``."""
    ways: int
    """How many ways there are."""

    @property
    def whole(self) -> bool:
        """Whether every way has a price."""
        return not self.unpriced


def cover(book: PriceBook, models: Iterable[Model], *, day: date) -> list[Coverage]:
    """Look every way to call every ACTIVE text model up, at the default tier and in the ordinary band."""
    found = []
    for model in models:
        if model.status != "ACTIVE" or not model.text:
            continue
        ways = list(_ways(model))
        unpriced = []
        for model_id, region in ways:
            card = book.rate_card(modelid.parse(model_id, region), day=day, tier=None, total_input=0)
            if card is None:
                unpriced.append(f"{model_id} in {region}")
        found.append(Coverage(model=model, unpriced=tuple(unpriced), ways=len(ways)))
    return found


def _ways(model: Model) -> Iterable[tuple[str, str]]:
    for region in model.in_region:
        yield model.id, region
    for geo, regions in model.geos.items():
        for region in regions:
            yield f"{geo}.{model.id}", region
    if model.everywhere:
        yield f"global.{model.id}", SOMEWHERE
    if not model.in_region and not model.geos and not model.everywhere:
        yield model.id, SOMEWHERE
