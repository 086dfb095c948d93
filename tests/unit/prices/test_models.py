"""The published list of models is cut to what prices need, and says from where each profile can be called."""

import json
from typing import Any

import pytest

from meterctl.prices import models
from pricewatch.errors import PriceDataError

PUBLISHED: dict[str, dict[str, Any]] = {
    "b.two": {
        "inference_types": {"us-west-2": ["US"], "us-east-1": ["GLOBAL", "ON_DEMAND", "US"]},
        "model_lifecycle_status": "ACTIVE",
        "outputModalities": ["TEXT"],
        "runtime_supported": True,
    },
    "a.one": {
        "inference_types": {"eu-west-1": ["ON_DEMAND"]},
        "model_lifecycle_status": "LEGACY",
        "outputModalities": ["IMAGE"],
        "runtime_supported": None,
    },
}


def test_the_list_is_cut_and_read_back() -> None:
    """Ids in order; Regions by way of calling; nothing else of the published list."""
    one, two = models.parse(models.cut(json.dumps(PUBLISHED), source="list 1"))
    assert (one.id, one.status, one.text, one.runtime, one.everywhere) == ("a.one", "LEGACY", False, False, False)
    assert (one.in_region, one.geos) == (("eu-west-1",), {})
    assert (two.in_region, two.geos, two.everywhere) == (("us-east-1",), {"us": ("us-east-1", "us-west-2")}, True)


def test_a_geography_has_the_regions_of_its_models() -> None:
    """A model that the list does not have in a geography gets the Regions that others have there."""
    listed = models.parse(models.cut(json.dumps(PUBLISHED), source="list 1"))
    regions = models.regions_of(listed, {"us-gov": ("us-gov-west-1",)})
    assert regions.of("b.two", "us") == regions.of("unknown", "us") == ("us-east-1", "us-west-2")
    assert regions.of("unknown", "us-gov") == ("us-gov-west-1",)
    with pytest.raises(PriceDataError, match="mars"):
        regions.of("b.two", "mars")


def test_an_unknown_status_is_refused() -> None:
    """A model is not left out because its status has a new name."""
    odd = {"a.one": {**PUBLISHED["a.one"], "model_lifecycle_status": "SUNSET"}}
    with pytest.raises(PriceDataError, match="SUNSET"):
        models.cut(json.dumps(odd), source="list 1")
