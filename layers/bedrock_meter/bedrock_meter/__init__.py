"""Exact token metering for Amazon Bedrock.

``instrument(client, use_case="…")`` meters a boto3 ``bedrock-runtime`` client: one EMF line per call on stdout, which
CloudWatch turns into metrics. ``use_case("…")`` names what a block of code calls Bedrock for. The other names are the
parts for those who build their own door.

Importing this package does not import botocore.
"""

from bedrock_meter.adapters.client import instrument
from bedrock_meter.adapters.label import use_case
from bedrock_meter.config import Settings
from bedrock_meter.domain import (
    Call,
    Certainty,
    Ending,
    Family,
    ModelRef,
    Operation,
    Outcome,
    Record,
    Scope,
    Status,
    Usage,
    UsageSource,
)
from bedrock_meter.errors import ConfigError, MeterError, PriceBookError, Refusal
from bedrock_meter.meter import Meter, Session
from bedrock_meter.pricing import PriceBook, RateCard
from bedrock_meter.version import __version__

__all__ = [
    "Call",
    "Certainty",
    "ConfigError",
    "Ending",
    "Family",
    "Meter",
    "MeterError",
    "ModelRef",
    "Operation",
    "Outcome",
    "PriceBook",
    "PriceBookError",
    "RateCard",
    "Record",
    "Refusal",
    "Scope",
    "Session",
    "Settings",
    "Status",
    "Usage",
    "UsageSource",
    "__version__",
    "instrument",
    "use_case",
]
