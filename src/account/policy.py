"""What to do about the invocation logging of an account and Region: ``plan(current, wanted) -> Plan``. Pure.

Bedrock has one configuration for each account and Region, a write replaces all of it, and it bears no mark of who wrote
it. It is ours when it delivers to our log group. What somebody else set is never changed: `Conflict` says what is there
and what can be done.

See https://docs.aws.amazon.com/bedrock/latest/APIReference/API_LoggingConfig.html.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

type LoggingConfig = Mapping[str, Any]
"""``loggingConfig`` as Bedrock's API has it."""

DELIVERIES = (
    "textDataDeliveryEnabled",
    "imageDataDeliveryEnabled",
    "embeddingDataDeliveryEnabled",
    "videoDataDeliveryEnabled",
    "audioDataDeliveryEnabled",
)
"""Which bodies Bedrock puts into the log. With all of them off it still writes who called what, and the counts."""

CLOUDWATCH, S3 = "cloudWatchConfig", "s3Config"
GROUP, ROLE, LARGE_DATA, BUCKET, PREFIX = (
    "logGroupName",
    "roleArn",
    "largeDataDeliveryS3Config",
    "bucketName",
    "keyPrefix",
)


class Mode(StrEnum):
    """What is asked for."""

    METADATA = "metadata"
    """Log every call with its counts, without prompts and answers."""
    FULL = "full"
    """Log every call with prompts and answers."""
    KEEP = "keep"
    """Change nothing, and read the log group that is configured already."""


