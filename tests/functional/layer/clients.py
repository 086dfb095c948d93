"""What the tests of the layer door share: the client an application makes, and sinks to look into."""

import threading
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from bedrock_meter.adapters.memory import MemorySink
from bedrock_meter.domain import Record
from meterctl.simulate import Simulator

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
PROMPT = "canary-prompt: what is the airspeed of a laden swallow?"
HELLO: Any = [{"role": "user", "content": [{"text": PROMPT}]}]

_clients: "list[BedrockRuntimeClient]" = []


def plain_client(url: str, *, attempts: int = 1, **config: Any) -> "BedrockRuntimeClient":
    """Make the client that an application makes; it is closed after the test."""
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, **config),
    )
    _clients.append(client)
    return client


def close_clients() -> None:
    """Close the connections of the clients that were made."""
    while _clients:
        _clients.pop().close()


class AwaitedSink(MemorySink):
    """A `MemorySink` that can be waited for: an answer that was left is read by another thread."""

    def __init__(self) -> None:
        super().__init__()
        self._arrived = threading.Event()

    def emit(self, record: Record) -> None:
        """Keep one record."""
        super().emit(record)
        self._arrived.set()

    def wait(self) -> Record:
        """Wait for the first record, and give it."""
        assert self._arrived.wait(20), "no record within 20 s"
        return only(self)


def only(sink: MemorySink) -> Record:
    """Give the one record there is."""
    assert len(sink.records) == 1
    return sink.records[0]


def assert_billed_as_served(record: Record, simulator: Simulator) -> None:
    """Compare a record with the simulator's entry of the same request."""
    served = next(entry for entry in simulator.ledger if entry.request_id == record.outcome.upstream_request_id)
    usage = record.usage
    assert usage is not None
    assert (usage.input, usage.output) == (served.input_tokens, served.output_tokens)
    assert (usage.cache_read or 0, usage.cache_write or 0) == (
        served.cache_read_tokens,
        served.cache_write_5m_tokens + served.cache_write_1h_tokens,
    )
