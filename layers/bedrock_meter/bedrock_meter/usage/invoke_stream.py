"""Reader of InvokeModelWithResponseStream: messages, in them ``{"bytes": base64}``, in that the model's JSON.

The last chunk holds ``amazon-bedrock-invocationMetrics``, merged into the model's last document or by itself
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html).
"""

import json
from binascii import a2b_base64

from bedrock_meter.eventstream import EventStreamDecoder, Message
from bedrock_meter.usage.chunks import ChunkTally
from bedrock_meter.usage.event_messages import EventReader
from bedrock_meter.usage.families import Row
from bedrock_meter.usage.reading import Reading

CHUNK_UNREADABLE = "stream_chunk_unreadable"

_OPENING = b'{"bytes":"'
_START = len(_OPENING)


class InvokeStreamReader(EventReader):
    """Reads the stream of any model."""

    def __init__(self, row: Row) -> None:
        super().__init__(EventStreamDecoder())
        self._tally = ChunkTally(row)

    @property
    def content_started(self) -> bool:
        """Whether the first piece of the model's answer has come."""
        return self._tally.content_started

    def on_event(self, message: Message) -> None:
        """Count one chunk."""
        if message.type != "chunk":
            self.unknown_event()
            return
        data = model_json(message.payload)
        if data is None:
            self.fault(CHUNK_UNREADABLE)
        else:
            self._tally.take(data)

    def reading(self) -> Reading:
        """Tell the counts so far."""
        return self._tally.result()


def model_json(payload: bytes) -> bytes | None:
    """Take the model's JSON out of the payload of a chunk; None when there is none.

    Bedrock puts ``bytes`` first, so that it is cut out without parsing the rest, which is padding of random length.
    """
    if payload.startswith(_OPENING):
        end = payload.find(b'"', _START)
        encoded = payload[_START:end]
        if end > 0 and b"\\" not in encoded:
            return _decoded(encoded)
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    stated = document.get("bytes") if isinstance(document, dict) else None
    return _decoded(stated) if isinstance(stated, str) else None


def _decoded(encoded: bytes | str) -> bytes | None:
    try:
        return a2b_base64(encoded)
    except ValueError:  # of which binascii.Error is one
        return None
