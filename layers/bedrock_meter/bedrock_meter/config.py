"""Every setting, read once from a mapping: ``Settings.from_env(os.environ)``. No other module knows a setting's name.

A setting that is missing takes its default; one that is wrong raises `ConfigError`, which names it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bedrock_meter import settingvalues as read
from bedrock_meter.caller import Auth
from bedrock_meter.endpoints import S3Object, service_url
from bedrock_meter.errors import ConfigError
from bedrock_meter.registry import NAME

NAMESPACE = "BEDROCK_METER_NAMESPACE"
SERVICE = "BEDROCK_METER_SERVICE"
VERSION = "BEDROCK_METER_VERSION"
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
PRICES_URL = "BEDROCK_METER_PRICES_URL"
PRICES_CHECK_SECONDS = "BEDROCK_METER_PRICES_CHECK_SECONDS"
INVOCATION_LOG = "BEDROCK_METER_INVOCATION_LOG"
METERED_ROLES = "BEDROCK_METER_METERED_ROLES"
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
CALLS_TABLE = "BEDROCK_METER_CALLS_TABLE"
DEAD_LETTER_QUEUE = "BEDROCK_METER_DEAD_LETTER_QUEUE"

_NAMESPACE_NAME = re.compile(r"(?!AWS/)[A-Za-z0-9._/#:-]{1,255}")
_SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_BUS_NAME = re.compile(r"[A-Za-z0-9/_.:-]{1,1600}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one deployment."""

    namespace: str = "BedrockMeter"
    """The CloudWatch namespace. (BEDROCK_METER_NAMESPACE)"""
    service: str = "bedrock-meter"
    """The value of the ``Service`` dimension: the stack's name. (BEDROCK_METER_SERVICE)"""
    version: str | None = None
    """The version of the deployment, which the metric ``Deployments`` names; None for that of the library.
    (BEDROCK_METER_VERSION)"""
    auth: Auth = Auth.NONE
    """Who authenticates the callers of the gateway. (BEDROCK_METER_AUTH)"""
    registry: str | None = None
    """The file of registry and limits, where there is no table. (BEDROCK_METER_REGISTRY)"""
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
    prices_url: S3Object | None = None
    """Where the gateway looks for an approved price book, newer than the packaged one. (BEDROCK_METER_PRICES_URL)"""
    prices_check_seconds: float = 300.0
    """How often it looks there, at most. (BEDROCK_METER_PRICES_CHECK_SECONDS)"""
    invocation_log: str | None = None
    """The log group of Bedrock's own invocation log, where the reconciliation finds names.
    (BEDROCK_METER_INVOCATION_LOG)"""
    metered_roles: frozenset[str] = frozenset()
    """ARN patterns of the roles whose calls another door meters: the gateway's, and those of functions with the layer.
    (BEDROCK_METER_METERED_ROLES)"""
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
    principals: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """The use cases that principals may name by patterns of their ARNs, the default first: with IAM, and for calls that
    the log door counts. (BEDROCK_METER_PRINCIPALS)"""
    calls_table: str | None = None
    """The DynamoDB table in which the log door notes each call once; None notes the latest ones in memory.
    (BEDROCK_METER_CALLS_TABLE)"""
    dead_letter_queue: str | None = None
    """The URL of the SQS queue for log entries that cannot be counted. (BEDROCK_METER_DEAD_LETTER_QUEUE)"""
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
        use_case = read.named(given, USE_CASE, NAME)
        listed = read.names(given, USE_CASES)
        for name in listed:
            read.check_use_case(name, setting=USE_CASES)
        if PRICES in given and PRICES_URL in given:
            raise ConfigError(PRICES_URL, f"it cannot be set together with {PRICES}: they name different price books")
        return cls(
            auth=read.auth(given, AUTH),
            registry=given.get(REGISTRY),
            principals=read.principals(given, PRINCIPALS),
            propagate_metadata=read.switch(given, PROPAGATE_METADATA),
            attribution_role=read.named(given, ATTRIBUTION_ROLE, _ROLE_ARN),
            namespace=read.named(given, NAMESPACE, _NAMESPACE_NAME) or default.namespace,
            service=read.named(given, SERVICE, _SERVICE_NAME) or default.service,
            version=read.named(given, VERSION, _VERSION),
            use_case=use_case,
            use_cases=listed | ({use_case} if use_case else frozenset()),
            use_case_header=read.switch(given, USE_CASE_HEADER),
            models=read.names(given, MODELS) or None,
            prices=given.get(PRICES),
            prices_url=read.s3_object(given[PRICES_URL], setting=PRICES_URL) if PRICES_URL in given else None,
            prices_check_seconds=read.number(given, PRICES_CHECK_SECONDS, default.prices_check_seconds, least=1),
            invocation_log=given.get(INVOCATION_LOG),
            metered_roles=read.arn_patterns(given, METERED_ROLES),
            upstream_url=read.url(given, UPSTREAM_URL),
            max_body_bytes=int(read.number(given, MAX_BODY_BYTES, default.max_body_bytes, least=1)),
            read_timeout_seconds=read.number(given, READ_TIMEOUT_SECONDS, default.read_timeout_seconds, least=0.1),
            drain_seconds=read.number(given, DRAIN_SECONDS, default.drain_seconds, least=0),
            drain_bytes=int(read.number(given, DRAIN_BYTES, default.drain_bytes, least=0)),
            estimate_sample=read.number(given, ESTIMATE_SAMPLE, default.estimate_sample, least=0, most=1),
            count_tokens_bytes=int(read.number(given, COUNT_TOKENS_BYTES, 0, least=1)) or None,
            count_tokens_seconds=read.number(given, COUNT_TOKENS_SECONDS, default.count_tokens_seconds, least=0.05),
            table=read.named(given, TABLE, _TABLE_NAME),
            aws_endpoint_url_dynamodb=read.url(given, TABLE_URL),
            fail_mode=read.choice(given, FAIL_MODE, default.fail_mode, "closed"),
            unpriced=read.choice(given, UNPRICED, default.unpriced, "allow"),
            hold=read.choice(given, HOLD, default.hold, "estimate"),
            time_zone=read.zone_name(given, TIME_ZONE, default.time_zone),
            default_max_output_tokens=int(
                read.number(given, DEFAULT_MAX_OUTPUT_TOKENS, default.default_max_output_tokens, least=1)
            ),
            event_bus=read.named(given, EVENT_BUS, _BUS_NAME),
            aws_endpoint_url_eventbridge=read.url(given, EVENTS_URL),
            calls_table=read.named(given, CALLS_TABLE, _TABLE_NAME),
            dead_letter_queue=read.url(given, DEAD_LETTER_QUEUE),
            region=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION"),
            aws_endpoint_url_sts=read.url(given, STS_URL),
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
