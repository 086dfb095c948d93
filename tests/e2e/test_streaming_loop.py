"""The built function under AWS's runtime interface emulator, which SAM brings: streams are taken, and then buffered.

No container is needed: the emulator starts the wrapper that `sam build` has copied, with this machine's Python.
"""

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from tests.e2e.sam_local import EVENTS, emf_lines, free_port, wait_until_it_listens
from tests.e2e.witness import Witness, tokens

from meterctl.simulate import Simulator

pytestmark = pytest.mark.e2e

_STOP_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulated:
    """A function that the emulator runs."""

    url: str
    """Where it is invoked."""
    log_file: Path
    """What the function and the emulator print."""

    def invoke(self, event: Any) -> tuple[dict[str, Any], bytes]:
        """Invoke it; give the head and the payload of its answer."""
        request = Request(self.url, json.dumps(event).encode())  # noqa: S310 - a URL of ours
        with urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
            head, delimiter, payload = answer.read().partition(bytes(8))
        assert delimiter == bytes(8), head
        return json.loads(head), payload

    def log(self) -> str:
        """Give what was printed so far."""
        return self.log_file.read_text(encoding="utf-8")


@pytest.fixture
def emulated(simulator: Simulator, tmp_path: Path) -> Iterator[Emulated]:
    """The built function, started through its wrapper."""
    built = Path(os.environ["E2E_BUILD_DIR"])
    (rapid,) = Path(os.environ["E2E_SAM"]).parents[1].glob("lib/python3*/site-packages/samcli/local/rapid")
    machine = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
    port, runtime_port, log_file = free_port(), free_port(), tmp_path / "emulator.log"
    command = [str(rapid / f"aws-lambda-rie-{machine}"), "--log-level", "error"]
    command += ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    command += ["--runtime-api-address", f"127.0.0.1:{runtime_port}"]
    command += [str(built / "GatewayFunction" / "streaming-bootstrap"), sys.executable, "-m", "awslambdaric"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(built / "LibraryLayer" / "python"),
        "LAMBDA_TASK_ROOT": str(built / "GatewayFunction"),
        "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/streaming-bootstrap",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "e2e",
        "AWS_SECRET_ACCESS_KEY": "e2e",
        "BEDROCK_METER_UPSTREAM_URL": simulator.url,
        "BEDROCK_METER_USE_CASE": "e2e",
    }
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
        try:
            wait_until_it_listens(process, port, log_file)
            yield Emulated(url=f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations", log_file=log_file)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            process.kill()
            process.wait(_STOP_SECONDS)


def test_streams_pass_the_emulator(emulated: Emulated, witness: Witness) -> None:
    """A stream, a plain answer and a refusal in a row arrive with their heads, and each leaves one line in the log."""
    event = json.loads((EVENTS / "converse.json").read_text(encoding="utf-8"))
    before = len(witness.served())
    stream, frames = emulated.invoke({**event, "path": f"{event['path']}-stream"})
    plain, document = emulated.invoke(event)
    refusal, _ = emulated.invoke({**event, "path": "/no-such-route"})

    assert (stream["statusCode"], plain["statusCode"], refusal["statusCode"]) == (200, 200, 404)
    assert stream["headers"]["Content-Type"] == "application/vnd.amazon.eventstream"
    assert b"messageStop" in frames
    assert json.loads(document)["usage"]
    served = witness.served()[before:]
    assert [one["operation"] for one in served] == ["ConverseStream", "Converse"]
    # The emulator answers the caller before the function writes; the third line may still be on its way.
    assert [tokens(line) for line in emf_lines(emulated.log())][:2] == [tokens(one) for one in served]
    assert "Name three" not in emulated.log()
