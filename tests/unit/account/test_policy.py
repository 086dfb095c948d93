from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY

from account.policy import DELIVERIES, Conflict, LoggingConfig, Mode, Wanted, described, plan, plan_removal, same

ROLE = "arn:aws:iam::123456789012:role/meter-LogRole"
OURS, THEIRS = "meter-InvocationLog", "team/bedrock"
TO_OURS = {"logGroupName": OURS, "roleArn": ROLE}
TO_S3 = {"bucketName": "audit", "keyPrefix": "bedrock"}
METADATA = dict.fromkeys(DELIVERIES, False)
FULL = dict.fromkeys(DELIVERIES, True)
OURS_ALONE = {"cloudWatchConfig": TO_OURS, **METADATA}
FOREIGN = {"cloudWatchConfig": {"logGroupName": THEIRS, "roleArn": "arn:aws:iam::1:role/x"}, **FULL}
FOREIGN_S3 = {"s3Config": TO_S3, **FULL}


def wanted(mode: Mode = Mode.METADATA, **changes: Any) -> Wanted:
    """Give what a stack wants."""
    return Wanted(**({"mode": mode, "log_group": OURS, "role_arn": ROLE} | changes))


@pytest.mark.parametrize(("mode", "deliveries"), [(Mode.METADATA, METADATA), (Mode.FULL, FULL)])
def test_an_account_without_logging_gets_ours(mode: Mode, deliveries: Mapping[str, bool]) -> None:
    """Metadata switches all five deliveries off, full switches them all on; both are stated, for the default is on."""
    todo = plan(None, wanted(mode))
    assert todo.put == {"cloudWatchConfig": TO_OURS, **deliveries}
    assert (todo.delete, todo.log_group) == (False, OURS)


def test_large_bodies_go_to_a_bucket_in_full_mode_alone() -> None:
    """Without bodies there is nothing that could be too large."""
    full = plan(None, wanted(Mode.FULL, large_data_bucket="bodies")).put
    assert full is not None
    assert full["cloudWatchConfig"]["largeDataDeliveryS3Config"] == {"bucketName": "bodies"}
    metadata = plan(None, wanted(large_data_bucket="bodies")).put
    assert metadata is not None
    assert metadata["cloudWatchConfig"] == TO_OURS


def test_what_is_as_it_should_be_is_left_alone() -> None:
    """The same request twice writes once."""
    todo = plan(OURS_ALONE, wanted())
    assert (todo.put, todo.delete, todo.log_group) == (None, False, OURS)


def test_our_own_configuration_can_be_changed() -> None:
    """From metadata to full, and to another log group of ours after an update of the stack."""
    assert plan(OURS_ALONE, wanted(Mode.FULL)).put == {"cloudWatchConfig": TO_OURS, **FULL}
    moved = plan(OURS_ALONE, wanted(log_group="new", former_groups=frozenset({OURS}))).put
    assert moved is not None
    assert moved["cloudWatchConfig"]["logGroupName"] == "new"


@pytest.mark.parametrize("mode", [Mode.METADATA, Mode.FULL])
@pytest.mark.parametrize("adopt", [False, True])
def test_somebody_elses_log_group_is_never_replaced(mode: Mode, *, adopt: bool) -> None:
    """Not even to adopt it: there is one log group, and it is theirs. The message names it and the way to read it."""
    with pytest.raises(Conflict) as told:
        plan(FOREIGN, wanted(mode, adopt=adopt))
    assert THEIRS in str(told.value)
    assert "InvocationLogging=keep" in str(told.value)


def test_a_delivery_to_s3_is_somebody_elses_too() -> None:
    """The message names the bucket, and says how to add a log group beside it."""
    with pytest.raises(Conflict) as told:
        plan(FOREIGN_S3, wanted())
    assert "s3://audit/bedrock" in str(told.value)
    assert "adopt" in str(told.value)


