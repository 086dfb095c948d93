"""Reader of the SSE routes: Chat Completions, Responses and Messages.

Everything is told by the JSON in ``data``; the ``event`` line is not looked at, because one endpoint sends it after the
data.
"""

from dataclasses import replace

from bedrock_meter.sse import SseDecoder
from bedrock_meter.usage.chunks import ChunkTally
from bedrock_meter.usage.families import Row
from bedrock_meter.usage.reading import Reading

_DONE = b"[DONE]"
"""How the OpenAI routes end; it is no JSON."""


class SseReader:
    """Reads the stream of one of the three routes."""

    def __init__(self, row: Row) -> None:
        self._decoder = SseDecoder()
        self._tally = ChunkTally(row)

    @property
    def content_started(self) -> bool:
        """Whether the first piece of the model's answer has come."""
        return self._tally.content_started

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        for data in self._decoder.feed(chunk):
            if data != _DONE:
                self._tally.take(data)

    def result(self) -> Reading:
        """Tell what was read so far."""
        found = self._tally.result()
        faults = (*self._decoder.faults, *found.faults)
        return replace(found, complete=found.complete and not faults, cut=self._decoder.pending > 0, faults=faults)
