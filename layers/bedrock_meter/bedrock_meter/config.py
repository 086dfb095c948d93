"""Every setting, read once from a mapping: ``Settings.from_env(os.environ)``. No other module knows a setting's name.

A setting that is missing takes its default; one that is wrong raises `ConfigError`, which names it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from urllib.parse import urlsplit

from bedrock_meter.caller import Auth
from bedrock_meter.errors import ConfigError
from bedrock_meter.principals import PrincipalUseCases, read_principals
from bedrock_meter.registry import NAME as USE_CASE_NAME

NAMESPACE = "BEDROCK_METER_NAMESPACE"
SERVICE = "BEDROCK_METER_SERVICE"
AUTH = "BEDROCK_METER_AUTH"
REGISTRY = "BEDROCK_METER_REGISTRY"
PRINCIPALS = "BEDROCK_METER_PRINCIPALS"
PROPAGATE_METADATA = "BEDROCK_METER_PROPAGATE_METADATA"
ATTRIBUTION_ROLE = "BEDROCK_METER_ATTRIBUTION_ROLE"
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
ESTIMATE_SAMPLE = "BEDROCK_METER_ESTIMATE_SAMPLE"
COUNT_TOKENS_BYTES = "BEDROCK_METER_COUNT_TOKENS_BYTES"
COUNT_TOKENS_SECONDS = "BEDROCK_METER_COUNT_TOKENS_SECONDS"
TABLE = "BEDROCK_METER_TABLE"
TABLE_URL = "AWS_ENDPOINT_URL_DYNAMODB"
FAIL_MODE = "BEDROCK_METER_FAIL_MODE"
UNPRICED = "BEDROCK_METER_UNPRICED"
HOLD = "BEDROCK_METER_HOLD"
TIME_ZONE = "BEDROCK_METER_TIME_ZONE"
DEFAULT_MAX_OUTPUT_TOKENS = "BEDROCK_METER_DEFAULT_MAX_OUTPUT_TOKENS"
EVENT_BUS = "BEDROCK_METER_EVENT_BUS"
STS_URL = "AWS_ENDPOINT_URL_STS"
EVENTS_URL = "AWS_ENDPOINT_URL_EVENTBRIDGE"

_NAMESPACE_NAME = re.compile(r"(?!AWS/)[A-Za-z0-9._/#:-]{1,255}")
_SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_BUS_NAME = re.compile(r"[A-Za-z0-9/_.:-]{1,1600}")
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one deployment."""

    namespace: str = "BedrockMeter"
    """The CloudWatch namespace. (BEDROCK_METER_NAMESPACE)"""
    service: str = "bedrock-meter"
    """The value of the ``Service`` dimension: the stack's name. (BEDROCK_METER_SERVICE)"""
    auth: Auth = Auth.NONE
    """Who authenticates the callers of the gateway. (BEDROCK_METER_AUTH)"""
    registry: str | None = None
    """The file of registry and limits, where there is no table. (BEDROCK_METER_REGISTRY)"""
    principals: tuple[PrincipalUseCases, ...] = ()
    """What the principals that sign their calls may name, with IAM. (BEDROCK_METER_PRINCIPALS)"""
    propagate_metadata: bool = False
    """Whether use case and record id go into the request metadata. (BEDROCK_METER_PROPAGATE_METADATA)"""
    attribution_role: str | None = None
    """The role that is assumed once for each use case to sign its calls. (BEDROCK_METER_ATTRIBUTION_ROLE)"""
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
    estimate_sample: float = 0.0
    """The share of calls, from 0 to 1, whose input is estimated for no other reason than to compare the estimate with
    Bedrock's count. (BEDROCK_METER_ESTIMATE_SAMPLE)"""
    count_tokens_bytes: int | None = None
    """From which size of a body on a forecast asks Bedrock's CountTokens; None for never.
    (BEDROCK_METER_COUNT_TOKENS_BYTES)"""
    count_tokens_seconds: float = 1.0
    """How long that may take before an estimate is made instead, in seconds. (BEDROCK_METER_COUNT_TOKENS_SECONDS)"""
    table: str | None = None
    """The DynamoDB table of registry and limits; None for none of them. (BEDROCK_METER_TABLE)"""
    aws_endpoint_url_dynamodb: str | None = None
    """Where DynamoDB is; None for AWS's own in the Region. (AWS_ENDPOINT_URL_DYNAMODB)"""
    fail_mode: str = "open"
    """Whether calls go on (``open``) while their limits cannot be looked at. (BEDROCK_METER_FAIL_MODE)"""
    unpriced: str = "deny"
    """What a limit in US dollars does with a call that has no price. (BEDROCK_METER_UNPRICED)"""
    hold: str = "bound"
    """What of the input is held before a call: the most that it can be, or the estimate. (BEDROCK_METER_HOLD)"""
    time_zone: str = "UTC"
    """Whose days and months limits count by: a name of the IANA database. (BEDROCK_METER_TIME_ZONE)"""
    default_max_output_tokens: int = 131_072
    """The output to hold for a call without a bound, to a model whose maximum is unknown.
    (BEDROCK_METER_DEFAULT_MAX_OUTPUT_TOKENS)"""
    event_bus: str | None = None
    """The EventBridge bus that gets an event for each warning level; None for none. (BEDROCK_METER_EVENT_BUS)"""
    aws_endpoint_url_eventbridge: str | None = None
    """Where EventBridge is; None for AWS's own in the Region. (AWS_ENDPOINT_URL_EVENTBRIDGE)"""
    region: str | None = None
    """The AWS Region to sign for. (AWS_REGION, else AWS_DEFAULT_REGION)"""
    aws_endpoint_url_sts: str | None = None
    """Where STS is; None for AWS's own. (AWS_ENDPOINT_URL_STS)"""

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
            auth=_auth(given),
            registry=given.get(REGISTRY),
            principals=_principals(given),
            propagate_metadata=_switch(given, PROPAGATE_METADATA),
            attribution_role=_named(given, ATTRIBUTION_ROLE, _ROLE_ARN),
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
            estimate_sample=_number(given, ESTIMATE_SAMPLE, default.estimate_sample, least=0, most=1),
            count_tokens_bytes=int(_number(given, COUNT_TOKENS_BYTES, 0, least=1)) or None,
            count_tokens_seconds=_number(given, COUNT_TOKENS_SECONDS, default.count_tokens_seconds, least=0.05),
            table=_named(given, TABLE, _TABLE_NAME),
            aws_endpoint_url_dynamodb=_url(given, TABLE_URL),
            fail_mode=_choice(given, FAIL_MODE, default.fail_mode, "closed"),
            unpriced=_choice(given, UNPRICED, default.unpriced, "allow"),
            hold=_choice(given, HOLD, default.hold, "estimate"),
            time_zone=_zone(given, TIME_ZONE, default.time_zone),
            default_max_output_tokens=int(
                _number(given, DEFAULT_MAX_OUTPUT_TOKENS, default.default_max_output_tokens, least=1)
            ),
            event_bus=_named(given, EVENT_BUS, _BUS_NAME),
            aws_endpoint_url_eventbridge=_url(given, EVENTS_URL),
            region=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION"),
            aws_endpoint_url_sts=_url(given, STS_URL),
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
        return service_url("bedrock-runtime", self.region)


