"""The core types: their invariants."""

import dataclasses
from datetime import datetime
from typing import cast

import pytest
from tests.builders import a_call, a_model, a_record, a_usage, an_outcome

import bedrock_meter
from bedrock_meter.domain import MAX_COUNT, Call, Outcome, Record, Usage

BUCKETS = ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h"]


@pytest.mark.parametrize(
    "value", [a_call(), a_model(), a_usage(), an_outcome(), a_record()], ids=lambda v: type(v).__name__
)
def test_values_are_frozen_and_slotted(value: Call | Usage | Outcome | Record) -> None:
    """A value cannot be changed, nor given a field that it has not."""
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)
    assert not hasattr(value, "__dict__")
    assert all(member.kw_only for member in dataclasses.fields(value))


@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize("count", [-1, MAX_COUNT + 1])
def test_a_bucket_holds_no_impossible_count(bucket: str, count: int) -> None:
    """A negative or absurd count is refused by name."""
    with pytest.raises(ValueError, match=rf"Usage\.{bucket} "):
        a_usage(**{bucket: count})


@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize("count", [None, 0, MAX_COUNT])
def test_a_bucket_holds_every_possible_count(bucket: str, count: int | None) -> None:
    """Unknown, none and the largest are all counts."""
    assert getattr(a_usage(**{bucket: count}), bucket) == count


@pytest.mark.parametrize(
    ("five_minutes", "one_hour", "total"), [(None, None, None), (0, None, 0), (None, 3, 3), (4, 3, 7)]
)
def test_cache_write(five_minutes: int | None, one_hour: int | None, total: int | None) -> None:
    """The sum of both lifetimes; unknown only when both are."""
    assert a_usage(cache_write_5m=five_minutes, cache_write_1h=one_hour).cache_write == total


def test_a_naive_time_is_refused() -> None:
    """A time without a zone has no day."""
    with pytest.raises(ValueError, match="aware"):
        a_call(received_at=datetime(2026, 11, 23))  # noqa: DTZ001 - the point of the test


def test_the_use_case_is_a_tag() -> None:
    """Before the caller is known there is none."""
    assert a_call().use_case == "chatbot"
    assert a_call(tags={}).use_case is None


def test_defaults_are_shared_and_cannot_be_changed() -> None:
    """A call without tags does not lend its tags to the next one."""
    usage = Usage(source=bedrock_meter.UsageSource.HEADER)
    with pytest.raises(TypeError):
        cast("dict[str, int]", usage.other)["images"] = 1
