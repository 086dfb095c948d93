"""The body of InvokeModel, watched: a `StreamingBody` like any other that reads the same bytes."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast

from bedrock_meter.adapters.answer import Answer, set_timeout

if TYPE_CHECKING:
    from botocore.response import StreamingBody

_CHUNK = 64 * 1024


def metered_body(raw: Any, length: str | None, answer: Answer) -> "StreamingBody":
    """Make the body of an answer.

    Args:
        raw: The raw stream under it.
        length: The content-length header.
        answer: Where its bytes are shown.
    """
    from botocore.response import StreamingBody  # noqa: PLC0415 - as in client.py

    # The stubs know less than the class: botocore itself hands it the header as it is, or None.
    return StreamingBody(cast("IO[bytes]", _Watched(raw, answer)), cast("int", length))


class _Watched:
    """The raw stream under a body. Whatever is asked of it besides reading and closing is the raw stream's own.

    A body that is dropped, unread or half read, is read to its end and recorded when it is collected.
    """

    def __init__(self, raw: Any, answer: Answer) -> None:
        self._raw = raw
        self._answer = answer
        self._leave = weakref.finalize(self, _leave, raw, answer)

    def read(self, amt: int | None = None) -> bytes:
        """Read as the raw stream does."""
        chunk: bytes = self._watch(lambda: self._raw.read(amt))
        self._see(chunk, at_end=amt is None or (not chunk and amt != 0))
        return chunk

    def readinto(self, buffer: Any) -> int:
        """Read as the raw stream does."""
        count: int = self._watch(lambda: self._raw.readinto(buffer))
        self._see(bytes(memoryview(buffer)[:count]), at_end=count == 0 and len(buffer) > 0)
        return count

    def readlines(self) -> list[bytes]:
        """Read as the raw stream does."""
        lines: list[bytes] = self._watch(self._raw.readlines)
        self._see(b"".join(lines), at_end=True)
        return lines

    def close(self) -> None:
        """Read to the end, and close the raw stream."""
        if self._leave.detach():
            _leave(self._raw, self._answer)
        else:
            self._raw.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def _watch[T](self, read: Callable[[], T]) -> T:
        try:
            return read()
        except BaseException as error:
            self._answer.broke(error)
            raise

    def _see(self, chunk: bytes, *, at_end: bool) -> None:
        self._answer.see(chunk)
        if at_end or self._answer.whole():
            self._answer.ended()


def _leave(raw: Any, answer: Answer) -> None:
    answer.leave(lambda: raw.read(_CHUNK) or None, partial(set_timeout, raw), raw.close)
