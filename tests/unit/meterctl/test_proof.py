"""The comparison that the demo rests on must be able to find every kind of difference."""

from dataclasses import replace
from typing import Any

import pytest
from tests.served import SERVED

from meterctl.demo.proof import BUCKETS, differences
from meterctl.simulate import Served

LINE: dict[str, Any] = {
    "request_id": "ours",
    "bedrock_request_id": "r1",
    "model_id": "amazon.nova-lite-v1:0",
    "http_status": 200,
    "input_tokens": 10,
    "output_tokens": 20,
    "cache_read_tokens": 1,
    "cache_write_5m_tokens": 2,
    "cache_write_1h_tokens": 3,
}


def test_equal_books_have_no_difference() -> None:
    """A line that says what was served is no difference; a bucket that is absent stands for none served."""
    assert differences([LINE], [SERVED]) == []
    without_cache = {name: value for name, value in LINE.items() if not name.startswith("cache")}
    served = replace(SERVED, cache_read_tokens=0, cache_write_5m_tokens=0, cache_write_1h_tokens=0)
    assert differences([without_cache], [served]) == []


@pytest.mark.parametrize("bucket", BUCKETS)
def test_one_token_is_a_difference(bucket: str) -> None:
    """One token more or less in any bucket is found."""
    assert len(differences([LINE | {bucket: LINE[bucket] + 1}], [SERVED])) == 1
    assert len(differences([LINE | {bucket: LINE[bucket] - 1}], [SERVED])) == 1


@pytest.mark.parametrize(
    ("lines", "ledger", "text"),
    [
        ([], [SERVED], "served and not recorded"),
        ([LINE], [], "recorded and not served"),
        ([LINE, LINE], [SERVED], "recorded twice"),
        ([LINE | {"http_status": 500}], [SERVED], "http_status"),
        ([LINE | {"model_id": "other"}], [SERVED], "model_id"),
        ([LINE, {"request_id": "x"}], [SERVED], "names no Bedrock request"),
    ],
)
def test_other_differences_are_found(lines: list[dict[str, Any]], ledger: list[Served], text: str) -> None:
    """A missing, foreign, doubled or wrong record is found and named."""
    (sentence,) = differences(lines, ledger)
    assert text in sentence
