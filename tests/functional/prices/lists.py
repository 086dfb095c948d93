"""A small Price List, as the site serves it and as a folder holds it."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.functional.gateway.stub import Reply, http, sends
from tests.pricelist import MARKETPLACE, OWN, SERVICE, a_product, an_index, an_offer, sold

from pricewatch.offers import OFFERS

type Offer = Mapping[str, Iterable[Mapping[str, Any]]]


def offers(nova: str = "0.0008") -> dict[str, Offer]:
    """Give the products of two Regions, with the price of Nova's input for a thousand tokens."""
    regions = ("us-east-1", "us-west-2")
    return {
        OWN: {
            region: [
                a_product("NovaPro-input-tokens", nova, region=region),
                a_product("NovaPro-output-tokens", "0.0032", region=region),
                a_product("NovaPro-reserved-input-tpm", "7", region=region),
            ]
            for region in regions
        },
        MARKETPLACE: {
            region: [sold("input_tokens_global_standard", "4", name="Claude Opus 5.5", region=region)]
            for region in regions
        },
        SERVICE: {"us-east-1": [a_product("Claude4.6Opus-input-tokens-cross-region-global", "0.005")]},
    }


def served(found: Mapping[str, Offer]) -> list[Reply]:
    """Give the replies of the site, in the order in which it is asked."""
    replies: list[Reply] = []
    for code in OFFERS:
        by_region = found[code]
        documents: list[Any] = [
            an_index(code, by_region),
            *(an_offer(code, products) for products in by_region.values()),
        ]
        replies += [sends(http(200, {}, json.dumps(document).encode())) for document in documents]
    return replies


def stored(folder: Path, found: Mapping[str, Offer]) -> Path:
    """Write the files as the site lays them out."""
    for code, by_region in found.items():
        for region, products in by_region.items():
            (folder / code / region).mkdir(parents=True)
            text = json.dumps(an_offer(code, products))
            (folder / code / region / "index.json").write_text(text, encoding="utf-8")
        (folder / code / "region_index.json").write_text(json.dumps(an_index(code, by_region)), encoding="utf-8")
    return folder
