"""Rows of paths: how they are compiled, and what they find in an answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY

from bedrock_meter.domain import MAX_COUNT
from bedrock_meter.usage.counts import Counts
from bedrock_meter.usage.families import CONVERSE, OPERATION_ROWS, ROWS, TITAN_TEXT
from bedrock_meter.usage.shape import Body, Shape, path, paths, read

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "usage",
                    "results",
                    "inputTokens",
                    "tokenCount",
                    "cacheDetails",
                    "cache_creation",
                    "ttl",
                    "stop_reason",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("text", ["", ".", "a..b", ".a", "a[", "a[b]", "a[b=]", "a[=c]", "a[]b", "[]"])
def test_a_wrong_path_does_not_compile(text: str) -> None:
    """A row that is mistyped fails at import, not in a call."""
    with pytest.raises(ValueError, match="not a path"):
        path(text)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a", (("a", None, "key"),)),
        ("a.b_c", (("a", None, "key"), ("b_c", None, "key"))),
        ("a[].b", (("a", None, "each"), ("b", None, "key"))),
        ("a[#]", (("a", None, "length"),)),
        ("a[t=1h].b", (("a", ("t", "1h"), "each"), ("b", None, "key"))),
    ],
)
def test_a_path_compiles_to_its_steps(text: str, steps: tuple[Any, ...]) -> None:
    """A step is a key, and for a list the condition on its entries."""
    assert path(text) == steps


@pytest.mark.parametrize(
    ("document", "count", "faulty"),
    [
        ({"a": {"b": 1}, "c": 2}, 1, False),
        ({"c": 2}, 2, False),
        ({"a": {"b": None}, "c": 2}, 2, False),
        ({"a": {"b": 0}, "c": 2}, 0, False),
        ({"a": [], "c": 2}, 2, False),
        ({"a": 5}, None, False),
        ({}, None, False),
        ({"a": {"b": "x"}, "c": 2}, None, True),
        ({"a": {"b": {}}, "c": 2}, None, True),
        ({"a": {"b": True}}, None, True),
    ],
)
def test_alternatives_are_never_added(document: dict[str, Any], count: int | None, faulty: bool) -> None:
    """The first path that has a value counts; a value that is no count is a fault and not passed over."""
    body = read(Shape(input=paths("a.b", "c")), document)
    assert body.counts == Counts(input=count)
    assert body.faults == (["body_input_not_a_count"] if faulty else [])


@pytest.mark.parametrize(
    ("document", "count"),
    [
        ({"d": [{"t": "1h", "n": 3}, {"t": "5m", "n": 4}, {"t": "1h", "n": 5}]}, 8),
        ({"d": [{"t": "5m", "n": 4}]}, None),
        ({"d": []}, None),
        ({"d": {"t": "1h", "n": 3}}, None),
        ({"d": ["1h", None, 7, {"n": 3}, {"t": "1h"}, {"t": "1h", "n": 2}]}, 2),
    ],
)
def test_entries_of_a_list_are_chosen_and_summed(document: dict[str, Any], count: int | None) -> None:
    """Only the entries that meet the condition count; entries of another kind are passed over."""
    assert read(Shape(input=paths("d[t=1h].n")), document) == Body(counts=Counts(input=count))


def test_a_sum_beyond_any_real_count_is_no_count() -> None:
    """Counts that are each believable are not, when their sum is not."""
    body = read(TITAN_TEXT, {"inputTextTokenCount": 5, "results": [{"tokenCount": MAX_COUNT}, {"tokenCount": 1}]})
    assert body.counts == Counts(input=5)
    assert body.faults == ["body_output_not_a_count"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("end_turn", "end_turn"),
        ("FINISH", "FINISH"),
        ("a sentence", None),
        ("x" * 65, None),
        ("", None),
        (None, None),
        (7, None),
        (["stop"], None),
    ],
)
def test_a_stop_reason_is_one_word(value: object, expected: str | None) -> None:
    """What is no word of an API might be content and is left out."""
    assert read(Shape(stop_reason=paths("stop")), {"stop": value}).stop_reason == expected


@pytest.mark.parametrize(("value", "latency", "faults"), [(551, 551, []), ("soon", None, ["body_latency_not_a_count"])])
def test_latency(value: object, latency: int | None, faults: list[str]) -> None:
    """Bedrock's latency is whole milliseconds, or a fault."""
    body = read(CONVERSE, {"metrics": {"latencyMs": value}})
    assert (body.latency_ms, body.faults) == (latency, faults)


@given(document=st.dictionaries(st.text(max_size=5) | st.just("usage"), json_values))
@PROPERTY
def test_no_document_makes_a_row_raise(document: dict[str, Any]) -> None:
    """Every row reads every JSON object, and what it takes for a count is one."""
    rows = (*ROWS.values(), *OPERATION_ROWS.values())
    for shape in {shape for row in rows for shape in (*row.bodies, *row.chunks)}:
        counts = read(shape, document).counts
        for name in ("input", "output", "cache_read", "cache_write", "cache_write_1h"):
            value = getattr(counts, name)
            assert value is None or 0 <= value <= MAX_COUNT
