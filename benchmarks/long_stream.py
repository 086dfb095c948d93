"""A stream of 200 MB through ``meterctl serve``: to its end, and with a caller that hangs up after the first chunk.

The answer first: every byte arrives, and both lines have the counts that stand at the stream's very end. Then by how
much the memory of the gateway's process grew. Run: ``python -m benchmarks.long_stream``.
"""

import hashlib
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.measure import CREDENTIALS, clean_environment
from tests.functional.gateway.streams import (
    CONVERSE_STREAM_PATH,
    EVENT_STREAM,
    INPUT,
    OUTPUT,
    converse_frames,
    frame,
)

MEGABYTE = 10**6
LENGTH = 200 * MEGABYTE
LIMIT_MEGABYTES = 10
_BODY = b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'
_WAIT_SECONDS = 120


def parts(length: int) -> Iterator[bytes]:
    """Give a Converse stream of at least this length, in pieces of some 64 KB."""
    first, *_, stop, last = converse_frames(1)
    delta = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "word " * 40}, "p": "abc"})
    piece = delta * (64 * 1024 // len(delta))
    yield first
    for _ in range(length // len(piece) + 1):
        yield piece
    yield stop + last


class Upstream:
    """A server that answers every request with the stream; the length is the one of the moment."""

    def __init__(self) -> None:
        self.length = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                received = b""
                while _BODY not in received:
                    received += connection.recv(65536)
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {EVENT_STREAM}\r\nConnection: close\r\n\r\n"
                connection.sendall(head.encode())
                for part in parts(self.length):
                    connection.sendall(part)


@contextmanager
def gateway(upstream: str, emf: Path) -> Iterator[tuple[str, int]]:
    """Run ``meterctl serve``; give its URL and its process id."""
    command = [sys.executable, "-m", "meterctl", "serve", "--port", "0", "--upstream", upstream]
    command += ["--no-auth", "--use-case", "bench", "--emf", str(emf)]
    bounds = {"BEDROCK_METER_DRAIN_BYTES": str(2 * LENGTH)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=clean_environment(**CREDENTIALS, **bounds)
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found is not None, line
        try:
            yield found[0], process.pid
        finally:
            process.terminate()
            process.communicate()


def peak_megabytes(process: int) -> float:
    """Give the largest resident size that a process has had."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024 / MEGABYTE


def ask(url: str, *, all_of_it: bool) -> tuple[int, str]:
    """Call the gateway; give the number of bytes of the answer's body that were read, and their hash."""
    parts_of_url = urlsplit(url)
    digest, received = hashlib.sha256(), 0
    with socket.create_connection((parts_of_url.hostname or "", parts_of_url.port or 0)) as caller:
        head = f"POST {CONVERSE_STREAM_PATH} HTTP/1.0\r\nHost: x\r\nContent-Length: {len(_BODY)}\r\n\r\n"
        caller.sendall(head.encode() + _BODY)
        data = b""
        while b"\r\n\r\n" not in data:
            data += caller.recv(65536)
        data = data.partition(b"\r\n\r\n")[2] or caller.recv(65536)
        while data:
            digest.update(data)
            received += len(data)
            data = caller.recv(1 << 20) if all_of_it else b""
    return received, digest.hexdigest()


def line(emf: Path, number: int) -> dict[str, object]:
    """Wait for a line of the EMF file."""
    ends = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < ends:
        lines = emf.read_text(encoding="utf-8").splitlines()
        if len(lines) > number:
            document: dict[str, object] = json.loads(lines[number])
            return document
        time.sleep(0.02)
    raise TimeoutError(f"line {number} did not come")


def expected(length: int) -> tuple[int, str]:
    """Give the size and the hash of the stream."""
    digest, size = hashlib.sha256(), 0
    for part in parts(length):
        digest.update(part)
        size += len(part)
    return size, digest.hexdigest()


def main() -> None:
    """Check, measure, print."""
    upstream = Upstream()
    with tempfile.TemporaryDirectory() as folder:
        emf = Path(folder, "emf.jsonl")
        emf.touch()
        with gateway(upstream.url, emf) as (url, process):
            upstream.length = MEGABYTE
            assert ask(url, all_of_it=True) == expected(MEGABYTE)
            ask(url, all_of_it=False)
            line(emf, 1)
            before = peak_megabytes(process)

            upstream.length = LENGTH
            started = time.perf_counter()
            assert ask(url, all_of_it=True) == expected(LENGTH)
            seconds = time.perf_counter() - started
            after_read = peak_megabytes(process)
            assert ask(url, all_of_it=False)[0] < LENGTH
            last = line(emf, 3)
            after_drain = peak_megabytes(process)
        for counted in (line(emf, 2), last):
            assert (counted["InputTokenCount"], counted["OutputTokenCount"]) == (INPUT, OUTPUT)
    print(f"A stream of {LENGTH // MEGABYTE} MB through meterctl serve ({seconds:.1f} s)")
    for name, value in (("read to its end", after_read - before), ("after a hang-up", after_drain - before)):
        verdict = "met" if value < LIMIT_MEGABYTES else "MISSED"
        print(f"  growth of the process, {name:<20}{value:>8.2f} MB  target {LIMIT_MEGABYTES} MB or less: {verdict}")
    print()


if __name__ == "__main__":
    main()
