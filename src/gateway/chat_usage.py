"""Counts for streamed chat completions whose caller did not ask for them.

A streamed chat completion tells its usage only when the request says ``stream_options.include_usage``
(https://platform.openai.com/docs/api-reference/chat/create). Where the caller left that out the gateway puts it in, and
takes the extra chunk out of the answer again. This is the one place where the gateway touches bytes that it relays, and
it touches nothing but that one event: every other byte passes as it came.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from bedrock_meter.domain import Call, Operation

MAX_HELD = 8 * 1024
"""The longest event that is held until its end has arrived, in bytes. A usage chunk has a few hundred; a longer event
is none and passes at once."""

_OPTIONS = "stream_options"
# An empty line ends an event. A line ends with CR LF, LF or CR; atomic, so that one CR LF is not taken for two ends.
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_HAS_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_DATA = b"data:"


def ask_for_usage(call: Call, body: bytes) -> bytes | None:
    """Put ``stream_options.include_usage`` into the request of a streamed chat completion that lacks it.

    Args:
        call: The call, described.
        body: Its body: a JSON object.

    Returns:
        The body to send; None when there is nothing to put in: another operation, no stream, a caller who asks for the
        usage anyway, or a body that cannot be changed without doubt.
    """
    if call.operation is not Operation.CHAT_COMPLETIONS or not call.streaming:
        return None
    document: dict[str, Any] = json.loads(body)
    options = document.get(_OPTIONS)
    if isinstance(options, Mapping) and options.get("include_usage") is True:
        return None
    if json.detect_encoding(body) != "utf-8" or not (options is None or isinstance(options, Mapping)):
        return None
    if _OPTIONS not in document:
        # Inserted, so that the rest of the body stays as it was written. It is not empty: it asks for a stream.
        start = body.index(b"{") + 1
        return body[:start] + b'"stream_options":{"include_usage":true},' + body[start:]
    document[_OPTIONS] = {**(options or {}), "include_usage": True}
    try:
        return json.dumps(document, allow_nan=False).encode()
    except ValueError:
        return None


class UsageHider:
    """Takes the usage chunk out of an event stream: the one event with a ``usage`` and without ``choices``.

    An event is held until it is whole or longer than `MAX_HELD`; nothing else is changed, not even line ends.
    """

    def __init__(self) -> None:
        self._held = b""
        self._passing = False  # within an event that is too long to be held

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; give those that the caller may have now."""
        data = self._held + chunk
        shown: list[bytes] = []
        start = 0
        # What is held has no end of an event in it, save for up to three bytes at its end that may become one.
        for found in _EVENT_END.finditer(data, max(0, len(self._held) - 3)):
            end = found.end()
            if end == len(data) and data.endswith(b"\r"):
                break  # the other half of a CR LF may come
            event = data[start:end]
            if self._passing or not _is_usage(event):
                shown.append(event)
            self._passing, start = False, end
        rest = data[start:]
        # While an event passes, what could be the first half of its end is held back all the same.
        kept = len(rest) - len(rest.rstrip(b"\r\n")) if self._passing or len(rest) > MAX_HELD else len(rest)
        self._passing |= kept < len(rest)
        shown.append(rest[: len(rest) - kept])
        self._held = rest[len(rest) - kept :]
        return b"".join(shown)

    def rest(self) -> bytes:
        """Give what is held when the stream has ended: an event that nothing ended, so the caller gets it as it is."""
        held, self._held = self._held, b""
        return b"" if not self._passing and _is_usage(held) else held


def _is_usage(event: bytes) -> bool:
    if not _HAS_USAGE.search(event):
        return False
    lines = (line for line in event.splitlines() if line.startswith(_DATA))
    try:
        document = json.loads(b"\n".join(line.removeprefix(_DATA) for line in lines))
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("choices") == [] and isinstance(document.get("usage"), dict)
