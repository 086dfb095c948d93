"""The event stream of ConverseStream and InvokeModelWithResponseStream, watched from below.

botocore's `EventStream` pulls bytes from the urllib3 response under it by ``stream()`` and closes it by ``close()``.
Both names are set on that one response object, so that every chunk is shown to the session before the caller's iterator
gets it. The `EventStream` that the caller holds stays the one that botocore made.

The books are closed at the end of the stream, after an error, by ``close()``, or when the caller drops the stream. In
the last two cases the rest is read first: callers like to stop at ``messageStop``, and the counts come one event later.
"""

import copy
import inspect
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from bedrock_meter.adapters.answer import Answer, set_timeout


def watch(stream: Any, raw: Any, answer: Answer) -> None:
    """Watch a stream.

    Args:
        stream: The `EventStream` that the caller gets.
        raw: The response under it, not yet read.
        answer: Where its bytes are shown.
    """
    watched = _Watched(raw, answer)
    _make_collectable(stream)
    raw.stream, raw.close = watched.stream, watched.close
    weakref.finalize(stream, watched.close)


class _Watched:
    """What stands in for ``stream()`` and ``close()`` of one response."""

    def __init__(self, raw: Any, answer: Answer) -> None:
        self._raw = raw
        self._raw_stream, self._raw_close = raw.stream, raw.close
        self._answer = answer
        # Kept here and not in the generator below, whose end would close it and with it the connection.
        self._chunks: Iterator[bytes] | None = None
        self._pulling = threading.Lock()
        self._gone = False

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        """Give the bytes of the response as they arrive."""
        while not self._gone:
            try:
                chunk = self._pull(*args, **kwargs)
            except BaseException as error:
                self._answer.broke(error)
                self._restore()
                raise
            if chunk is None:
                # Another thread may have closed the stream meanwhile, and be reading the rest.
                if not self._gone:
                    self._answer.ended()
                    self._restore()
                return
            self._answer.see(chunk)
            yield chunk

    def close(self) -> None:
        """Read the rest, and close the response."""
        self._gone = True
        self._answer.leave(self._pull, partial(set_timeout, self._raw), self._finish)

    def _pull(self, *args: Any, **kwargs: Any) -> bytes | None:
        with self._pulling:
            if self._chunks is None:
                self._chunks = iter(self._raw_stream(*args, **kwargs))
            return next(self._chunks, None)

    def _finish(self) -> None:
        self._restore()
        self._raw_close()

    def _restore(self) -> None:
        """Give the response its own methods back; otherwise the two would hold each other in memory."""
        vars(self._raw).pop("stream", None)
        vars(self._raw).pop("close", None)


def _make_collectable(stream: Any) -> None:
    """Let a dropped stream be collected at once, so that its record does not wait for the garbage collector.

    An `EventStream` and its own generator hold each other, so Python frees one that was not read to the end some time
    later; in a Lambda function that can be never. A twin without that generator takes the stream's place inside it: the
    code that runs is botocore's own. Should botocore name these things otherwise one day, records come late, not wrong.
    """
    with suppress(AttributeError):
        if inspect.getgeneratorstate(stream._event_generator) != inspect.GEN_CREATED:  # noqa: SLF001
            return
        twin = copy.copy(stream)
        del twin._event_generator  # noqa: SLF001
        stream._event_generator = twin._create_raw_event_generator()  # noqa: SLF001
