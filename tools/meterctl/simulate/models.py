"""The tables of model families and application profiles, and the way from a model id to its row."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from meterctl.simulate import bodies, readers
from meterctl.simulate.bodies import Completion
from meterctl.simulate.faults import FAULTS
from meterctl.simulate.prompt import Prompt

FAULT_MARK: Final = "simulate-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One row: how a family of models is called and how it answers InvokeModel."""

    name: str
    """Short name, for people."""
    pattern: re.Pattern[str]
    """Foundation model ids of this family."""
    fault_prefix: str
    """What stands before `simulate-<fault>` in the family's fault ids."""
    read: Callable[[dict[str, Any]], Prompt]
    """Request document to prompt."""
    build: Callable[[Completion], dict[str, Any]]
    """Completion to answer document."""
    caches: bool = False
    """Supports prompt caching: cache marks are honoured and cache counts are always given."""
    counts_tokens: bool = False
    """Supports CountTokens."""


_VERSION: Final = r"(?:-v\d+)?(?::\d+)?(?::\d+k)?"

FAMILIES: Final = (
    Family(
        name="claude",
        pattern=re.compile(rf"anthropic\.claude-[a-z0-9-]+?{_VERSION}"),
        fault_prefix="anthropic.",
        read=readers.read_claude,
        build=bodies.claude_body,
        caches=True,
        counts_tokens=True,
    ),
    Family(
        name="nova",
        pattern=re.compile(rf"amazon\.nova-(?:\d+-)?(?:micro|lite|pro|premier){_VERSION}"),
        fault_prefix="amazon.nova-",
        read=readers.read_nova,
        build=bodies.nova_body,
        caches=True,
    ),
    Family(
        name="titan",
        pattern=re.compile(rf"amazon\.titan-text-(?:lite|express|premier){_VERSION}"),
        fault_prefix="amazon.titan-text-",
        read=readers.read_titan,
        build=bodies.titan_body,
    ),
    Family(
        name="llama",
        pattern=re.compile(rf"meta\.llama[a-z0-9-]+?{_VERSION}"),
        fault_prefix="meta.",
        read=readers.read_llama,
        build=bodies.llama_body,
    ),
)

APPLICATION_PROFILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "simclaude000": "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "simnova00000": "amazon.nova-lite-v1:0",
        "simtitan0000": "amazon.titan-text-express-v1",
        "simllama0000": "meta.llama3-1-8b-instruct-v1:0",
    }
)
"""The opaque ids of the application inference profiles that exist, and the model behind each."""

_GEO: Final = re.compile(r"(?:us|eu|apac|jp|au|ca|in|us-gov|global)\.(?=[a-z0-9-]+\.)")
_ARN: Final = re.compile(
    r"arn:aws(?:-[a-z-]+)?:bedrock:[a-z0-9-]+:"
    r"(?::foundation-model/(?P<foundation>[^/]+)"
    r"|\d{12}:inference-profile/(?P<profile>[^/]+)"
    r"|\d{12}:application-inference-profile/(?P<application>[^/]+))"
)


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


def resolve(model_id: str) -> Model | None:
    """Return the model behind a decoded id or ARN, or None where Bedrock would call the identifier invalid."""
    arn = _ARN.fullmatch(model_id)
    if arn is None:
        if model_id.startswith("arn:"):
            return None
        base = _GEO.sub("", model_id, count=1) if _GEO.match(model_id) else model_id
        return _lookup(base, profile=base != model_id)
    if foundation := arn["foundation"]:
        return _lookup(foundation, profile=False)
    if profile := arn["profile"]:
        return _lookup(_GEO.sub("", profile, count=1), profile=True) if _GEO.match(profile) else None
    return _lookup(APPLICATION_PROFILES.get(arn["application"], ""), profile=True)


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


def _lookup(base: str, *, profile: bool) -> Model | None:
    for family in FAMILIES:
        if family.pattern.fullmatch(base):
            return Model(base=base, family=family, profile=profile)
        marker = family.fault_prefix + FAULT_MARK
        if base.startswith(marker) and base.removeprefix(marker) in FAULTS:
            return Model(base=base, family=family, profile=profile, fault=base.removeprefix(marker))
    return None
