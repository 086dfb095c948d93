"""Labels spliced into request metadata: the caller's bytes stay, and Bedrock's limits hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_meter.domain import Operation
from gateway.metadata import HEADER, MAX_HEADER, MAX_PAIRS, labelled

LABELS = {"use_case": "chatbot", "bedrock_meter_id": "req-1"}
ADDED = '"use_case":"chatbot","bedrock_meter_id":"req-1"'

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
pairs = st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=10), max_size=20)


def body_after(body: str) -> str:
    """Give a Converse body with the labels in it."""
    headers = {"content-type": "application/json"}
    kept, sent = labelled(Operation.CONVERSE, headers, body.encode(), LABELS)
    assert kept is headers
    return sent.decode()


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("{}", f'{{"requestMetadata":{{{ADDED}}}}}'),
        (" { } ", f' {{"requestMetadata":{{{ADDED}}} }} '),
        ('{"a": 1.0}', f'{{"requestMetadata":{{{ADDED}}},"a": 1.0}}'),
        ('{"a":1, "requestMetadata" : { "t": "x" } }', f'{{"a":1, "requestMetadata" : {{{ADDED}, "t": "x" }} }}'),
        ('{"requestMetadata":{}}', f'{{"requestMetadata":{{{ADDED}}}}}'),
        (
            '{"requestMetadata":{"use_case":"chatbot"}}',
            '{"requestMetadata":{"bedrock_meter_id":"req-1","use_case":"chatbot"}}',
        ),
        ('{"a":{"requestMetadata":{}}}', f'{{"requestMetadata":{{{ADDED}}},"a":{{"requestMetadata":{{}}}}}}'),
        ('{"a":"}\\"{","b":[{}]}', f'{{"requestMetadata":{{{ADDED}}},"a":"}}\\"{{","b":[{{}}]}}'),
    ],
)
def test_labels_are_spliced_into_the_body(body: str, sent: str) -> None:
    """Only the labels are new; white space, order and numbers of the caller stay as they were written."""
    assert body_after(body) == sent


@given(st.dictionaries(st.text(), json_values, max_size=5), st.none() | pairs)
def test_the_callers_document_stays(document: dict[str, Any], metadata: dict[str, str] | None) -> None:
    """Whatever the body says, it says it still; the pairs are no more than Bedrock takes, unless they were before."""
    document.pop("requestMetadata", None)
    if metadata is not None:
        document["requestMetadata"] = metadata
    sent = json.loads(body_after(json.dumps(document)))
    labels = sent.pop("requestMetadata", {})
    document.pop("requestMetadata", None)
    assert sent == document
    assert labels.items() >= (metadata or {}).items()
    assert len(labels) <= max(MAX_PAIRS, len(metadata or {}))
    assert set(labels) - set(metadata or {}) <= LABELS.keys()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        "{",
        '{"a":1',
        '{"a" 1}',
        '{"a":1,}',
        "{1:2}",
        '{"a":1}x',
        '{"requestMetadata":[1]}',
        '{"requestMetadata":"text"}',
        '{"requestMetadata":null}',
        '{"a":' + "[" * 100_000,
        "\ufeff{}",
    ],
)
def test_what_cannot_be_labelled_goes_on_as_it_is(body: str) -> None:
    """A body that is no JSON object, or whose metadata is no object, is Bedrock's to refuse."""
    assert body_after(body) == body


def test_a_body_that_is_no_text_goes_on_as_it_is() -> None:
    """Bytes that are no UTF-8 are not touched."""
    assert labelled(Operation.CONVERSE, {}, b"\xff{}", LABELS)[1] == b"\xff{}"


def test_of_little_room_the_use_case_gets_it() -> None:
    """With fifteen pairs of the caller's only the first label is added, with sixteen none."""
    fifteen = {f"k{number}": "v" for number in range(15)}
    sent = json.loads(body_after(json.dumps({"requestMetadata": fifteen})))
    assert sent["requestMetadata"] == {**fifteen, "use_case": "chatbot"}
    full = json.dumps({"requestMetadata": {**fifteen, "k15": "v"}})
    assert body_after(full) == full


@pytest.mark.parametrize("value", ["", "x" * 257, "semi;colon", "ü", '"'])
def test_a_label_that_bedrock_would_refuse_is_left_out(value: str) -> None:
    """A request id of foreign form must not make a call fail."""
    _, sent = labelled(Operation.CONVERSE, {}, b"{}", {"bedrock_meter_id": value})
    assert sent == b"{}"


@pytest.mark.parametrize(
    ("given_header", "sent"),
    [
        (None, f"{{{ADDED}}}"),
        ('{"team": "x"}', f'{{{ADDED},"team": "x"}}'),
        ("no json", "no json"),
        ('{"t":"' + "x" * (MAX_HEADER - 30) + '"}', '{"t":"' + "x" * (MAX_HEADER - 30) + '"}'),
    ],
)
def test_labels_go_into_the_header_of_invoke_model(given_header: str | None, sent: str) -> None:
    """InvokeModel has its metadata in a header of bounded length; its body is never touched."""
    headers = {} if given_header is None else {HEADER: given_header}
    for operation in (Operation.INVOKE_MODEL, Operation.INVOKE_MODEL_STREAM):
        labels, body = labelled(operation, headers, b'{"x":1}', LABELS)
        assert labels[HEADER] == sent
        assert body == b'{"x":1}'


@pytest.mark.parametrize("operation", [Operation.MESSAGES, Operation.CHAT_COMPLETIONS, Operation.COUNT_TOKENS])
def test_other_operations_have_no_metadata(operation: Operation) -> None:
    """Nothing is added where Bedrock would not understand it."""
    headers = {"accept": "*/*"}
    assert labelled(operation, headers, b"{}", LABELS) == (headers, b"{}")