class Conflict(Exception):  # noqa: N818 - named for what it is, a state and not a fault
    """Somebody else's configuration stands in the way. The message says what is there and how to go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the stack, or a person, wants."""

    mode: Mode
    """What is to be logged."""
    log_group: str = ""
    """Our log group; empty for `Mode.KEEP` alone."""
    role_arn: str = ""
    """The role with which Bedrock writes to it; the same."""
    adopt: bool = False
    """Whether our log group may be added to a configuration that delivers to S3 alone."""
    large_data_bucket: str | None = None
    """A bucket for bodies of more than 100 KB, for `Mode.FULL`; without it they are cut."""
    former_groups: frozenset[str] = field(default=frozenset())
    """Log groups that were ours before."""

    @property
    def ours(self) -> frozenset[str]:
        """The log groups by which a configuration is known as ours."""
        return self.former_groups | ({self.log_group} if self.log_group else frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do."""

    says: str
    """In a sentence, for a person."""
    put: LoggingConfig | None = None
    """The configuration to write; None to write none."""
    delete: bool = False
    """Whether to delete the configuration."""
    log_group: str = ""
    """The log group that has the invocation log afterwards; empty for none."""


def plan(current: LoggingConfig | None, wanted: Wanted) -> Plan:
    """Plan how to get the log that is wanted.

    Args:
        current: What Bedrock has; None for nothing.
        wanted: What is wanted.

    Raises:
        Conflict: That would change what somebody else set.
    """
    there = group_of(current)
    if wanted.mode is Mode.KEEP:
        return _kept(current, there, wanted)
    if not current:
        put = {CLOUDWATCH: _cloudwatch(wanted), **_deliveries(wanted.mode)}
        return Plan(says=f"Log to {wanted.log_group} ({wanted.mode}).", put=put, log_group=wanted.log_group)
    if there in wanted.ours:
        return _renewed(current, wanted)
    if there is None and wanted.adopt:
        return Plan(
            says=f"Log to {wanted.log_group} as well; {described(current)}, and that stays with its data deliveries.",
            put={**current, CLOUDWATCH: _cloudwatch(wanted)},
            log_group=wanted.log_group,
        )
    raise Conflict(_conflict(current, there))


def plan_removal(current: LoggingConfig | None, ours: frozenset[str]) -> Plan:
    """Plan how to take back what is ours, and nothing else.

    Args:
        current: What Bedrock has; None for nothing.
        ours: Our log groups.
    """
    there = group_of(current)
    if not current:
        return Plan(says="Nothing to remove: invocation logging is off.")
    if there not in ours:
        return Plan(says=f"Nothing to remove: {described(current)}, which somebody else set.", log_group=there or "")
    rest = {name: value for name, value in current.items() if name != CLOUDWATCH}
    if S3 in rest:
        return Plan(says=f"Stop to log to {there}; the delivery to S3 stays.", put=rest)
    return Plan(says=f"Switch invocation logging to {there} off.", delete=True)


def group_of(current: LoggingConfig | None) -> str | None:
    """Give the log group of a configuration; None where it has none."""
    group = ((current or {}).get(CLOUDWATCH) or {}).get(GROUP)
    return group if isinstance(group, str) and group else None


def described(current: LoggingConfig | None) -> str:
    """Say in words what a configuration does."""
    if not current:
        return "invocation logging is off"
    places = []
    if (group := group_of(current)) is not None:
        places.append(f"the log group {group}")
    if bucket := (current.get(S3) or {}).get(BUCKET):
        prefix = (current.get(S3) or {}).get(PREFIX)
        places.append(f"s3://{bucket}/{prefix or ''}")
    # A delivery that the answer leaves out is on: that is Bedrock's default.
    kinds = [name.removesuffix("DataDeliveryEnabled") for name in DELIVERIES if current.get(name, True)]
    return f"it delivers to {' and '.join(places) or 'nowhere'}, with {', '.join(kinds) or 'no'} bodies"


def same(first: LoggingConfig | None, second: LoggingConfig | None) -> bool:
    """Tell whether two configurations do the same."""
    return bool(_normal(first) == _normal(second))


def _kept(current: LoggingConfig | None, there: str | None, wanted: Wanted) -> Plan:
    if there is None:
        raise Conflict(
            f"Invocation logging is to be kept as it is, but {described(current)}, so no log group has it. "
            "Choose InvocationLogging=metadata, which logs every call without its content."
        )
    if there in wanted.former_groups:
        raise Conflict(
            f"The log group {there} is this stack's own, and with InvocationLogging=keep the role that Bedrock writes "
            "to it with would be deleted. Stay with metadata or full, or choose off to switch logging off."
        )
    return Plan(says=f"Nothing to change: {described(current)}.", log_group=there)


def _renewed(current: LoggingConfig, wanted: Wanted) -> Plan:
    """Bring our own part up to date; where it shares the configuration with S3, the deliveries are not ours to set."""
    put = {**current, CLOUDWATCH: _cloudwatch(wanted)}
    if S3 not in current:
        put |= _deliveries(wanted.mode)
    if same(put, current):
        return Plan(says=f"Nothing to change: {described(current)}.", log_group=wanted.log_group)
    return Plan(says=f"Log to {wanted.log_group} ({wanted.mode}).", put=put, log_group=wanted.log_group)


def _conflict(current: LoggingConfig, there: str | None) -> str:
    what = f"Invocation logging is set already in this account and Region: {described(current)}. It was left as it is."
    if there is not None:
        return (
            f"{what} To meter from that log, deploy with InvocationLogging=keep: it reads {there} and changes nothing. "
            "To have it replaced, delete it yourself first: aws bedrock delete-model-invocation-logging-configuration"
        )
    return (
        f"{what} To add a log group beside it, deploy with AdoptInvocationLogging=true, or run: "
        "meterctl account logging adopt"
    )


def _cloudwatch(wanted: Wanted) -> dict[str, Any]:
    config: dict[str, Any] = {GROUP: wanted.log_group, ROLE: wanted.role_arn}
    if wanted.large_data_bucket and wanted.mode is Mode.FULL:
        config[LARGE_DATA] = {BUCKET: wanted.large_data_bucket}
    return config


def _deliveries(mode: Mode) -> dict[str, bool]:
    return dict.fromkeys(DELIVERIES, mode is Mode.FULL)


def _normal(value: Any) -> Any:
    """Write a configuration in one way: without empty members, with every delivery."""
    if not value:
        return None
    parts = {name: _without_empty(part) for name, part in value.items() if name not in DELIVERIES}
    return {**{name: part for name, part in parts.items() if part}, **{n: bool(value.get(n, True)) for n in DELIVERIES}}


def _without_empty(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: _without_empty(part) for name, part in value.items() if part}