def test_adopting_adds_and_changes_nothing() -> None:
    """Our log group comes beside their bucket; which bodies are delivered stays their choice, now and on updates."""
    todo = plan(FOREIGN_S3, wanted(adopt=True))
    assert todo.put == {**FOREIGN_S3, "cloudWatchConfig": TO_OURS}
    assert plan(todo.put, wanted(Mode.METADATA)).put is None


def test_keeping_reads_what_is_there() -> None:
    """Whoever set it: nothing is written, and the log group is told."""
    for current, group in ((FOREIGN, THEIRS), (OURS_ALONE, OURS)):
        todo = plan(current, wanted(Mode.KEEP, log_group="", role_arn=""))
        assert (todo.put, todo.delete, todo.log_group) == (None, False, group)


@pytest.mark.parametrize("current", [None, {}, FOREIGN_S3])
def test_there_has_to_be_something_to_keep(current: LoggingConfig | None) -> None:
    """Without a log group there is nothing to subscribe to."""
    with pytest.raises(Conflict, match="no log group has it"):
        plan(current, wanted(Mode.KEEP))


def test_a_stack_does_not_keep_its_own() -> None:
    """From metadata to keep the stack's role would go, and Bedrock could no longer write: the update is refused."""
    with pytest.raises(Conflict, match="this stack's own"):
        plan(OURS_ALONE, wanted(Mode.KEEP, log_group="", role_arn="", former_groups=frozenset({OURS})))


def test_removal_takes_ours_and_nothing_else() -> None:
    """Ours alone is deleted; ours beside theirs is taken out of it; theirs, and nothing, are left."""
    ours = frozenset({OURS})
    assert plan_removal(OURS_ALONE, ours).delete
    assert plan_removal({**FOREIGN_S3, "cloudWatchConfig": TO_OURS}, ours).put == FOREIGN_S3
    for current in (None, FOREIGN, FOREIGN_S3):
        left = plan_removal(current, ours)
        assert (left.put, left.delete) == (None, False)
    assert THEIRS in plan_removal(FOREIGN, ours).says


def test_a_configuration_is_said_in_words() -> None:
    """Where it delivers to and which bodies; a delivery that is not mentioned is on."""
    assert described(None) == "invocation logging is off"
    assert described(OURS_ALONE) == f"it delivers to the log group {OURS}, with no bodies"
    said = described({"s3Config": TO_S3, "imageDataDeliveryEnabled": False})
    assert said == "it delivers to s3://audit/bedrock, with text, embedding, video, audio bodies"


def test_two_ways_to_write_a_configuration_are_the_same() -> None:
    """Bedrock's answer may have empty members and leave defaults out."""
    assert same(
        {"cloudWatchConfig": {**TO_OURS, "largeDataDeliveryS3Config": {}}, **FULL}, {"cloudWatchConfig": TO_OURS}
    )
    assert same(None, {})
    assert not same(OURS_ALONE, {"cloudWatchConfig": TO_OURS})


configs = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "cloudWatchConfig": st.fixed_dictionaries(
            {"logGroupName": st.sampled_from([OURS, THEIRS]), "roleArn": st.just(ROLE)}
        ),
        "s3Config": st.just(TO_S3),
        **{name: st.booleans() for name in DELIVERIES},
    },
).filter(lambda config: bool({"cloudWatchConfig", "s3Config"} & config.keys()))


@PROPERTY
@given(current=configs, mode=st.sampled_from(Mode), adopt=st.booleans())
def test_coming_and_going_leaves_what_others_set(current: LoggingConfig | None, mode: Mode, *, adopt: bool) -> None:
    """After any plan and its removal, whatever was not ours is there as before."""
    try:
        todo = plan(current, wanted(mode, adopt=adopt))
    except Conflict:
        return
    after = current if todo.put is None else todo.put
    removal = plan_removal(after, frozenset({OURS}))
    left: LoggingConfig | None = None if removal.delete else after if removal.put is None else removal.put
    if current is None or "cloudWatchConfig" not in current:
        assert same(left, current)
    elif current["cloudWatchConfig"]["logGroupName"] == THEIRS:
        assert left == current
    else:
        assert (left or {}).get("s3Config") == current.get("s3Config")
