"""Who calls, and for which use case: ``identify(…) -> Identified``.

A caller is authenticated by the authorizer in front of the gateway, by API Gateway itself (a signature), by the gateway
itself (``meterctl serve`` with a registry), or by nobody, as the setting says. What a call says of itself only chooses
among the use cases that its caller may name.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Protocol

from bedrock_meter.adapters.registryview import RegisteredFirst
from bedrock_meter.caller import USE_CASE_HEADER, Auth, Caller, caller_of, from_context
from bedrock_meter.config import Settings
from bedrock_meter.domain import Operation
from bedrock_meter.errors import AccessDenied, InvalidRequest, RegistryError, UpstreamUnavailable
from bedrock_meter.gatekeys import admit, shown
from bedrock_meter.ports import Clock, Principals
from bedrock_meter.principals import PrincipalMap
from bedrock_meter.registry import Key, UseCase
from gateway.http import Request
from gateway.metadata import USE_CASE, stated

type Identity = Callable[[Request], Caller]
"""Finds out who sent a request. Raises `AccessDenied` when that is nobody who may."""
type Describe = Callable[[str], UseCase]
"""Gives a use case by its name, with what the registry knows of it."""


class Registry(Protocol):
    """Where the keys are."""

    def key(self, key_id: str) -> Key | None:
        """Give a key; None when there is none. Raises `RegistryError`."""


class UseCases(Protocol):
    """Where the use cases are."""

    def use_case(self, name: str) -> UseCase | None:
        """Give a use case; None when it is not registered. Raises `RegistryError`."""


class Known(UseCases, Principals, Protocol):
    """Where use cases and principals are. A `RegistryView` is one."""


def identity_for(settings: Settings, known: Known | None) -> Identity:
    """Choose how callers are told apart behind API Gateway, or where nobody tells them apart.

    Args:
        settings: The deployment's settings.
        known: The registered use cases and principals; None where there is no registry. A principal that it does not
            know may name what the settings say.
    """

    def registered(name: str) -> UseCase:
        return (known.use_case(name) if known else None) or _unregistered(name)

    def registered_or_not(name: str) -> UseCase:
        try:
            return registered(name)
        except RegistryError:
            return _unregistered(name)  # counted where it is read; the name itself comes from the settings

    if settings.auth is Auth.KEY:
        return lambda request: from_context(request.authorizer or {})
    if settings.auth is Auth.IAM:
        # Which models a principal may call stands in the registry alone, so without it nobody is let in.
        of_settings = PrincipalMap(settings.principals)
        return _closed(by_principal(RegisteredFirst(known, of_settings) if known else of_settings, registered))
    return by_settings(settings, registered_or_not)


def _closed(identity: Identity) -> Identity:
    """Let nobody in while the registry cannot be read."""

    def closed(request: Request) -> Caller:
        try:
            return identity(request)
        except RegistryError as error:
            raise UpstreamUnavailable("The gateway cannot read its registry. Try again.") from error

    return closed


@lru_cache(maxsize=256)
def _unregistered(name: str) -> UseCase:
    return UseCase(name=name)


def by_key(registry: Registry, use_cases: UseCases, clock: Clock) -> Identity:
    """Authenticate by gateway key in the gateway itself, where no authorizer stands in front of it."""

    def identity(request: Request) -> Caller:
        key = admit(shown(request.headers), registry.key, clock.now())
        known = ((name, use_cases.use_case(name)) for name in key.use_cases)
        return caller_of(key, {name: use_case for name, use_case in known if use_case is not None})

    return _closed(identity)


def by_principal(principals: Principals, describe: Describe) -> Identity:
    """Tell callers apart by the principal that signed; the pattern that it matches says what it may name."""

    def identity(request: Request) -> Caller:
        if request.principal is None:
            raise AccessDenied("The call was not signed, or API Gateway did not check its signature.")
        use_cases = principals.find(request.principal)
        if use_cases is not None:
            return Caller(use_cases=tuple(map(describe, use_cases)), default=use_cases[0])
        raise AccessDenied(f"No use case is set for {request.principal[:300]}. Ask the gateway's owner to set one.")

    return identity


def by_settings(settings: Settings, describe: Describe) -> Identity:
    """Take every caller: the default use case, and where the settings allow it the registered ones by header."""

    def identity(request: Request) -> Caller:
        if USE_CASE_HEADER in request.headers and not settings.use_case_header:
            raise AccessDenied(
                f"This gateway does not take the use case from the header {USE_CASE_HEADER}; leave it out."
            )
        names = settings.use_cases if settings.use_case_header else {settings.use_case} - {None}
        return Caller(
            use_cases=tuple(describe(name) for name in sorted(filter(None, names))), default=settings.use_case
        )

    return identity


def named_use_case(request: Request, operation: Operation, *, by_metadata: bool) -> str | None:
    """Read which use case a call names: in our header, or in the request metadata of Bedrock.

    Args:
        request: The request.
        operation: What it asks for.
        by_metadata: Whether the metadata count.

    Raises:
        InvalidRequest: It names two.
    """
    metadata: Mapping[str, object] = stated(operation, request.headers, request.body) if by_metadata else {}
    header, pair = request.headers.get(USE_CASE_HEADER), metadata.get(USE_CASE)
    label = pair if isinstance(pair, str) else None
    if header is not None and label is not None and header != label:
        raise InvalidRequest(
            f"The call names two use cases: one in the header {USE_CASE_HEADER}, one in its request metadata. Name one."
        )
    return label if header is None else header
