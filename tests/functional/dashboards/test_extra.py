"""`meterctl` without the extra ``dashboards``."""

import subprocess
import sys

WITHOUT = """
import sys
sys.modules["grafana_foundation_sdk"] = None
from meterctl.__main__ import main
sys.argv = ["meterctl", *sys.argv[1:]]
main()
"""


def meterctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that cannot import the Grafana SDK."""
    command = [sys.executable, "-c", WITHOUT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_other_commands_need_no_extra() -> None:
    """Where the extra is not installed, the command line starts, and lists the commands."""
    result = meterctl("dashboards", "--help")
    assert result.returncode == 0, result.stderr
    assert "push" in result.stdout


def test_a_missing_extra_is_said_to_be_missing() -> None:
    """A command that needs the extra says in one sentence how to install it."""
    result = meterctl("dashboards", "build", "--check")
    assert result.returncode == 2
    assert result.stderr.startswith("meterctl: `meterctl dashboards` needs Grafana's SDK and PyYAML: pip install")
    assert result.stderr.count("\n") == 1
