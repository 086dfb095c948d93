"""Every setting, read once from a mapping: ``Settings.from_env(os.environ)``. No other module knows a setting's name.

A setting that is missing takes its default; one that is wrong raises `ConfigError`, which names it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from bedrock_meter.dimensions import USE_CASE_NAME
from bedrock_meter.errors import ConfigError
from bedrock_meter.principals import ArnPatterns, PrincipalMap

NAMESPACE = "BEDROCK_METER_NAMESPACE"
SERVICE = "BEDROCK_METER_SERVICE"
USE_CASE = "BEDROCK_METER_USE_CASE"
USE_CASES = "BEDROCK_METER_USE_CASES"
USE_CASE_HEADER = "BEDROCK_METER_USE_CASE_HEADER"
MODELS = "BEDROCK_METER_MODELS"
PRICES = "BEDROCK_METER_PRICES"
UPSTREAM_URL = "BEDROCK_METER_UPSTREAM_URL"
MAX_BODY_BYTES = "BEDROCK_METER_MAX_BODY_BYTES"
READ_TIMEOUT_SECONDS = "BEDROCK_METER_READ_TIMEOUT_SECONDS"
DRAIN_SECONDS = "BEDROCK_METER_DRAIN_SECONDS"
DRAIN_BYTES = "BEDROCK_METER_DRAIN_BYTES"
PRINCIPALS = "BEDROCK_METER_PRINCIPALS"
METERED_ROLES = "BEDROCK_METER_METERED_ROLES"
CALLS_TABLE = "BEDROCK_METER_CALLS_TABLE"
DEAD_LETTER_QUEUE = "BEDROCK_METER_DEAD_LETTER_QUEUE"

_NAMESPACE_NAME = re.compile(r"(?!AWS/)[A-Za-z0-9._/#:-]{1,255}")
_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one deployment."""

    namespace: str = "BedrockMeter"
    """The CloudWatch namespace. (BEDROCK_METER_NAMESPACE)"""
    service: str = "bedrock-meter"
    """The value of the ``Service`` dimension: the stack's name. (BEDROCK_METER_SERVICE)"""
    use_case: str | None = None
    """The use case of calls that name none; without it such calls are refused. (BEDROCK_METER_USE_CASE)"""
    use_cases: frozenset[str] = frozenset()
    """The registered use cases, with the default among them; only they become dimensions. (BEDROCK_METER_USE_CASES)"""
    use_case_header: bool = False
    """Whether a caller may choose among the registered use cases by header. (BEDROCK_METER_USE_CASE_HEADER)"""
    models: frozenset[str] | None = None
    """The model ids that become dimensions; None for all that Bedrock acknowledges. (BEDROCK_METER_MODELS)"""
    prices: str | None = None
    """The path of a price book to use instead of the packaged one. (BEDROCK_METER_PRICES)"""
    upstream_url: str | None = None
    """Where calls go; None for Bedrock in the own Region. (BEDROCK_METER_UPSTREAM_URL)"""
    max_body_bytes: int = 6 * 1024 * 1024
    """The largest request body, in bytes; Lambda's limit on an event is the default. (BEDROCK_METER_MAX_BODY_BYTES)"""
    read_timeout_seconds: float = 840.0
    """How long Bedrock may stay silent, in seconds; the deadline of the function comes first where it is nearer.
    (BEDROCK_METER_READ_TIMEOUT_SECONDS)"""
    drain_seconds: float = 120.0
    """How long an answer is still read after its caller has gone, in seconds, for Bedrock bills it whole.
    (BEDROCK_METER_DRAIN_SECONDS)"""
    drain_bytes: int = 64 * 1024 * 1024
    """How much of it is still read, in bytes. (BEDROCK_METER_DRAIN_BYTES)"""
    principals: Mapping[str, str] = MappingProxyType({})
    """The use case by ARN pattern of a principal, for calls that the log door counts. (BEDROCK_METER_PRINCIPALS)"""
    metered_roles: frozenset[str] = frozenset()
    """ARN patterns of the roles whose calls another door meters: the gateway's, and those of functions with the layer.
    (BEDROCK_METER_METERED_ROLES)"""
    calls_table: str | None = None
    """The DynamoDB table in which the log door notes each call once; None notes the latest ones in memory.
    (BEDROCK_METER_CALLS_TABLE)"""
    dead_letter_queue: str | None = None
    """The URL of the SQS queue for log entries that cannot be counted. (BEDROCK_METER_DEAD_LETTER_QUEUE)"""
    region: str | None = None
    """The AWS Region to sign for. (AWS_REGION, else AWS_DEFAULT_REGION)"""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from environment variables; an empty variable counts as unset.

        Raises:
            ConfigError: A variable holds something that it cannot.
        """
        default = cls()
        given = {name: value.strip() for name, value in environ.items() if value.strip()}
        use_case = _named(given, USE_CASE, USE_CASE_NAME)
        listed = _names(given, USE_CASES)
        for name in listed:
            check_use_case(name, setting=USE_CASES)
        return cls(
            namespace=_named(given, NAMESPACE, _NAMESPACE_NAME) or default.namespace,
            service=_named(given, SERVICE, _SERVICE_NAME) or default.service,
            use_case=use_case,
            use_cases=listed | ({use_case} if use_case else frozenset()),
            use_case_header=_switch(given, USE_CASE_HEADER),
            models=_names(given, MODELS) or None,
            prices=given.get(PRICES),
            upstream_url=_url(given, UPSTREAM_URL),
            max_body_bytes=int(_number(given, MAX_BODY_BYTES, default.max_body_bytes, least=1)),
            read_timeout_seconds=_number(given, READ_TIMEOUT_SECONDS, default.read_timeout_seconds, least=0.1),
            drain_seconds=_number(given, DRAIN_SECONDS, default.drain_seconds, least=0),
            drain_bytes=int(_number(given, DRAIN_BYTES, default.drain_bytes, least=0)),
            principals=_principals(given),
            metered_roles=_patterns(given),
            calls_table=_named(given, CALLS_TABLE, _TABLE_NAME),
            dead_letter_queue=_url(given, DEAD_LETTER_QUEUE),
            region=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION"),
        )

    @property
    def endpoint(self) -> str:
        """The upstream URL, without a slash at its end.

        Raises:
            ConfigError: Neither an upstream nor a Region is set.
        """
        if self.upstream_url:
            return self.upstream_url
        if not self.region:
            raise ConfigError("AWS_REGION", f"set a Region, or {UPSTREAM_URL}, so that there is a Bedrock to call")
        return _service_url("bedrock-runtime", self.region)


def control_plane_url(region: str) -> str:
    """Give the URL of Bedrock's control plane in a Region."""
    return _service_url("bedrock", region)


