"""Files of the AWS Price List in the shape in which AWS publishes them, for tests.

The shapes of usage types, attributes, units and terms are those that public notes and fixtures of the real files show.
The prices are whatever a test needs.
"""

from collections.abc import Iterable, Mapping
from typing import Any

OWN, MARKETPLACE, SERVICE = "AmazonBedrock", "AmazonBedrockFoundationModels", "AmazonBedrockService"
CODES = {"us-east-1": "USE1", "us-west-2": "USW2", "eu-west-1": "EU", "ap-northeast-1": "APN1", "eu-central-1": "EUC1"}
VERSION = "20261125101500"


def a_product(usage: str, usd: object, *, region: str = "us-east-1", **changes: Any) -> dict[str, Any]:
    """Give one product with its price; the unit is that of thousand tokens where nothing else is said.

    Args:
        usage: The usage type without the Region's code.
        usd: The price, as it is written.
        region: The Region.
        changes: ``unit``, ``description``, or any attribute; None takes an attribute away.
    """
    unit, description = changes.pop("unit", "1K tokens"), changes.pop("description", "a price")
    attributes = {
        "servicecode": OWN,
        "location": "US East (N. Virginia)",
        "locationType": "AWS Region",
        "usagetype": f"{CODES.get(region, 'XXX1')}-{usage}",
        "operation": "",
        "regionCode": region,
        "servicename": "Amazon Bedrock",
        **changes,
    }
    return {
        "attributes": {name: value for name, value in attributes.items() if value is not None},
        "dimension": {
            "unit": unit,
            "beginRange": "0",
            "endRange": "Inf",
            "description": description,
            "pricePerUnit": {"USD": usd},
        },
    }


def sold(usage: str, usd: str, *, name: str, region: str = "us-east-1", **changes: Any) -> dict[str, Any]:
    """Give a product of the Marketplace, which is priced by the million tokens and names its model in one place."""
    code = CODES.get(region, "XXX1")
    edition = f"{name} (Amazon Bedrock Edition)"
    return a_product(
        f"MP:{code}_{usage}-Units", usd, region=region, **{"unit": "1M tokens", "servicename": edition, **changes}
    )


def an_offer(code: str, listing: Iterable[Mapping[str, Any]], **changes: Any) -> dict[str, Any]:
    """Give an offer file: products by SKU, and their terms by the same."""
    listed: dict[str, Any] = {}
    terms: dict[str, Any] = {}
    for number, product in enumerate(listing):
        sku = f"SKU{number:05d}"
        rate = f"{sku}.JRTCKXETXF"
        listed[sku] = {"sku": sku, "productFamily": "Amazon Bedrock", "attributes": product["attributes"]}
        dimensions = {f"{rate}.6YS6EN2CT7": {"rateCode": f"{rate}.6YS6EN2CT7", "appliesTo": [], **product["dimension"]}}
        terms[sku] = {
            rate: {
                "offerTermCode": "JRTCKXETXF",
                "sku": sku,
                "effectiveDate": "2026-11-01T00:00:00Z",
                "priceDimensions": dimensions,
                "termAttributes": {},
            }
        }
    document = {
        "formatVersion": "v1.0",
        "disclaimer": "a test",
        "offerCode": code,
        "version": VERSION,
        "publicationDate": "2026-11-25T10:15:00Z",
        "products": listed,
        "terms": {"OnDemand": terms},
    }
    return document | changes


def an_index(code: str, regions: Iterable[str]) -> dict[str, Any]:
    """Give the index of an offer's Regions."""
    return {
        "formatVersion": "v1.0",
        "publicationDate": "2026-11-25T10:15:00Z",
        "regions": {
            region: {
                "regionCode": region,
                "currentVersionUrl": f"/offers/v1.0/aws/{code}/{VERSION}/{region}/index.json",
            }
            for region in regions
        },
    }
