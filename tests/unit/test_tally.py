import json

import pytest
from tests.builders import a_record, a_usage, an_emf

from bedrock_meter import tally


def test_a_record_and_its_line_have_the_same_tally() -> None:
    """The counts read back from a metric line are those of the record; the two kinds of cache writes are added."""
    record = a_record()
    line = json.loads(an_emf().line(record))
    assert tally.of_line(line) == tally.of_record(record)
    assert tally.of_record(record)["cache_write_tokens"] == 99


def test_an_unknown_count_is_in_no_tally() -> None:
    """What nobody counted is not there, rather than 0."""
    assert tally.of_record(a_record(usage=None)) == {}
    assert tally.of_record(a_record(usage=a_usage(output=None)))["input_tokens"] == 11
    assert "output_tokens" not in tally.of_record(a_record(usage=a_usage(output=None)))
    assert tally.of_line({"input_tokens": True, "output_tokens": "12"}) == {}


@pytest.mark.parametrize(
    ("metered", "logged", "differs"),
    [
        ({"input_tokens": 1}, {"input_tokens": 1}, False),
        ({"input_tokens": 1}, {"input_tokens": 1, "cache_read_tokens": 0}, False),
        ({"input_tokens": 1}, {"input_tokens": 2}, True),
        ({}, {"output_tokens": 5}, True),
        ({}, {}, False),
    ],
)
def test_tokens_that_only_one_witness_has_are_a_disagreement(
    metered: tally.Tally, logged: tally.Tally, *, differs: bool
) -> None:
    """A count of 0 and no count are the same; anything else that differs is told."""
    assert tally.differ(metered, logged) is differs
