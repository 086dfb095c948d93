"""Offer files of the AWS Price List, read into the products that they price; pure.

The form is the bulk one
(https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html):
``products`` by SKU with their attributes, ``terms.OnDemand`` by the same SKU with price dimensions. A file that is not
whole is refused as one. A product that cannot be used is listed with its reason; the others count.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from pricewatch.errors import PriceDataError

OFFERS = ("AmazonBedrock", "AmazonBedrockFoundationModels", "AmazonBedrockService")
"""The offers that price Bedrock: Amazon's and open models, the Marketplace's, and a few Claude models."""

EDITION = " (Amazon Bedrock Edition)"

NO_REGION = "names no Region"
NO_PRICE = "has no on-demand price in US dollars"
BAD_PRICE = "the price is no number that is 0 or more"
SEVERAL_PRICES = "has several prices, for amounts or days"
NO_USAGE_TYPE = "has no usage type"

_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-\d{1,2}")
_NAME_ATTRIBUTES = ("model", "titanModel", "servicename")
_HINT_ATTRIBUTES = ("service_tier", "inferenceType", "feature")
_MAX_RATE = Decimal(10) ** 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product with its price."""

    offer: str
    """The offer's code."""
    version: str
    """The offer's version."""
    region: str
    """The AWS Region."""
    usage_type: str
    """What is metered, see `usage`."""
    names: tuple[str, ...]
    """What the attributes call the model, the most telling first."""
    hints: tuple[str, ...]
    """What the attributes say of tier and kind, in lower case."""
    unit: str
    """What the price is for, as it is written, such as ``1K tokens``."""
    description: str
    """The price's own words."""
    usd: Decimal
    """US dollars for one unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A product that no row of a book comes from."""

    reason: str
    """Why not."""
    what: str
    """Which it is: the Region, the usage type, and what else tells it from others."""
    refused: bool = False
    """Whether it is wrong, and not just of no use here."""


def read(text: str | bytes, *, name: str) -> Iterator[Product | Skipped]:
    """Read an offer file, and give its products one by one.

    Args:
        text: The file.
        name: What to call it in an error.

    Raises:
        PriceDataError: It is no offer file of Bedrock, or not whole.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise PriceDataError(f"{name}: no whole JSON document; download it again") from None
    offer = document.get("offerCode") if isinstance(document, dict) else None
    if offer not in OFFERS:
        raise PriceDataError(f"{name}: no offer file of {', '.join(OFFERS)}")
    products, terms = document.get("products"), document.get("terms")
    on_demand = terms.get("OnDemand") if isinstance(terms, dict) else None
    if not isinstance(products, dict) or not isinstance(on_demand, dict):
        raise PriceDataError(f"{name}: products or terms are missing; download it again")
    version = str(document.get("version") or "without a version")
    for sku, product in products.items():
        attributes = product.get("attributes") if isinstance(product, dict) else None
        yield _product(sku, attributes if isinstance(attributes, dict) else {}, on_demand.get(sku), offer, version)


def _product(sku: str, attributes: Mapping[str, Any], terms: object, offer: str, version: str) -> Product | Skipped:
    usage_type, region = str(attributes.get("usagetype", "")), str(attributes.get("regionCode", ""))
    what = f"{region or sku} {usage_type}".strip()
    if not usage_type:
        return Skipped(reason=NO_USAGE_TYPE, what=what)
    if not _REGION.fullmatch(region):
        return Skipped(reason=NO_REGION, what=f"{sku} {usage_type}", refused=True)
    dimensions = list(_dimensions(terms))
    if not dimensions:
        return Skipped(reason=NO_PRICE, what=what)
    if len(dimensions) > 1:
        return Skipped(reason=SEVERAL_PRICES, what=what, refused=True)
    usd = dimensions[0]["pricePerUnit"]["USD"]
    price = _price(usd)
    if price is None:
        return Skipped(reason=BAD_PRICE, what=f"{what}: {usd!r}"[:200], refused=True)
    return Product(
        offer=offer,
        version=version,
        region=region,
        usage_type=usage_type,
        names=tuple(
            str(attributes[each]).removesuffix(EDITION).strip() for each in _NAME_ATTRIBUTES if attributes.get(each)
        ),
        hints=tuple(str(attributes[each]).lower() for each in _HINT_ATTRIBUTES if attributes.get(each)),
        unit=str(dimensions[0].get("unit", "")),
        description=str(dimensions[0].get("description", "")),
        usd=price,
    )


def _dimensions(terms: object) -> Iterator[Mapping[str, Any]]:
    """Go through the price dimensions of a product that are in US dollars."""
    for term in terms.values() if isinstance(terms, dict) else ():
        found = term.get("priceDimensions") if isinstance(term, dict) else None
        for dimension in found.values() if isinstance(found, dict) else ():
            per_unit = dimension.get("pricePerUnit") if isinstance(dimension, dict) else None
            if isinstance(per_unit, dict) and "USD" in per_unit:
                yield dimension


def _price(written: object) -> Decimal | None:
    if not isinstance(written, str):
        return None
    try:
        price = Decimal(written)
    except InvalidOperation:
        return None
    return price if price.is_finite() and 0 <= price < _MAX_RATE else None
