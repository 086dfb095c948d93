"""The function that compares the price book with the AWS Price List once a day, and proposes a new one.

It changes nothing that anybody is charged by: what it writes lies in a folder for proposals until a person approves it
(`meterctl prices approve`). Its metric line comes from `bedrock_meter.emf`, like every other.
"""

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from bedrock_meter import __version__
from bedrock_meter.config import PRICES_URL, Settings
from bedrock_meter.emf import Emf
from bedrock_meter.endpoints import S3Object
from bedrock_meter.errors import ConfigError
from bedrock_meter.metrics import PRICE_DRIFT
from pricewatch import places
from pricewatch.compare import Comparison, compare
from pricewatch.sources import Site

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_EXAMPLES = 10


def lambda_handler(_event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Compare, measure, propose.

    Returns:
        What was found, for whoever invokes the function by hand.

    Raises:
        ConfigError: The place of the approved book is not set.
        PriceDataError: The list or the book cannot be read. The run counts as failed.
    """
    settings = Settings.from_env(os.environ)
    if settings.prices_url is None:
        raise ConfigError(PRICES_URL, "it has to name the approved price book, whether it is there yet or not")
    now = datetime.now(UTC)
    s3: S3Client = boto3.client("s3")
    before, _ = places.in_force(s3, settings.prices_url)
    found = compare(before, Site(), day=now.date())
    proposed = None
    if found.book != before:
        proposed = str(_propose(s3, settings.prices_url, found.book, now))
    summary = _summary(found, proposed)
    sys.stdout.write(_line(settings, found, summary, now) + "\n")
    _log(settings, found, summary)
    return summary


def _propose(s3: "S3Client", approved: S3Object, text: str, now: datetime) -> S3Object:
    """Store a proposal; a second run of the day replaces that of the first."""
    place = places.proposed_at(approved, now.date())
    s3.put_object(Bucket=place.bucket, Key=place.key, Body=text.encode(), ContentType="application/json")
    return place


def _summary(found: Comparison, proposed: str | None) -> dict[str, Any]:
    new = sum(not change.before for change in found.drift.changes)
    return {
        "products": found.listed.products,
        "regions": len(found.listed.regions),
        "rates_agreed": found.drift.agreed,
        "rows_changed": found.changed - new,
        "rows_new": new,
        "rows_not_listed": len(found.drift.gone),
        "products_refused": len(found.listed.refused()),
        "proposed": proposed,
    }


def _line(settings: Settings, found: Comparison, summary: Mapping[str, Any], now: datetime) -> str:
    emf = Emf(
        namespace=settings.namespace,
        service=settings.service,
        use_cases=frozenset(),
        models=None,
        version=__version__,
    )
    # A product that is wrong in the list is somebody's business too: its price is not compared.
    drift = found.changed + len(found.listed.refused())
    return emf.measurement({PRICE_DRIFT: drift}, at=now, properties={"version": __version__, **summary})


def _log(settings: Settings, found: Comparison, summary: Mapping[str, Any]) -> None:
    logger = Logger(service=settings.service)
    logger.info("prices compared", **summary, reasons=dict(found.listed.reasons()))
    for change in found.drift.changes[:_EXAMPLES]:
        differences = {name: f"{before} -> {after}" for name, before, after in change.differences}
        logger.warning("price differs", row="|".join(map(str, change.key)), rates=differences)
    for refused in found.listed.refused()[:_EXAMPLES]:
        logger.warning("product refused", product=refused.what, reason=refused.reason)
