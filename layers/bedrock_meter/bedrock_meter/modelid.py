"""Model ids and ARNs, taken apart: ``parse(raw, region) -> ModelRef``. Pure; what only AWS can resolve stays opaque.

The forms are those of ``InvokeModelIdentifier`` and ``ConversationalModelId`` in the service model, described at
https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html and, for the profile prefixes, at
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html.
"""

import re
from functools import lru_cache

from bedrock_meter.domain import Family, ModelRef, Scope

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
    ("amazon.nova-canvas", Family.OTHER),
    ("amazon.nova-reel", Family.OTHER),
    ("amazon.nova-sonic", Family.OTHER),
    ("amazon.nova-2-sonic", Family.OTHER),
    ("amazon.nova-2-multimodal-embeddings", Family.OTHER),
    ("amazon.nova", Family.NOVA),
    ("amazon.titan-text", Family.TITAN_TEXT),
    ("amazon.titan-tg1", Family.TITAN_TEXT),
    ("meta.llama", Family.LLAMA),
)

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
    kind, name, arn_region = arn["kind"], arn["name"], arn["region"] or region
    if kind == "foundation-model" or (kind == "inference-profile" and "." in name):
        return _from_id(name, raw=raw, region=arn_region)
    return ModelRef(
        raw=raw,
        base=None,
        family=Family.OTHER,
        scope=None,
        region=arn_region,
        profile=name if kind.endswith("inference-profile") else None,
    )


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
    )
