"""Bedrock's request metadata: the labels that its invocation log keeps of a call. Read here, and added to.

Converse has them in its body, InvokeModel in a header
(https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html). Both are JSON objects, and what is
added is spliced into the caller's own text: no byte of it changes and none is written anew.
"""

import json
import re
from collections.abc import Iterator, Mapping
from json import JSONDecoder
from typing import Any

from bedrock_meter.domain import Operation

HEADER = "x-amzn-bedrock-request-metadata"
MEMBER = "requestMetadata"
USE_CASE = "use_case"

MAX_PAIRS = 16
"""https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"""
MAX_HEADER = 8500
_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{1,256}")

_IN_BODY = frozenset({Operation.CONVERSE, Operation.CONVERSE_STREAM})
_IN_HEADER = frozenset({Operation.INVOKE_MODEL, Operation.INVOKE_MODEL_STREAM})

_SPACE = re.compile(r"[ \t\r\n]*")
_decode = JSONDecoder().raw_decode


def stated(operation: Operation, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """Read the metadata of a call; what is none, or cannot be read, is empty, and Bedrock says what it thinks of it."""
    text: str | bytes
    if operation in _IN_HEADER and HEADER in headers:
        text = headers[HEADER]
    elif operation in _IN_BODY and MEMBER.encode() in body:
        text = body
    else:
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    metadata = document.get(MEMBER) if text is body and isinstance(document, dict) else document
    return metadata if isinstance(metadata, dict) else {}


def labelled(
    operation: Operation, headers: Mapping[str, str], body: bytes, labels: Mapping[str, str]
) -> tuple[Mapping[str, str], bytes]:
    """Add labels to the metadata of a call, as far as Bedrock's limits leave room for them.

    Args:
        operation: What is called; where it has no metadata nothing changes.
        headers: The request headers with lower-case names.
        body: The body.
        labels: What to add, the most important first. The caller's own pairs stay.

    Returns:
        Headers and body to send.
    """
    try:
        if operation in _IN_BODY:
            return headers, _into_body(body.decode(), labels).encode()
        if operation in _IN_HEADER:
            text = _into_object(headers.get(HEADER, "{}"), labels)
            return ({**headers, HEADER: text} if len(text) <= MAX_HEADER else headers), body
    except (ValueError, RecursionError):
        pass  # it is no such JSON; Bedrock will say so
    return headers, body


def _into_body(text: str, labels: Mapping[str, str]) -> str:
    found = None
    empty = True
    for name, start, end in _members(text):
        empty = False
        if name == MEMBER:
            found = start, end  # of several the last counts, as for every reader of JSON
    if found is None:
        added = _into_object("{}", labels)
        return text if added == "{}" else _after_brace(text, f'"{MEMBER}":{added}', empty=empty)
    start, end = found
    if text[start] != "{":
        return text
    return text[:start] + _into_object(text[start:end], labels) + text[end:]


def _into_object(text: str, labels: Mapping[str, str]) -> str:
    names = [name for name, _, _ in _members(text)]
    room = max(0, MAX_PAIRS - len(set(names)))
    new = [(name, value) for name, value in labels.items() if name not in names and _VALUE.fullmatch(value)][:room]
    if not new:
        return text
    return _after_brace(text, ",".join(f'"{name}":{json.dumps(value)}' for name, value in new), empty=not names)


def _after_brace(text: str, members: str, *, empty: bool) -> str:
    brace = text.index("{") + 1
    return f"{text[:brace]}{members}{'' if empty else ','}{text[brace:]}"


def _members(text: str) -> Iterator[tuple[str, int, int]]:
    """Give the members of a JSON object: name, and where the value begins and ends.

    Raises:
        ValueError: It is no JSON object.
    """
    at = _past(text, _past_space(text, 0), "{")
    if text[at : at + 1] == "}":
        at = _past(text, at, "}")
    else:
        while True:
            if text[at : at + 1] != '"':
                raise ValueError("a member has no name")
            name, at = _decode(text, at)
            start = _past(text, _past_space(text, at), ":")
            _, end = _decode(text, start)
            yield name, start, end
            at = _past_space(text, end)
            if text[at : at + 1] == "}":
                at = _past(text, at, "}")
                break
            at = _past(text, at, ",")
    if at != len(text):
        raise ValueError("something follows the object")


def _past(text: str, at: int, mark: str) -> int:
    if text[at : at + 1] != mark:
        raise ValueError(f"there is no {mark}")
    return _past_space(text, at + 1)


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