def _service_url(service: str, region: str) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{service}.{region}.{suffix}"


def check_use_case(name: str, *, setting: str) -> None:
    """Refuse what cannot be the name of a use case.

    Raises:
        ConfigError: It cannot; the error names the setting.
    """
    if not USE_CASE_NAME.fullmatch(name):
        raise ConfigError(setting, f"{name!r} is no use case name; {_rule(USE_CASE_NAME)}")


def _rule(pattern: re.Pattern[str]) -> str:
    return f"it has to match {pattern.pattern}"


def _named(given: Mapping[str, str], setting: str, pattern: re.Pattern[str]) -> str | None:
    value = given.get(setting)
    if value is not None and not pattern.fullmatch(value):
        raise ConfigError(setting, f"{value!r} cannot be used; {_rule(pattern)}")
    return value


def _names(given: Mapping[str, str], setting: str) -> frozenset[str]:
    return frozenset(name.strip() for name in given.get(setting, "").split(",") if name.strip())


def _principals(given: Mapping[str, str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for word in given.get(PRINCIPALS, "").split():
        # An ARN may hold "=" and ",", the name of a use case neither.
        pattern, divided, use_case = word.rpartition("=")
        if not divided:
            raise ConfigError(PRINCIPALS, f"{word!r} is not pattern=use_case")
        if found.get(pattern, use_case) != use_case:
            raise ConfigError(PRINCIPALS, f"{pattern!r} stands there twice, with two use cases")
        found[pattern] = use_case
    try:
        PrincipalMap(found)
    except ValueError as error:
        raise ConfigError(PRINCIPALS, str(error)) from error
    return MappingProxyType(found)


def _patterns(given: Mapping[str, str]) -> frozenset[str]:
    found = frozenset(given.get(METERED_ROLES, "").split())
    try:
        ArnPatterns(found)
    except ValueError as error:
        raise ConfigError(METERED_ROLES, str(error)) from error
    return found


def _switch(given: Mapping[str, str], setting: str) -> bool:
    value = given.get(setting, "off").lower()
    if value not in {"on", "off"}:
        raise ConfigError(setting, f"it is on or off, not {value!r}")
    return value == "on"


def _url(given: Mapping[str, str], setting: str) -> str | None:
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


def _number(given: Mapping[str, str], setting: str, default: float, *, least: float) -> float:
    value = given.get(setting)
    if value is None:
        return default
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not least <= number < float("inf"):
        raise ConfigError(setting, f"it has to be a number, {least} or more, not {value!r}")
    return number
