"""A metered call of the Lambda handler against a bare boto3 call: CPU time of the process that makes it.

Both invoke the same model on the same simulated Bedrock, which runs in a process of its own. The handler's side is all
that it does in Lambda: the API Gateway event comes in, the call is described, signed, sent, read, metered, and its EMF
line written (to nowhere); the proxy result goes out. The other side is what an application does without the gateway:
``invoke_model`` and reading the body.
"""

import json
import os
import statistics
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

import boto3
from benchmarks.measure import CREDENTIALS, REGION, Row, Target, interleaved, report, simulator_process

from bedrock_meter.adapters.memory import MemorySink
from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.config import Settings
from gateway.app import build, handler_for
from gateway.relay import Gateway
from meterctl.lambda_front import InvocationContext, from_result, to_event
from meterctl.simulate import Simulator

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
BODY = json.dumps(
    {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 200,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Name three rivers of Europe."}]}],
    }
).encode()
HEADERS = (
    ("Accept-Encoding", "identity"),
    ("amz-sdk-invocation-id", "5f0c4d0e-6a51-4d3c-9a53-0f6f7a3f2b11"),
    ("amz-sdk-request", "attempt=1"),
    ("Host", "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"),
    ("User-Agent", "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux lang/python#3.13.0 cfg/retry-mode#standard"),
    ("X-Amzn-Trace-Id", "Root=1-6b03f480-0a6a6d3e17c44b398a0e6d4d"),
    ("X-Forwarded-For", "203.0.113.17"),
    ("X-Forwarded-Port", "443"),
    ("X-Forwarded-Proto", "https"),
)
EVENT = to_event("POST", f"/prod/model/{MODEL.replace(':', '%3A')}/invoke", HEADERS, BODY, request_id="bench")
TARGET_RATIO = 0.4


def settings_for(url: str) -> Settings:
    """Give the settings of a deployment whose Bedrock is at this URL."""
    return Settings(upstream_url=url, region=REGION, use_case="bench", use_cases=frozenset({"bench"}))


def bare_call(url: str) -> Callable[[], bytes]:
    """Make the function that calls with boto3 alone."""
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )

    def call() -> bytes:
        return client.invoke_model(modelId=MODEL, body=BODY)["body"].read()

    return call


def metered_call(gateway: Gateway) -> Callable[[], Mapping[str, Any]]:
    """Make the function that invokes the handler."""
    handler, context = handler_for(gateway), InvocationContext("bench", 86_400.0)
    return lambda: handler(EVENT, context)


def check_answer() -> None:
    """Fail unless both sides give the same body, and the record the tokens that the simulator served."""
    with Simulator() as bedrock:
        expected = bare_call(bedrock.url)()
    sink = MemorySink()
    with Simulator() as bedrock, closing(build(settings_for(bedrock.url), environ=CREDENTIALS, sink=sink)) as gateway:
        status, headers, body = from_result(metered_call(gateway)(), request_id="bench")
        (served,) = bedrock.ledger
    (record,) = sink.records
    assert (status, body) == (200, expected)
    assert record.usage is not None
    assert (record.usage.input, record.usage.output) == (served.input_tokens, served.output_tokens)
    assert ("x-bedrock-meter-input-tokens", str(served.input_tokens)) in headers


def measure(nowhere: TextIO, *, batches: int = 60, calls: int = 20) -> tuple[list[float], list[float]]:
    """Time both sides; give the CPU microseconds per call of the handler's batches and of boto3's."""
    with simulator_process() as url:
        settings = settings_for(url)
        sink = StreamSink.for_settings(settings, nowhere)
        with closing(build(settings, environ=CREDENTIALS, sink=sink)) as gateway:
            times = interleaved(
                {"metered": metered_call(gateway), "bare": bare_call(url)}, batches=batches, calls=calls, warm_up=50
            )
    return times["metered"], times["bare"]


def main() -> None:
    """Check, measure, print."""
    check_answer()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        metered, bare = measure(nowhere)
    ratio = statistics.median(metered) / statistics.median(bare)
    report(
        "A metered call of the gateway's handler against boto3 alone",
        "µs of CPU per call",
        [
            Row(name="handler: event in, result and EMF line out", samples=metered),
            Row(name="boto3: invoke_model and read", samples=bare),
        ],
        [Target(name="ratio of the medians", value=ratio, limit=TARGET_RATIO)],
    )


if __name__ == "__main__":
    main()
