"""``meterctl principals`` on a registry file."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.logs import CHATBOT_ROLE, session_of

from bedrock_meter.errors import RegistryError
from meterctl.registry import principals, usecases

ROLES = "arn:aws:sts::*:assumed-role/Chat*/*"


class Shell:
    """Runs commands on one registry."""

    def __init__(self, path: Path) -> None:
        self._registry = str(path)

    def __call__(self, *arguments: str) -> str:
        """Run a command of principals; give its stdout."""
        result = CliRunner().invoke(principals.command, [*arguments, "--registry", self._registry])
        if result.exception is not None:
            raise result.exception
        return result.stdout

    def use_case(self, *arguments: str) -> None:
        """Run a command of use cases."""
        result = CliRunner().invoke(usecases.command, [*arguments, "--registry", self._registry])
        if result.exception is not None:
            raise result.exception


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Work on a new file with two use cases."""
    one = Shell(tmp_path / "registry.db")
    one.use_case("create", "chatbot")
    one.use_case("create", "search")
    return one


def test_principals_are_set_listed_and_deleted(shell: Shell) -> None:
    """The first use case is the default; a pattern is written anew only when that is asked for."""
    shell("set", CHATBOT_ROLE, "--use-case", "chatbot", "--use-case", "search")
    shell("set", "arn:aws:iam::123456789012:user/ada", "--use-case", "search")
    listed = json.loads(shell("list", "--json", "--arn", session_of(CHATBOT_ROLE)))
    assert listed == [{"pattern": CHATBOT_ROLE, "use_cases": ["chatbot", "search"]}]
    assert len(json.loads(shell("list", "--json"))) == 2
    with pytest.raises(RegistryError, match="exists already"):
        shell("set", CHATBOT_ROLE, "--use-case", "search")
    shell("set", CHATBOT_ROLE, "--use-case", "search", "--replace")
    assert "chatbot" not in shell("list")
    shell("delete", CHATBOT_ROLE)
    with pytest.raises(RegistryError, match="there is no pattern"):
        shell("delete", CHATBOT_ROLE)


def test_a_pattern_that_leaves_a_doubt_is_refused(shell: Shell) -> None:
    """The refusal names both patterns and their use cases, and nothing is written; with the same use cases it may."""
    shell("set", CHATBOT_ROLE, "--use-case", "chatbot")
    with pytest.raises(RegistryError, match="can match both") as refused:
        shell("set", ROLES, "--use-case", "search")
    assert all(text in str(refused.value) for text in (CHATBOT_ROLE, ROLES, "(chatbot)", "(search)"))
    assert ROLES not in shell("list", "--json")
    shell("set", ROLES, "--use-case", "chatbot")
    assert ROLES in shell("list", "--json")


@pytest.mark.parametrize(
    ("pattern", "use_case", "says"),
    [
        ("Chatbot", "chatbot", "pattern of an ARN"),
        (f"{CHATBOT_ROLE}{'x' * 1000}", "chatbot", "at most 1000"),
        (CHATBOT_ROLE, "nobody", "there is no use case 'nobody'"),
    ],
)
def test_what_can_match_nothing_is_refused(shell: Shell, pattern: str, use_case: str, says: str) -> None:
    """A name that is no ARN, an ARN longer than any, and a use case that is not registered."""
    with pytest.raises(RegistryError, match=says):
        shell("set", pattern, "--use-case", use_case)


def test_a_use_case_that_a_principal_names_is_not_deleted(shell: Shell) -> None:
    """As with a key: first the pattern has to go."""
    shell("set", CHATBOT_ROLE, "--use-case", "chatbot")
    with pytest.raises(RegistryError, match="named by the principals arn:"):
        shell.use_case("delete", "chatbot")
