"""What a usage type of the AWS Price List meters, by tables; pure.

A usage type is the Region's code, then what is metered, in one of the spellings that AWS has used over the years:

.. code-block:: text

    USE1-Nova2.0Lite-input-tokens-cross-region-global-batch        offer AmazonBedrock, a model's short name
    USE1-zai.glm-5-mantle-cache-write-tokens-30m-long-ctx-flex     the same, a model's id
    USE1-Claude4.6Opus-cache-read-input-token-count-cross-region-global      offer AmazonBedrockService
    USW2-MP:USW2_CacheWrite1hInputTokenCount_Global_Batch-Units    offer AmazonBedrockFoundationModels; the model is
    USW2-MP:USW2_input_tokens_long_ctx_global_standard-Units       in the attribute servicename alone
    USE1-Guardrail-ContentPolicyUnitsConsumed                      a unit of guardrails

All are brought to words with hyphens between, and read as ``[model] [qualifiers] bucket [qualifiers]``. What leaves a
rest is not read: a price that is not understood is listed, never guessed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bedrock_meter.charge import GUARDRAIL
from bedrock_meter.domain import Scope
from bedrock_meter.pricerows import DEFAULT_TIER, LATENCY_TIER

BUCKETS: Mapping[str, str] = MappingProxyType(
    {
        r"cache-read-(?:input-)?token(?:s|-count)": "cache_read",
        r"cache-write-?1h-(?:input-)?token(?:s|-count)|cache-write-(?:input-)?token(?:s|-count)-1h": "cache_write_1h",
        r"cache-write-?5m-(?:input-)?token(?:s|-count)|cache-write-(?:input-)?token(?:s|-count)-5m": "cache_write_5m",
        # OpenAI's writes live 30 minutes and have no other lifetime. No answer says so, and a write whose lifetime
        # nobody told is counted as one of 5 minutes.
        r"cache-write-?30m-(?:input-)?token(?:s|-count)|cache-write-(?:input-)?token(?:s|-count)-30m": "cache_write_5m",
        r"cache-write-(?:input-)?token(?:s|-count)": "cache_write_5m",
        r"(?:text-)?input-token(?:s|-count)": "input",
        r"(?:text-)?output-token(?:s|-count)": "output",
        r"search-units": "search_units",
        r"created-images?": "images",
    }
)
"""The bucket of a price book, by how usage types spell it."""

GUARDRAIL_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "automated-reasoning-policy": "automated_reasoning_policy_units",
        "content-policy": "content_policy_units",
        "content-policy-image": "content_policy_image_units",
        "contextual-grounding-policy": "contextual_grounding_policy_units",
        "sensitive-information-policy-free": "sensitive_information_policy_free_units",
        "sensitive-information-policy-paid": "sensitive_information_policy_units",
        "topic-policy": "topic_policy_units",
        "word-policy": "word_policy_units",
    }
)
"""The unit of a record, by what stands between ``Guardrail-`` and ``UnitsConsumed``."""

TIERS: Mapping[str, str] = MappingProxyType(
    {
        "standard": DEFAULT_TIER,
        "batch": "batch",
        "flex": "flex",
        "priority": "priority",
        "latency-optimized": LATENCY_TIER,
    }
)
SCOPES: Mapping[str, Scope] = MappingProxyType(
    {"cross-region-global": Scope.GLOBAL, "global": Scope.GLOBAL, "cross-region-geo": Scope.GEO, "geo": Scope.GEO}
)
LONG = frozenset({"long-context", "long-ctx"})
MANTLE = "mantle"
_EMPTY = frozenset({"million"})
"""Words that say nothing that the unit does not say."""

NOT_BY_THE_CALL = "is not billed by the call"
OTHER_MODALITY = "tokens of another modality, which a record does not count apart"
BY_SIZE = "the price depends on a size or a length that a record does not have"
NO_MODEL_CALL = "is no call of a model"
UNKNOWN = "the usage type has no form that is known"

SKIPPED: Mapping[str, str] = MappingProxyType(
    {
        r"provisioned|model-?units?|reserved|tpm|commitment|per-minute|per-hour": NOT_BY_THE_CALL,
        r"custom|training|fine-?tun|\brft\b|distill|storage|import": NOT_BY_THE_CALL,
        r"(?:image|audio|video|speech|document)-(?:input-|output-)?token": OTHER_MODALITY,
        r"(?:input|output)-(?:image|audio|video|speech|document)": OTHER_MODALITY,
        r"\b[ti]2[iv]\b|canvas|reel|image-generator": BY_SIZE,
        r"(?:web-)?grounding|agent|\bflows?\b|knowledge|data-automation|evaluation|rag\b|optimization": NO_MODEL_CALL,
    }
)
"""What is left out on purpose, by a piece of its usage type, and why."""

_REGION_CODE = re.compile(r"^[A-Z0-9]+-")
_MARKETPLACE = re.compile(r"^MP:(?:[A-Z0-9]+_)?(?P<rest>.+?)(?:-Units)?$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GUARDRAIL_USE = re.compile(r"guardrail-(?P<policy>.+)-units-consumed")
_QUALIFIER = "|".join(sorted({*TIERS, *SCOPES, *LONG, MANTLE, *_EMPTY}, key=len, reverse=True))
_BUCKET = "|".join(f"(?P<b{number}>{spelling})" for number, spelling in enumerate(BUCKETS))
_USE = re.compile(
    rf"(?:(?P<model>.+?)-)??(?P<before>(?:(?:{_QUALIFIER})-)*)(?:{_BUCKET})(?P<after>(?:-(?:{_QUALIFIER}))*)"
)
_QUALIFIERS = re.compile(_QUALIFIER)
_SKIPPED = tuple((re.compile(piece), reason) for piece, reason in SKIPPED.items())
_NAMES = tuple(BUCKETS.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What a usage type meters."""

    model: str
    """The name or id of the model, as far as the usage type has it; else empty."""
    bucket: str
    """The name of the rate in a price book."""
    scope: Scope | None = None
    """Global or geo where it says so; None for the regional rate, which calls in a Region and in its geography have."""
    tier: str | None = None
    """The service tier; None where the usage type names none."""
    long: bool = False
    """Whether it is the rate of the long-context band."""
    mantle: bool = False
    """Whether it is the meter of bedrock-mantle."""


