"""Model ids and ARNs, taken apart: ``parse(raw, region) -> ModelRef``. Pure; what only AWS can resolve stays opaque.

The forms are those of ``InvokeModelIdentifier`` and ``ConversationalModelId`` in the service model, described at
https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html and, for the profile prefixes, at
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from bedrock_meter.domain import Family, ModelKind, ModelRef, Scope

MAX_MODEL_ID = 2048
"""The service model's bound on ``modelId``."""

# The labels that stand before `provider.model` in a system-defined profile id. A label that is not listed still counts
# as one when what follows it starts with a known provider, so that a new geography is read right on its first day.
GLOBAL_PREFIX = "global"
GEO_PREFIXES = frozenset({"us", "eu", "apac", "jp", "au", "in", "ca", "us-gov"})
PROVIDERS = frozenset(
    {"ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "luma", "meta", "minimax", "mistral", "moonshot"}
    | {"moonshotai", "nvidia", "openai", "qwen", "stability", "twelvelabs", "writer", "xai", "zai"}
)

# Family by the beginning of the foundation model id; the first row that fits wins.
FAMILIES: tuple[tuple[str, Family], ...] = (
    ("anthropic.claude", Family.CLAUDE),
    ("amazon.nova-canvas", Family.NOVA_CANVAS),
    ("amazon.nova-reel", Family.NOVA_REEL),
    ("amazon.nova-sonic", Family.OTHER),  # bidirectional streams only
    ("amazon.nova-2-sonic", Family.OTHER),
    ("amazon.nova-2-multimodal-embeddings", Family.NOVA_EMBEDDING),
    ("amazon.nova", Family.NOVA),
    ("amazon.titan-text", Family.TITAN_TEXT),
    ("amazon.titan-tg1", Family.TITAN_TEXT),
    ("amazon.titan-embed", Family.TITAN_EMBEDDING),
    ("amazon.titan-image", Family.TITAN_IMAGE),
    ("amazon.rerank", Family.RERANK),
    ("meta.llama", Family.LLAMA),
    ("mistral.", Family.MISTRAL),
    ("cohere.command", Family.COHERE_COMMAND),
    ("cohere.embed", Family.COHERE_EMBED),
    ("cohere.rerank", Family.RERANK),
    ("ai21.", Family.AI21),
    ("deepseek.", Family.DEEPSEEK),
    ("qwen.", Family.QWEN),
    ("openai.", Family.OPENAI),
    ("writer.", Family.WRITER),
    ("google.", Family.OPEN_WEIGHT),
    ("minimax.", Family.OPEN_WEIGHT),
    ("moonshot.", Family.OPEN_WEIGHT),
    ("moonshotai.", Family.OPEN_WEIGHT),
    ("nvidia.", Family.OPEN_WEIGHT),
    ("xai.", Family.OPEN_WEIGHT),
    ("zai.", Family.OPEN_WEIGHT),
    ("stability.", Family.STABILITY),
    ("luma.", Family.LUMA),
    ("twelvelabs.pegasus", Family.PEGASUS),
    ("twelvelabs.marengo", Family.MARENGO),
)

# What an ARN stands for, by its resource type.
KINDS: Mapping[str, ModelKind] = MappingProxyType(
    {
        "foundation-model": ModelKind.FOUNDATION,
        "inference-profile": ModelKind.PROFILE,
        "application-inference-profile": ModelKind.APPLICATION_PROFILE,
        "provisioned-model": ModelKind.PROVISIONED,
        "custom-model": ModelKind.CUSTOM,
        "custom-model-deployment": ModelKind.CUSTOM,
        "imported-model": ModelKind.IMPORTED,
        "prompt": ModelKind.PROMPT,
        "prompt-router": ModelKind.ROUTER,
        "default-prompt-router": ModelKind.ROUTER,
        "endpoint": ModelKind.MARKETPLACE,
    }
)
# Resource types whose name begins with the model's own: `custom-model/amazon.titan-text-lite-v1:0:4k/abc…` and
# `default-prompt-router/anthropic.claude:1`. That tells the family, but not the model that is billed.
_NAMED_AFTER_MODEL = frozenset({"custom-model", "default-prompt-router"})

_ARN = re.compile(r"arn:[^:]+:(?P<service>[^:]*):(?P<region>[^:]*):[^:]*:(?P<kind>[^/]+)/(?P<name>.+)", re.DOTALL)
_THROUGHPUT_SUFFIX = re.compile(r":\d+k$")


@lru_cache(maxsize=1024)
def parse(raw: str, region: str | None = None) -> ModelRef:
    """Take a model id or ARN apart.

    Args:
        raw: The id as the caller gave it, percent-decoded once. Any string is accepted; what is not understood becomes
            a foundation id of family `Family.OTHER`, and Bedrock will say what it thinks of it.
        region: The Region that is called, used when the id itself names none.

    Returns:
        The parts. For application profiles, provisioned, imported and custom models, prompts and routers, ``base`` and
        ``scope`` are None: only AWS can say which model is behind them.
    """
    arn = _ARN.fullmatch(raw)
    if arn is None:
        return _from_id(raw, raw=raw, region=region)
    name, arn_region = arn["name"], arn["region"] or region
    kind = KINDS.get(arn["kind"], ModelKind.UNKNOWN)
    if kind is ModelKind.FOUNDATION or (kind is ModelKind.PROFILE and "." in name):
        return _from_id(name, raw=raw, region=arn_region)
    return ModelRef(
        raw=raw,
        base=None,
        family=family_of(name) if arn["kind"] in _NAMED_AFTER_MODEL else Family.OTHER,
        scope=None,
        region=arn_region,
        profile=name if kind in {ModelKind.PROFILE, ModelKind.APPLICATION_PROFILE} else None,
        kind=kind,
    )


def resolve(model: ModelRef, model_arns: Sequence[str]) -> ModelRef:
    """Fill in an opaque profile with the models that GetInferenceProfile names.

    A profile of one Region is in-region; of several, geo or global. A global one names an ARN without a Region, or
    Regions of more than one geography
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetInferenceProfile.html).

    Args:
        model: What `parse` gave.
        model_arns: ``models[].modelArn`` of the answer.

    Returns:
        The model with base, family and scope; the same one when the ARNs are of different models or of none.
    """
    found = [parse(arn) for arn in model_arns]
    bases = {each.base for each in found}
    base = next(iter(bases), None)
    if len(bases) != 1 or base is None:
        return model
    regions = {each.region for each in found}
    if None in regions or len({region.partition("-")[0] for region in regions if region}) > 1:
        scope = Scope.GLOBAL
    else:
        scope = Scope.GEO if len(regions) > 1 else Scope.IN_REGION
    return replace(model, base=base, family=family_of(base), scope=scope)


def family_of(base: str) -> Family:
    """Tell the family of a foundation model id by its beginning."""
    return next((family for prefix, family in FAMILIES if base.startswith(prefix)), Family.OTHER)


def _from_id(model_id: str, *, raw: str, region: str | None) -> ModelRef:
    label, _, rest = model_id.partition(".")
    provider, dot, _ = rest.partition(".")
    known = label in GEO_PREFIXES or label == GLOBAL_PREFIX or provider in PROVIDERS
    is_profile = bool(dot) and label not in PROVIDERS and known
    base = _THROUGHPUT_SUFFIX.sub("", rest if is_profile else model_id)
    profile_scope = Scope.GLOBAL if label == GLOBAL_PREFIX else Scope.GEO
    return ModelRef(
        raw=raw,
        base=base,
        family=family_of(base),
        scope=profile_scope if is_profile else Scope.IN_REGION,
        region=region,
        profile=f"{label}.{base}" if is_profile else None,
        kind=ModelKind.PROFILE if is_profile else ModelKind.FOUNDATION,
    )
