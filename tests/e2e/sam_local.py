"""Run `sam local` as a user does, and read what comes out of it."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.e2e.nested import with_the_layer

REPOSITORY = Path(__file__).resolve().parents[2]
EVENTS = REPOSITORY / "events"

_INVOKE_SECONDS = 120
_READY_SECONDS = 60
_STOP_SECONDS = 30
_LOG_SECONDS = 15
_END_OF_INVOCATION = "REPORT RequestId"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What one `sam local invoke` gave."""

    result: Any
    """What the handler returned."""
    log: str
    """What the container printed, among sam's own messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningApi:
    """A `sam local start-api` that answers."""

    url: str
    """Its base URL."""
    log_file: Path
    """What its containers print, among sam's own messages."""

    def finished(self) -> int:
        """Count the invocations whose end the emulator has printed."""
        return self._log().count(_END_OF_INVOCATION)

    def log_after(self, finished: int) -> str:
        """Give what was printed once so many invocations have ended.

        A caller has its answer before sam has copied what the container printed.

        Raises:
            AssertionError: They did not end in time.
        """
        deadline = time.monotonic() + _LOG_SECONDS
        pause = threading.Event()
        while self.finished() < finished and time.monotonic() < deadline:
            pause.wait(0.02)
        assert self.finished() == finished, self._log()
        return self._log()

    def _log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class SamLocal:
    """`sam local` on the built template."""

    sam: Path
    """The sam executable."""
    template: Path
    """The template that `sam build` wrote."""
    state: Path
    """Directory for scratch and process ids."""
    architecture: str
    """The instruction set of this machine, as Lambda names it."""
    invoke_image: str | None
    """The stand-in base image; None for AWS's own."""

    def invoke(self, function: str, event: Path, env_vars: Path, *, stack: str | None = None) -> Invocation:
        """Invoke a function once.

        Args:
            function: The logical id of the function.
            event: The file with the event.
            env_vars: The file with the environment.
            stack: The nested stack of a function that has the layer.

        Raises:
            AssertionError: sam failed, or the function returned nothing.
        """
        command = [str(self.sam), "local", "invoke", function, "--event", str(event), *self._options(env_vars, stack)]
        with self._running("invoke", command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            result, log = (stream.decode() for stream in process.communicate(timeout=_INVOKE_SECONDS))
        # A function that timed out also ends with status 0, and with nothing on stdout.
        assert process.returncode == 0, log
        assert result.strip(), log
        return Invocation(result=json.loads(result), log=log)

    @contextlib.contextmanager
    def start_api(self, env_vars: Path) -> Iterator[RunningApi]:
        """Serve the API of the template until the block ends."""
        port = free_port()
        log_file = self.state / "start-api.log"
        command = [str(self.sam), "local", "start-api", "--port", str(port), "--warm-containers", "LAZY"]
        command += self._options(env_vars)
        with log_file.open("w") as log, self._running("start-api", command, stdout=log, stderr=log) as process:
            wait_until_it_listens(process, port, log_file)
            yield RunningApi(url=f"http://127.0.0.1:{port}", log_file=log_file)

    @contextlib.contextmanager
    def _running(
        self, name: str, command: list[str], *, stdout: int | IO[str], stderr: int | IO[str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run sam until the block ends; its process id lies where run.sh looks if this process is killed."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=REPOSITORY)
        pid_file = self.state / "pids" / name
        pid_file.write_text(str(process.pid), encoding="utf-8")
        try:
            yield process
        finally:
            process.terminate()  # on which sam removes its containers; it does nothing to a process that has ended
            process.wait(_STOP_SECONDS)
            pid_file.unlink()

    def _options(self, env_vars: Path, stack: str | None = None) -> list[str]:
        template = self.template if stack is None else with_the_layer(self.template.parent, stack)
        image = ["--invoke-image", self.invoke_image, "--skip-pull-image"] if self.invoke_image else []
        return [
            *("--template", str(template)),
            *("--env-vars", str(env_vars)),
            *("--parameter-overrides", f"Architecture={self.architecture}"),
            *("--add-host", "host.docker.internal:host-gateway"),
            *("--layer-cache-basedir", str(self.state / "layers")),
            *image,
        ]


def sam_local_from_environment() -> SamLocal:
    """Take over what run.sh has prepared."""
    try:
        state, build, sam = (os.environ[name] for name in ("E2E_STATE_DIR", "E2E_BUILD_DIR", "E2E_SAM"))
    except KeyError as error:
        raise RuntimeError(f"{error.args[0]} is not set: run these tests with `make e2e`") from error
    return SamLocal(
        sam=Path(sam),
        template=Path(build) / "template.yaml",
        state=Path(state),
        architecture=os.environ["E2E_ARCHITECTURE"],
        invoke_image=os.environ.get("E2E_INVOKE_IMAGE"),
    )


def with_settings(source: Path, folder: Path, settings: Mapping[str, str]) -> Path:
    """Copy a file of environment variables into a folder, with other values for some of them."""
    environment: dict[str, dict[str, str]] = json.loads(source.read_text(encoding="utf-8"))
    # What stands under the name of a function goes before what stands under Parameters.
    for variables in environment.values():
        variables |= {name: value for name, value in settings.items() if name in variables}
    environment["Parameters"] |= settings
    file = folder / "env.json"
    file.write_text(json.dumps(environment), encoding="utf-8")
    return file


def emf_lines(log: str) -> list[dict[str, Any]]:
    """Give the metric lines of a log, in order.

    Raises:
        ValueError: A line holds the mark of a metric line and is not JSON from end to end; CloudWatch would ignore it.
    """
    return [json.loads(line) for line in log.splitlines() if '"_aws"' in line]


def free_port() -> int:
    """Give a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
    """Wait until a process takes connections.

    Raises:
        AssertionError: It did not in time, or has ended.
    """
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        # A connection is refused at once while nothing listens; this is the pause between two tries.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    raise AssertionError(f"{process.args!r} did not come up:\n{log_file.read_text(encoding='utf-8')}")
