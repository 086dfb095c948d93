import subprocess
import sys

import pytest
from click import Command, Context

from meterctl.__main__ import COMMANDS, cli


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_the_table_says(name: str) -> None:
    """It can be loaded, goes by the name of the table, and says in a line what it is for."""
    command = cli.get_command(Context(cli), name)
    assert isinstance(command, Command)
    assert command.name == name
    assert command.get_short_help_str()


def test_what_is_no_command_is_none() -> None:
    """An unknown name loads nothing."""
    assert cli.get_command(Context(cli), "os") is None


def test_a_command_does_not_wait_for_the_others() -> None:
    """The entry point itself loads no command, and so none of the libraries that only some of them need."""
    heavy = {"boto3", "plotly", "moto", "duckdb", "grafana_foundation_sdk", "hypercorn"}
    code = f"import sys, meterctl.__main__; sys.exit(bool({heavy!r} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
