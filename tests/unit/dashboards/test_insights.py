"""The strict reader of Logs Insights queries."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY

from meterctl.dashboards.insights import PROPERTIES, Query, QueryError, read

METRICS_DOC = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_the_properties_are_those_of_the_documentation() -> None:
    """A query may name what docs/metrics.md lists as a property of a line, and all of it."""
    table = METRICS_DOC.read_text(encoding="utf-8").partition("| property |")[2]
    listed = {
        name
        for row in table.splitlines()
        if row.startswith("|")
        for name in re.findall(r"`([a-z0-9_]+)`", row.split("|")[1])
    }
    assert listed == PROPERTIES


def test_groups_and_time_are_read() -> None:
    """What a query groups by is told apart from the time that it is cut into."""
    query = read("filter ispresent(key_id) | stats count(*) as calls by bin(5m), use_case, key_id")
    assert query.groups == ("use_case", "key_id")
    assert query.over_time


def test_a_table_has_no_time() -> None:
    """Without bin() there is no time in the answer."""
    query = read('filter status != "ok" | stats sum(EstimatedCostUSD) as usd by model_base | sort usd desc | limit 5')
    assert query.groups == ("model_base",)
    assert not query.over_time


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("filter ispresent(stop_reson)", "a line has no field stop_reson"),
        ("stats total(input_tokens) as t", "total is no function"),
        ("parse @message '*' as x", "'parse' is no command"),
        ("stats sum(input_tokens as t", "do not match"),
        ("filter status = 1 |", "a command is empty"),
        ("filter status ~ 1", "does not read"),
        ("stats count(*) as calls by use_case | sort cals desc", "a line has no field cals"),
        ("", "a command is empty"),
    ],
)
def test_what_is_not_known_is_an_error(text: str, problem: str) -> None:
    """A misspelt field, function or command is an error here, and not an empty panel there."""
    with pytest.raises(QueryError, match=re.escape(problem)):
        read(text)


@PROPERTY
@given(st.text(max_size=60))
def test_any_text_reads_or_is_refused(text: str) -> None:
    """No text makes the reader fail in another way than with its own error."""
    with suppress(QueryError):
        assert isinstance(read(text), Query)