def control_plane_url(region: str) -> str:
    """Give the URL of Bedrock's control plane in a Region."""
    return service_url("bedrock", region)


def service_url(service: str, region: str) -> str:
    """Give the URL of an AWS service in a Region."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{service}.{region}.{suffix}"


def check_use_case(name: str, *, setting: str) -> None:
    """Refuse what cannot be the name of a use case.

    Raises:
        ConfigError: It cannot; the error names the setting.
    """
    if not USE_CASE_NAME.fullmatch(name):
        raise ConfigError(setting, f"{name!r} is no use case name; it has to match {USE_CASE_NAME.pattern}")


def _named(given: Mapping[str, str], setting: str, pattern: re.Pattern[str]) -> str | None:
    value = given.get(setting)
    if value is not None and not pattern.fullmatch(value):
        raise ConfigError(setting, f"{value!r} cannot be used; it has to match {pattern.pattern}")
    return value


def _names(given: Mapping[str, str], setting: str) -> frozenset[str]:
    return frozenset(name.strip() for name in given.get(setting, "").split(",") if name.strip())


def _switch(given: Mapping[str, str], setting: str) -> bool:
    return _choice(given, setting, "off", "on") == "on"


def _choice(given: Mapping[str, str], setting: str, default: str, other: str) -> str:
    value = given.get(setting, default).lower()
    if value not in {default, other}:
        raise ConfigError(setting, f"it is {other} or {default}, not {value!r}")
    return value


def _zone(given: Mapping[str, str], setting: str, default: str) -> str:
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


def _auth(given: Mapping[str, str]) -> Auth:
    value = given.get(AUTH, Auth.NONE).upper()
    if value not in set(Auth):
        raise ConfigError(AUTH, f"it is one of {', '.join(Auth)}, not {value!r}")
    return Auth(value)


def _principals(given: Mapping[str, str]) -> tuple[PrincipalUseCases, ...]:
    try:
        return read_principals(given.get(PRINCIPALS, ""))
    except ValueError as error:
        raise ConfigError(PRINCIPALS, str(error)) from None


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


def _number(
    given: Mapping[str, str], setting: str, default: float, *, least: float, most: float = float("inf")
) -> float:
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
