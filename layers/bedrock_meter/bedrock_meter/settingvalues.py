"""How the value of a setting is read: each function takes the variables and a setting's name, and raises `ConfigError`.

An error names the setting, and what it has to be.
"""

import re
from collections.abc import Mapping
from datetime import UTC, tzinfo
from types import MappingProxyType
from urllib.parse import urlsplit

from bedrock_meter.caller import Auth
from bedrock_meter.endpoints import S3Object
from bedrock_meter.errors import ConfigError
from bedrock_meter.principals import ArnPatterns, PrincipalMap
from bedrock_meter.registry import NAME

# No dots: TLS names of buckets have one label. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_S3_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9-]{1,61}[a-z0-9])/(?P<key>[A-Za-z0-9][A-Za-z0-9._/-]{0,511})")


def check_use_case(name: str, *, setting: str) -> None:
    """Refuse what cannot be the name of a use case.

    Raises:
        ConfigError: It cannot; the error names the setting.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(setting, f"{name!r} is no use case name; it has to match {NAME.pattern}")


def s3_object(url: str, *, setting: str) -> S3Object:
    """Read where an object is.

    Raises:
        ConfigError: It is no such URL; the error names the setting.
    """
    parts = _S3_URL.fullmatch(url)
    if parts is None:
        raise ConfigError(setting, f"{url!r} is no place such as s3://bucket/approved/prices.json")
    return S3Object(parts["bucket"], parts["key"])


def named(given: Mapping[str, str], setting: str, pattern: re.Pattern[str]) -> str | None:
    """Read a name that matches a pattern; None where it is not set."""
    value = given.get(setting)
    if value is not None and not pattern.fullmatch(value):
        raise ConfigError(setting, f"{value!r} cannot be used; it has to match {pattern.pattern}")
    return value


def names(given: Mapping[str, str], setting: str) -> frozenset[str]:
    """Read a list of names, separated by commas."""
    return frozenset(name.strip() for name in given.get(setting, "").split(",") if name.strip())


def principals(given: Mapping[str, str], setting: str) -> Mapping[str, tuple[str, ...]]:
    """Read which use cases principals may name: words of ``pattern=use_case[+use_case…]``."""
    found: dict[str, tuple[str, ...]] = {}
    for word in given.get(setting, "").split():
        # An ARN may hold "=", "+" and ",", the name of a use case none of them.
        pattern, divided, named = word.rpartition("=")
        use_cases = tuple(named.split("+"))
        if not divided:
            raise ConfigError(setting, f"{word!r} is not pattern=use_case, or pattern=use_case+use_case")
        if found.get(pattern, use_cases) != use_cases:
            raise ConfigError(setting, f"{pattern!r} stands there twice, with different use cases")
        found[pattern] = use_cases
    try:
        PrincipalMap(found)
    except ValueError as error:
        raise ConfigError(setting, str(error)) from error
    return MappingProxyType(found)


def arn_patterns(given: Mapping[str, str], setting: str) -> frozenset[str]:
    """Read patterns of ARNs, separated by white space."""
    found = frozenset(given.get(setting, "").split())
    try:
        ArnPatterns(found)
    except ValueError as error:
        raise ConfigError(setting, str(error)) from error
    return found


def switch(given: Mapping[str, str], setting: str) -> bool:
    """Read ``on`` or ``off``."""
    return choice(given, setting, "off", "on") == "on"


def choice(given: Mapping[str, str], setting: str, default: str, other: str) -> str:
    """Read one of two words; the default where it is not set."""
    value = given.get(setting, default).lower()
    if value not in {default, other}:
        raise ConfigError(setting, f"it is {other} or {default}, not {value!r}")
    return value


def zone_name(given: Mapping[str, str], setting: str, default: str) -> str:
    """Read the name of a time zone that this machine knows."""
    value = given.get(setting, default)
    try:
        zone(value)
    except (OSError, ValueError, KeyError):  # a file that is none, a name that is none, a zone that is not there
        problem = f"{value!r} is no time zone that this machine knows, such as Europe/Berlin (or it lacks the tzdata)"
        raise ConfigError(setting, problem) from None
    return value


def zone(name: str) -> tzinfo:
    """Give a time zone by its name. UTC needs no database."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - hardly any deployment needs it

    return ZoneInfo(name)


def auth(given: Mapping[str, str], setting: str) -> Auth:
    """Read who authenticates callers."""
    value = given.get(setting, Auth.NONE).upper()
    if value not in set(Auth):
        raise ConfigError(setting, f"it is one of {', '.join(Auth)}, not {value!r}")
    return Auth(value)


def url(given: Mapping[str, str], setting: str) -> str | None:
    """Read the URL of a service, without a slash at its end; None where it is not set."""
    value = given.get(setting)
    if value is None:
        return None
    if not _is_base_url(value):
        raise ConfigError(setting, "it has to be an http or https URL of a host, without user, query or fragment")
    return value.rstrip("/")


def _is_base_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises when it is none
    except ValueError:
        return False
    extra = parts.query or parts.fragment or "@" in parts.netloc
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not extra


def number(
    given: Mapping[str, str], setting: str, default: float, *, least: float, most: float = float("inf")
) -> float:
    """Read a number within bounds."""
    value = given.get(setting)
    if value is None:
        return default
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not least <= number <= most or number == float("inf"):
        bounds = f"{least} or more" if most == float("inf") else f"from {least} to {most}"
        raise ConfigError(setting, f"it has to be a number, {bounds}, not {value!r}")
    return number
