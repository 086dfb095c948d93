"""The runtime under test: its loop in a thread of this process, or the deployed program in a process of its own."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.functional.runtime.emulator import PATIENCE, Emulator

from awshttp.http1 import BrokenAnswer
from gateway.http import Request, Response
from gateway.runtime import serve
from gateway.runtime_api import RuntimeApi, RuntimeApiError

ROOT = Path(__file__).resolve().parents[3]
PATHS = (ROOT / "layers" / "bedrock_meter", ROOT / "src")
WRAPPER = ROOT / "src" / "streaming-bootstrap"


@dataclass(slots=True)
class Faults:
    """A `FaultLog` that keeps what it is told."""

    told: list[tuple[str, str]] = field(default_factory=list)
    """The code and the type of each fault."""

    def report(self, code: str, error: BaseException | None = None) -> None:
        """Keep it."""
        self.told.append((code, type(error).__name__))


@dataclass(slots=True)
class Loop:
    """The loop that runs in a thread."""

    faults: Faults = field(default_factory=Faults)
    environ: dict[str, str] = field(default_factory=dict)
    ended_by: BaseException | None = None
    """What ended the loop."""


@contextmanager
def looping(emulator: Emulator, app: Callable[[Request], Response]) -> Iterator[Loop]:
    """Run the loop in a thread; it ends when the emulator does, and `done` is an event of the emulator."""
    loop = Loop()

    def run() -> None:
        try:
            serve(
                RuntimeApi(emulator.address),
                app,
                environ=loop.environ,
                faults=loop.faults,
                done=lambda: emulator.note("done"),
            )
        except (OSError, BrokenAnswer, RuntimeApiError) as error:
            loop.ended_by = error

    thread = threading.Thread(target=run, daemon=True)
    with emulator:
        thread.start()
        yield loop
    thread.join(PATIENCE)
    assert not thread.is_alive()


@contextmanager
def deployed(
    emulator: Emulator,
    upstream: str,
    log: Path,
    *,
    command: tuple[str, ...] = (sys.executable, "-m", "gateway.runtime"),
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the runtime as Lambda does, until the block ends.

    Args:
        emulator: Its Runtime API; started here.
        upstream: Its Bedrock.
        log: Takes what it prints on stdout.
        command: What is started.
        environment: Variables that differ from the usual ones.
    """
    with log.open("wb") as out, log.with_suffix(".err").open("wb") as err, emulator:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=err,
            cwd=log.parent,
            env=lambda_environment(emulator, upstream, environment or {}),
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE)


def lambda_environment(emulator: Emulator, upstream: str, others: Mapping[str, str]) -> dict[str, str]:
    """Give the environment variables of the function."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "PYTHONPATH": os.pathsep.join(map(str, PATHS)),
        "AWS_LAMBDA_RUNTIME_API": emulator.address,
        "AWS_LAMBDA_FUNCTION_NAME": "gateway",
        "AWS_LAMBDA_EXEC_WRAPPER": str(WRAPPER),
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIAGATEWAY",
        "AWS_SECRET_ACCESS_KEY": "canary-gateway-secret",
        "BEDROCK_METER_UPSTREAM_URL": upstream,
        "BEDROCK_METER_USE_CASE": "tests",
        **others,
    }
