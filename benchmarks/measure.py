"""What the benchmarks share: the simulator in a process of its own, interleaved timing, and the table of results."""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

REGION = "us-east-1"
CREDENTIALS: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": "AKIABENCH", "AWS_SECRET_ACCESS_KEY": "bench"}
"""Of an ordinary Lambda function: in the environment. The simulator takes any."""
IN_LAMBDA: Mapping[str, str] = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}

_SIMULATOR = """
import sys
from meterctl.simulate import Simulator
with Simulator() as simulator:
    print(simulator.url, flush=True)
    sys.stdin.read()
"""

_ALIKE = """
import socket, sys
body = sys.argv[1].encode()
answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body
listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
import threading
def serve(connection):
    while True:
        request = b""
        while b"\\r\\n\\r\\n" not in request:
            part = connection.recv(65536)
            if not part:
                return
            request += part
        head, _, rest = request.partition(b"\\r\\n\\r\\n")
        length = int(next(l.split(b":")[1] for l in head.split(b"\\r\\n") if l.lower().startswith(b"content-length")))
        while len(rest) < length:
            rest += connection.recv(65536)
        connection.sendall(answer)
def accept():
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()
"""


@contextmanager
def server_process(program: str, *arguments: str) -> Iterator[str]:
    """Run a server in a process of its own, so that its work is not counted as ours.

    Args:
        program: Prints the server's URL, and ends at the end of its input.
        arguments: What it is given.

    Returns:
        The URL.
    """
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate()  # the end of its input ends it


def simulator_process() -> AbstractContextManager[str]:
    """Run a simulated Bedrock; give its URL."""
    return server_process(_SIMULATOR)


def answering_process(document: Mapping[str, object]) -> AbstractContextManager[str]:
    """Run a server that answers every request alike, with a JSON document; give its URL."""
    return server_process(_ALIKE, json.dumps(document))


def clean_environment(**more: str) -> dict[str, str]:
    """Give an environment without anything of this machine's AWS set-up, in which nothing looks beyond this machine."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "VIRTUAL_ENV"}}
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"}
    return {**kept, **nowhere, "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", **IN_LAMBDA, **CREDENTIALS, **more}


def interleaved(
    subjects: Mapping[str, Callable[[], object]], *, batches: int, calls: int, warm_up: int
) -> dict[str, list[float]]:
    """Time several functions against each other.

    The subjects take turns, batch by batch, so that whatever else the machine does meets all of them alike.

    Args:
        subjects: The functions by name.
        batches: How many batches each one gets.
        calls: How many calls a batch has.
        warm_up: How many calls each one makes before the first batch.

    Returns:
        For each subject and batch, the CPU time of this process per call, in microseconds.
    """
    for subject in subjects.values():
        for _ in range(warm_up):
            subject()
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(batches):
        for name, subject in subjects.items():
            started = time.process_time_ns()
            for _ in range(calls):
                subject()
            times[name].append((time.process_time_ns() - started) / calls / 1000)
    return times


def cpu_of_child(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[float, str]:
    """Run a program to its end; give the CPU time that it used, in milliseconds, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(arguments, env=dict(environment), capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    return used * 1000, run.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: the samples of one subject."""

    name: str
    """What was measured."""
    samples: Sequence[float]
    """One figure for each batch or run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a figure should be at most."""

    name: str
    """What the figure is."""
    value: float
    """The figure."""
    limit: float
    """The target."""
    unit: str = ""
    """Its unit; empty for a ratio."""


def report(title: str, unit: str, rows: Sequence[Row], targets: Sequence[Target]) -> None:
    """Print the medians, the spread, and whether the targets are met."""
    print(f"{title} ({platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} CPUs)")
    print(f"  {'':<44}{'median':>10}{'p10':>10}{'p90':>10}  {unit}, {len(rows[0].samples)} samples each")
    for row in rows:
        low, high = statistics.quantiles(row.samples, n=10)[0], statistics.quantiles(row.samples, n=10)[-1]
        print(f"  {row.name:<44}{statistics.median(row.samples):>10.2f}{low:>10.2f}{high:>10.2f}")
    for target in targets:
        over = target.value - target.limit
        verdict = "met" if over <= 0 else f"MISSED by {over:.2f}{target.unit}"
        figure = f"{target.value:>10.2f}{target.unit}"
        print(f"  {target.name:<44}{figure}  target {target.limit}{target.unit} or less: {verdict}")
    print()