def read(usage_type: str) -> Meter | str:
    """Read a usage type.

    Returns:
        What it meters, or why it is left out.
    """
    bare = _REGION_CODE.sub("", usage_type, count=1)
    marketplace = _MARKETPLACE.match(bare)
    words = _HUMP.sub("-", marketplace["rest"] if marketplace else bare).replace("_", "-").lower()
    guarded = _GUARDRAIL_USE.fullmatch(words)
    if guarded is not None:
        unit = GUARDRAIL_UNITS.get(guarded["policy"])
        return UNKNOWN if unit is None else Meter(model=GUARDRAIL, bucket=unit)
    reason = next((reason for piece, reason in _SKIPPED if piece.search(words)), None)
    if reason is not None:
        return reason
    use = _USE.fullmatch(words)
    # Of the Marketplace the usage type names no model, so that a rest is something that was not understood.
    if use is None or (marketplace and use["model"]):
        return UNKNOWN
    return _meter(use)


def _meter(use: re.Match[str]) -> Meter | str:
    said = _QUALIFIERS.findall(f"{use['before']}{use['after']}")
    tiers = {TIERS[word] for word in said if word in TIERS} - {DEFAULT_TIER}
    scopes = {SCOPES[word] for word in said if word in SCOPES}
    if len(tiers) > 1 or len(scopes) > 1:
        return UNKNOWN
    return Meter(
        model=use["model"] or "",
        bucket=next(name for number, name in enumerate(_NAMES) if use[f"b{number}"] is not None),
        scope=next(iter(scopes), None),
        tier=next(iter(tiers), DEFAULT_TIER if "standard" in said else None),
        long=not LONG.isdisjoint(said),
        mantle=MANTLE in said,
    )
