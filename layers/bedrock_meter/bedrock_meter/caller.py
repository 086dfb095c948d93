"""Who calls: the use cases that a caller may name and what they may call. Pure.

A `Caller` comes from the authorizer's context, from the principal of a signed call, or from the settings, and never
from what a caller says of itself. `Caller.choose` is the one place where a name that was said meets what is allowed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from bedrock_meter.domain import ModelRef
from bedrock_meter.errors import AccessDenied, RegistryError
from bedrock_meter.registry import Key, UseCase

USE_CASE_HEADER = "x-bedrock-meter-use-case"
"""The request header in which a call names its use case."""
RECORD_ID = "bedrock_meter_id"
"""The name of the pair in Bedrock's request metadata by which the gateway marks a call that it meters: our id of it."""
MAX_CONTEXT = 6000
"""Characters of the use cases in the authorizer's context; API Gateway is documented to take 8 KB in all."""

_LISTED = 20


class Auth(StrEnum):
    """Who authenticates the callers of the gateway."""

    KEY = "KEY"
    """The authorizer in front of it, by gateway key."""
    IAM = "IAM"
    """API Gateway, by signature; the principal is mapped to use cases here."""
    NONE = "NONE"
    """Nobody: whoever reaches the gateway may call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller, or in a gateway without authentication everybody."""

    use_cases: tuple[UseCase, ...]
    """Those that it may name."""
    default: str | None
    """The one that counts when it names none; None refuses such a call."""
    key_id: str | None = None
    """The id of its gateway key, where it has one."""

    def choose(self, named: str | None) -> UseCase:
        """Find the use case of a call.

        Args:
            named: What the call names; None for nothing.

        Raises:
            AccessDenied: It may not name this one, or names none and has no default.
        """
        wanted = self.default if named is None else named
        for use_case in self.use_cases:
            if use_case.name == wanted:
                return use_case
        if wanted is None:
            raise AccessDenied(f"The call names no use case, and there is no default. {self._advice()}")
        raise AccessDenied(f"The use case that the call names is not one of its caller's. {self._advice()}")

    def _advice(self) -> str:
        names = sorted(use_case.name for use_case in self.use_cases)
        if not names:
            return "Ask the gateway's owner for one."
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        return f"Send {USE_CASE_HEADER} with one of: {', '.join(names[:_LISTED])}{more}."


def tags_of(caller: Caller, use_case: UseCase) -> dict[str, str]:
    """Give the labels of a call."""
    named = {"use_case": use_case.name, "team": use_case.team, "key_id": caller.key_id}
    return {name: value for name, value in named.items() if value is not None}


def permit(use_case: UseCase, model: ModelRef | None) -> None:
    """Refuse a model that is not one of the use case's.

    What stands behind an application inference profile is not asked here: its ARN has to fit.

    Raises:
        AccessDenied: It is none.
    """
    if model is None or use_case.allows(model.raw, model.id, model.base):
        return
    raise AccessDenied(
        f"The use case {use_case.name} may not call this model. It may call: {', '.join(use_case.models[:_LISTED])}."
    )


def caller_of(key: Key, use_cases: Mapping[str, UseCase]) -> Caller:
    """Give the caller behind a key.

    Args:
        key: The key.
        use_cases: The registered use cases by name. One that is not among them any more can no longer be named.

    Raises:
        AccessDenied: None of the key's use cases is registered.
    """
    allowed = tuple(use_cases[name] for name in key.use_cases if name in use_cases)
    if not allowed:
        raise AccessDenied("None of the use cases of this gateway key is registered any more. Ask the gateway's owner.")
    default = key.default_use_case if key.default_use_case in use_cases else None
    return Caller(use_cases=allowed, default=default, key_id=key.id)


def to_context(caller: Caller) -> dict[str, str]:
    """Write a caller down as the context of API Gateway's authorizer, which takes flat text only.

    Raises:
        RegistryError: Its use cases are more than the context can carry.
    """
    listed = json.dumps([_described(use_case) for use_case in caller.use_cases], separators=(",", ":"))
    if len(listed) > MAX_CONTEXT:
        raise RegistryError(
            f"the use cases of a key and their model patterns take {len(listed)} characters, and API Gateway carries "
            f"{MAX_CONTEXT}: give the key fewer use cases, or the use cases fewer patterns"
        )
    facts = {"use_cases": listed, "default_use_case": caller.default, "key_id": caller.key_id}
    team = next((use_case.team for use_case in caller.use_cases if use_case.name == caller.default), None)
    return {name: value for name, value in {**facts, "team": team}.items() if value is not None}


def from_context(context: Mapping[str, Any]) -> Caller:
    """Read the caller from the context of the authorizer.

    Raises:
        AccessDenied: This is no context of ours, so nobody has authenticated the call.
    """
    try:
        return _read(context["use_cases"], context.get("default_use_case"), str(context["key_id"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AccessDenied("The call was not authenticated: the gateway got no word of its authorizer.") from error


@lru_cache(maxsize=256)
def _read(use_cases: str, default: str | None, key_id: str) -> Caller:
    # The same key has the same context for many calls.
    return Caller(use_cases=tuple(map(_use_case, json.loads(use_cases))), default=default, key_id=key_id)


def _described(use_case: UseCase) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": use_case.name}
    if use_case.team is not None:
        facts["team"] = use_case.team
    if use_case.models != ("*",):
        facts["models"] = use_case.models
    return facts


def _use_case(facts: Mapping[str, Any]) -> UseCase:
    return UseCase(name=facts["name"], team=facts.get("team"), models=tuple(facts.get("models", ("*",))))
