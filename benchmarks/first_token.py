"""How much later the first chunk of a stream reaches the caller through the gateway, by the clock on the wall.

The baseline asks the simulator itself, signed and sent by the same code. Beside it stand the gateway as Lambda runs it
(the transport-free app, in this process) and `meterctl serve` (a process of its own, with an HTTP server in front).
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from urllib.parse import quote

from benchmarks.measure import CREDENTIALS, REGION, Row, Target, clean_environment, report, simulator_process

from awshttp.credentials import provider
from bedrock_meter.adapters.memory import MemorySink
from bedrock_meter.config import Settings
from bedrock_meter.domain import Certainty
from gateway.app import build
from gateway.http import Request
from gateway.upstream import Upstream

TARGET_MILLISECONDS = 1.0
ROUNDS, WARM_UP = 300, 20
SHORTEST_ANSWER = 1000
"""Bytes: even the simulator's shortest stream has its frames for start, stop and metadata."""
PATH = f"/model/{quote('us.anthropic.claude-sonnet-4-5-20250929-v1:0', safe='')}/converse-stream"
HEADERS = {"content-type": "application/json"}
_numbers = count()


def question() -> bytes:
    """Make a request body that was not sent before."""
    text = f"Question {next(_numbers)}: why is the sky blue?"
    return json.dumps({"messages": [{"role": "user", "content": [{"text": text}]}]}).encode()


def direct(upstream: Upstream) -> Callable[[bytes], tuple[float, int]]:
    """Ask Bedrock itself; give when the first chunk came and how many bytes came in all."""

    def ask(body: bytes) -> tuple[float, int]:
        answer = upstream.send(upstream.sign("POST", PATH, HEADERS, body), None)
        chunks = answer.chunks()
        size = len(next(chunks))
        came = time.perf_counter()
        return came, size + sum(map(len, chunks))

    return ask


@contextmanager
def served(upstream: str) -> Iterator[str]:
    """Run ``meterctl serve``; give its URL."""
    command = [
        sys.executable,
        "-m",
        "meterctl",
        "serve",
        "--port",
        "0",
        "--no-auth",
        "--use-case",
        "bench",
        "--upstream",
        upstream,
    ]
    with subprocess.Popen(
        [*command, "--emf", os.devnull], stderr=subprocess.PIPE, text=True, env=clean_environment()
    ) as process:
        assert process.stderr is not None
        try:
            process.stderr.readline()
            yield process.stderr.readline().strip().partition("=")[2]
        finally:
            process.terminate()


def main() -> None:
    """Check, measure, print."""
    sink = MemorySink()
    credentials = provider(CREDENTIALS)
    with simulator_process() as url, served(url) as serve_url:
        settings = Settings(use_case="bench", use_cases=frozenset({"bench"}), upstream_url=url, region=REGION)
        with (
            closing(build(settings, environ=CREDENTIALS, sink=sink)) as gateway,
            closing(Upstream(url=url, region=REGION, credentials=credentials, read_timeout=10)) as bedrock,
            closing(Upstream(url=serve_url, region=REGION, credentials=credentials, read_timeout=10)) as local,
        ):

            def through(body: bytes) -> tuple[float, int]:
                response = gateway(Request(id="bench", method="POST", path=PATH, headers=HEADERS, body=body))
                chunks = iter(response.body)
                size = len(next(chunks))
                came = time.perf_counter()
                return came, size + sum(map(len, chunks))

            subjects = {"direct": direct(bedrock), "gateway": through, "serve": direct(local)}
            times = measure(subjects)
    assert all(record.outcome.certainty is Certainty.EXACT for record in sink.records)
    assert len(sink.records) == ROUNDS + WARM_UP
    base = statistics.median(times["direct"])
    added = statistics.median(times["gateway"]) - base
    report(
        "The first chunk of a stream",
        "ms on the wall",
        [
            Row(name="direct", samples=times["direct"]),
            Row(name="through the gateway's app, as on Lambda", samples=times["gateway"]),
            Row(name="through meterctl serve", samples=times["serve"]),
        ],
        [Target(name="added by the gateway, medians", value=added, limit=TARGET_MILLISECONDS, unit=" ms")],
    )


def measure(subjects: dict[str, Callable[[bytes], tuple[float, int]]]) -> dict[str, list[float]]:
    """Let the subjects take turns; every answer must be whole before its time counts."""
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for round_ in range(ROUNDS + WARM_UP):
        for name, ask in subjects.items():
            body = question()
            started = time.perf_counter()
            came, size = ask(body)
            assert size > SHORTEST_ANSWER
            if round_ >= WARM_UP:
                times[name].append((came - started) * 1000)
    return times


if __name__ == "__main__":
    main()
