"""Run a client script against a gateway and a simulator, each in a process or on a port of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from meterctl.simulate import LEDGER_PATH, Served, Simulator

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".clients-venv" / "bin" / "python"
_READY = ROOT / ".clients-venv" / "installed"
_SECONDS = 90
# Slow enough that a caller who goes after the first piece goes before the last one.
TOKENS_PER_SECOND = 1000
SEEN, LEDGER, EMF = "seen.json", "ledger.json", "emf.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What all sides say of one run of a client."""

    cases: Mapping[str, Any]
    """What the application saw, by case."""
    ledger: tuple[Served, ...]
    """What the simulator served."""
    lines: tuple[dict[str, Any], ...]
    """What the gateway wrote."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `run_client` left."""
        return cls(
            cases=json.loads((folder / SEEN).read_text()),
            ledger=tuple(Served(**entry) for entry in json.loads((folder / LEDGER).read_text())),
            lines=tuple(json.loads(line) for line in (folder / EMF).read_text().splitlines()),
        )

    def served(self, case: str) -> tuple[Served, ...]:
        """Give what was served for a case."""
        first, after = self.cases[case]["served"]
        return self.ledger[first:after]

    def line(self, served: Served) -> dict[str, Any]:
        """Give the one line of a request that was served."""
        (line,) = (line for line in self.lines if line["bedrock_request_id"] == served.request_id)
        return line


def require_sdks() -> None:
    """Fail where the environment of the clients is missing; to skip would look like a pass."""
    if not _READY.exists():
        pytest.fail("The SDKs are not installed: `make test` makes .clients-venv with them.", pytrace=False)


def run_client(name: str, folder: Path) -> None:
    """Run the script of a client to its end, stop the gateway, and leave in the folder what each side says."""
    with Simulator(seed=11, tokens_per_second=TOKENS_PER_SECOND) as simulator:
        with _serving(simulator.url, folder) as url:
            result = subprocess.run(
                [str(PYTHON), "-m", f"tests.functional.clients.scripts.{name}_client", str(folder / SEEN)],
                cwd=ROOT,
                env={**_environment(folder), **_pointing(url), "SIMULATOR_LEDGER": simulator.url + LEDGER_PATH},
                capture_output=True,
                text=True,
                check=False,
                timeout=_SECONDS,
            )
        assert result.returncode == 0, result.stderr
        (folder / LEDGER).write_text(json.dumps([asdict(entry) for entry in simulator.ledger]))


def _environment(folder: Path) -> dict[str, str]:
    """Give an environment with nothing of this machine in it: no profile, no proxy, no account."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _pointing(url: str) -> dict[str, str]:
    """Give the variables with which docs/clients.md points each client to the gateway."""
    return {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url,
        "ANTHROPIC_BEDROCK_BASE_URL": url,
        "ANTHROPIC_BASE_URL": f"{url}/anthropic",
        "ANTHROPIC_API_KEY": "test",
        "OPENAI_BASE_URL": f"{url}/openai/v1",
        "OPENAI_API_KEY": "test",
        "AWS_BEDROCK_RUNTIME_ENDPOINT": url,
        # litellm would ask GitHub for its prices.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


@contextmanager
def _serving(upstream: str, folder: Path) -> Iterator[str]:
    options = "--port", "0", "--upstream", upstream, "--no-auth", "--use-case", "clients", "--emf", str(folder / EMF)
    with subprocess.Popen(
        [sys.executable, "-m", "meterctl", "serve", *options],
        env=_environment(folder),
        stderr=subprocess.PIPE,
        text=True,
    ) as gateway:
        try:
            assert gateway.stderr is not None
            gateway.stderr.readline()
            name, _, url = gateway.stderr.readline().strip().partition("=")
            assert name == "export AWS_ENDPOINT_URL_BEDROCK_RUNTIME"
            yield url
        finally:
            gateway.send_signal(signal.SIGTERM)
            gateway.wait(10)
