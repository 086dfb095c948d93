"""`simulate` on the command line, as a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from meterctl.simulate import FAULTS, LEDGER_PATH, Simulator
from meterctl.simulate.command import command

START = "from meterctl.simulate.command import command; command()"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """`simulate` on a free port, throttling every call."""
    arguments = [sys.executable, "-c", START, "--seed", "7", "--every", "1", "throttling"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as child:
        try:
            yield child
        finally:
            child.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_ends_on_a_signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """The printed URL answers, and both signals end the command with success."""
    assert process.stdout is not None
    told, paste = process.stdout.readline(), process.stdout.readline()
    found = re.fullmatch(r"export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=(http://127\.0\.0\.1:\d+)\n", paste)
    assert found is not None
    assert found[1] in told
    with urllib.request.urlopen(found[1] + LEDGER_PATH, timeout=10) as response:  # noqa: S310 - the URL is http
        assert json.load(response) == {"served": []}
    process.send_signal(number)
    assert process.wait(timeout=10) == 0


def test_a_taken_port_is_said_plainly() -> None:
    """A port in use is an error message and not a traceback."""
    with Simulator() as bedrock:
        result = CliRunner().invoke(command, ["--port", str(bedrock.port)])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: cannot listen on 127.0.0.1:{bedrock.port}")


def test_help_lists_every_fault() -> None:
    """Whoever asks for help learns the names of the faults."""
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    for name, fault in FAULTS.items():
        assert re.search(rf"^ +{name} +{re.escape(fault.summary)}$", result.output, re.MULTILINE), name
