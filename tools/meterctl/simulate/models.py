"""The ids that are not a model's own, and the way from any model id to its family."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from meterctl.simulate.families import FAMILIES, Family
from meterctl.simulate.faults import FAULTS

FAULT_MARK: Final = "simulate-"


APPLICATION_PROFILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "simclaude000": "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "simnova00000": "amazon.nova-lite-v1:0",
        "simtitan0000": "amazon.titan-text-express-v1",
        "simllama0000": "meta.llama3-1-8b-instruct-v1:0",
    }
)
"""The opaque ids of the application inference profiles that exist, and the model behind each."""

OPAQUE: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        **{("application-inference-profile", name): base for name, base in APPLICATION_PROFILES.items()},
        ("provisioned-model", "simclaude000"): "anthropic.claude-sonnet-4-5-20250929-v1:0",
        ("custom-model-deployment", "simnova00000"): "amazon.nova-lite-v1:0",
        ("imported-model", "simdeepseek0"): "imported.simdeepseek0",
        ("endpoint", "sim-endpoint"): "imported.simendpoint0",
        ("prompt", "simprompt0"): "anthropic.claude-sonnet-4-5-20250929-v1:0",
        ("prompt-router", "simrouter000"): "anthropic.claude-sonnet-4-5-20250929-v1:0",
        ("default-prompt-router", "anthropic.claude:1"): "anthropic.claude-sonnet-4-5-20250929-v1:0",
    }
)
"""The resources whose ARN does not name a model, by type and id, and the model behind each."""

ROUTERS: Final = frozenset({"prompt-router", "default-prompt-router"})
"""The types of resources that choose a model and say which."""

_GEO: Final = re.compile(r"(?:us|eu|apac|jp|au|ca|in|us-gov|global)\.(?=[a-z0-9-]+\.)")
_ARN: Final = re.compile(
    r"arn:aws(?:-[a-z-]+)?:bedrock:[a-z0-9-]+:"
    r"(?::foundation-model/(?P<foundation>[^/]+)"
    r"|\d{12}:inference-profile/(?P<profile>[^/]+)"
    r"|\d{12}:(?P<kind>[a-z-]+)/(?P<id>[^/]+))"
)
_ENDPOINT: Final = re.compile(r"arn:aws(?:-[a-z-]+)?:sagemaker:[a-z0-9-]+:\d{12}:(?P<kind>endpoint)/(?P<id>[^/]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model id that exists."""

    base: str
    """Foundation model id."""
    family: Family
    """Its row."""
    profile: bool
    """Called through an inference profile of any kind."""
    fault: str | None = None
    """The fault that the id asks for."""
    kind: str | None = None
    """The type of the resource that was called, where its ARN does not name a model."""

    @property
    def arn(self) -> str:
        """The foundation model's ARN."""
        return f"arn:aws:bedrock:us-east-1::foundation-model/{self.base}"


def resolve(model_id: str) -> Model | None:
    """Return the model behind a decoded id or ARN, or None where Bedrock would call the identifier invalid."""
    arn = _ARN.fullmatch(model_id) or _ENDPOINT.fullmatch(model_id)
    if arn is None:
        if model_id.startswith("arn:"):
            return None
        base = _GEO.sub("", model_id, count=1) if _GEO.match(model_id) else model_id
        return _lookup(base, profile=base != model_id)
    parts = arn.groupdict()
    if foundation := parts.get("foundation"):
        return _lookup(foundation, profile=False)
    if profile := parts.get("profile"):
        return _lookup(_GEO.sub("", profile, count=1), profile=True) if _GEO.match(profile) else None
    # A prompt may carry a version.
    kind, name = parts["kind"], parts["id"]
    base = OPAQUE.get((kind, name.partition(":")[0] if kind == "prompt" else name), "")
    return _lookup(base, profile=True, kind=kind)


def fault_model_id(fault: str, *, family: str = "claude") -> str:
    """Return the model id that makes a model of `family` show `fault`.

    Args:
        fault: A name in `FAULTS`.
        family: A name in `FAMILIES`.

    Raises:
        ValueError: There is no such fault or family.
    """
    if fault not in FAULTS:
        raise ValueError(f"no fault is called {fault!r}")
    for row in FAMILIES:
        if row.name == family:
            return f"{row.fault_prefix}{FAULT_MARK}{fault}"
    raise ValueError(f"no family is called {family!r}")


def _lookup(base: str, *, profile: bool, kind: str | None = None) -> Model | None:
    for family in FAMILIES:
        marker = family.fault_prefix + FAULT_MARK
        if base.startswith(marker):
            fault = base.removeprefix(marker)
            return Model(base=base, family=family, profile=profile, fault=fault) if fault in FAULTS else None
    for family in FAMILIES:
        if family.pattern.fullmatch(base):
            return Model(base=base, family=family, profile=profile, kind=kind)
    return None
