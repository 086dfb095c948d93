"""Exact token metering for Amazon Bedrock.

``instrument(client, use_case="…")`` meters a boto3 ``bedrock-runtime`` client: one EMF line per call on stdout, which
CloudWatch turns into metrics. ``use_case("…")`` names what a block of code calls Bedrock for. The other names are the
parts for those who build their own door.

Importing this package does not import botocore.
"""

from bedrock_meter.adapters.client import instrument
from bedrock_meter.adapters.label import use_case
from bedrock_meter.adapters.limiting import Limits
from bedrock_meter.adapters.memory import FixedLimits, MemoryLimitStore
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
from bedrock_meter.errors import (
    BudgetExceeded,
    ConfigError,
    LimitsUnavailable,
    MeterError,
    PriceBookError,
    RateLimited,
    Refusal,
    UnpricedModel,
)
from bedrock_meter.limits import Limit, OnExceed, Period, Subject, Unit
from bedrock_meter.meter import Meter, Session
from bedrock_meter.pricing import PriceBook, RateCard
from bedrock_meter.version import __version__

__all__ = [
    "BudgetExceeded",
    "Call",
    "Certainty",
    "ConfigError",
    "Ending",
    "Family",
    "FixedLimits",
    "Limit",
    "Limits",
    "LimitsUnavailable",
    "MemoryLimitStore",
    "Meter",
    "MeterError",
    "ModelRef",
    "OnExceed",
    "Operation",
    "Outcome",
    "Period",
    "PriceBook",
    "PriceBookError",
    "RateCard",
    "RateLimited",
    "Record",
    "Refusal",
    "Scope",
    "Session",
    "Settings",
    "Status",
    "Subject",
    "Unit",
    "UnpricedModel",
    "Usage",
    "UsageSource",
    "__version__",
    "instrument",
    "use_case",
]
