"""``meterctl usecases``, ``keys`` and ``limits`` on a registry file, and one pass over a DynamoDB table."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.contract.limits.stores import REGION, client_of, dynamodb_server, make_table

from bedrock_meter.errors import MeterError
from bedrock_meter.registry import KEY_TEXT
from meterctl.__main__ import cli

LINE = '{"_aws":{},"UseCase":"%s","ModelId":"m","InputTokenCount":%d,"cost_usd":"%s","usage_source":"body"}\n'


class Shell:
    """Runs commands on one registry."""

    def __init__(self, **environment: str) -> None:
        nothing = dict.fromkeys(("BEDROCK_METER_TABLE", "BEDROCK_METER_REGISTRY", "AWS_REGION", "AWS_DEFAULT_REGION"))
        self._environment = {**nothing, **environment}

    def run(self, *arguments: str, given: str | None = None) -> Result:
        """Run a command that may fail."""
        return CliRunner().invoke(cli, list(arguments), env=self._environment, input=given)

    def __call__(self, *arguments: str) -> str:
        """Run a command that succeeds; give its stdout."""
        result = self.run(*arguments)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    def refused(self, *arguments: str) -> str:
        """Run a command that is refused; give the sentence."""
        result = self.run(*arguments)
        assert result.exit_code != 0
        # `main` prints errors of ours as one sentence; what click itself refuses it prints.
        return str(result.exception) if isinstance(result.exception, MeterError) else result.output


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Work on a new file."""
    return Shell(BEDROCK_METER_REGISTRY=str(tmp_path / "registry.db"))


@pytest.fixture
def stocked(shell: Shell) -> Shell:
    """With two use cases."""
    shell("usecases", "create", "chatbot", "--team", "support", "--owner", "ada", "--model", "amazon.nova-*")
    shell("usecases", "create", "search")
    return shell


def key_of(shell: Shell, *options: str) -> str:
    """Make a key; give its text, which is all of stdout."""
    text = shell("keys", "create", *options).strip()
    assert KEY_TEXT.fullmatch(text)
    return text


def test_use_cases(stocked: Shell) -> None:
    """They are listed, shown with their limits, written anew only when that is asked for, and deleted."""
    listed = json.loads(stocked("usecases", "list", "--json"))
    assert listed == [
        {"name": "chatbot", "team": "support", "owner": "ada", "models": ["amazon.nova-*"]},
        {"name": "search", "models": ["*"]},
    ]
    assert "support" in stocked("usecases", "list")
    stocked("limits", "create", "daily", "--use-case", "chatbot", "--usd", "5", "--per", "day")
    stocked("limits", "create", "team", "--team", "sup*", "--tokens", "1000", "--per", "month", "--warn")
    assert json.loads(stocked("usecases", "show", "chatbot", "--json"))["limits"] == ["daily", "team"]
    assert "exists already; --replace" in stocked.refused("usecases", "create", "search")
    stocked("usecases", "create", "search", "--replace", "--team", "core")
    assert "core" in stocked("usecases", "show", "search")
    stocked("usecases", "delete", "search")
    said = stocked.refused("usecases", "show", "search")
    assert "there is no use case 'search' in the registry; there are: chatbot" in said


def test_a_secret_is_shown_once_and_alone(stocked: Shell) -> None:
    """Stdout has the key and nothing else, so that it can be piped; no other command shows anything of it."""
    text = key_of(stocked, "--use-case", "chatbot", "--use-case", "search", "--default", "search", "--expires", "90d")
    _, key_id, secret = text.split("-", 2)
    for arguments in (("list",), ("list", "--json"), ("show", key_id), ("show", key_id, "--json")):
        shown = stocked("keys", *arguments)
        assert key_id in shown
        assert secret not in shown
        assert not re.search(r"[0-9a-f]{64}", shown)
    facts = json.loads(stocked("keys", "show", f"bm-{key_id}", "--json"))
    assert (facts["status"], facts["default_use_case"]) == ("good", "search")
    assert facts["expires_at"] > facts["created_at"]


def test_keys_in_json(stocked: Shell) -> None:
    """For programs the key and its facts come as one document."""
    made = json.loads(stocked("keys", "create", "--use-case", "chatbot", "--json"))
    assert KEY_TEXT.fullmatch(made["key"])
    assert made["key"].startswith(f"bm-{made['id']}-")
    assert "secret_sha256" not in made


def test_rotation(stocked: Shell) -> None:
    """The new key has the rights of the old one, which works on for the grace time and then no more."""
    old = key_of(stocked, "--use-case", "search", "--use-case", "chatbot", "--expires", "30d")
    new = stocked("keys", "rotate", old.split("-")[1], "--grace", "2h").strip()
    assert KEY_TEXT.fullmatch(new)
    before, after = json.loads(stocked("keys", "list", "--json"))
    if before["id"] != old.split("-")[1]:
        before, after = after, before
    assert (before["status"], after["status"]) == ("rotating", "good")
    for name in ("use_cases", "default_use_case", "expires_at"):
        assert before[name] == after[name]
    now = stocked("keys", "rotate", after["id"], "--grace", "0").strip()
    assert json.loads(stocked("keys", "show", after["id"], "--json"))["status"] == "revoked"
    assert "is revoked; make a new one" in stocked.refused("keys", "rotate", after["id"])
    assert now != new


def test_revocation_and_deletion(stocked: Shell) -> None:
    """A revoked key stays in the list until it is deleted, and one that still opens is not deleted."""
    key_id = key_of(stocked, "--use-case", "chatbot").split("-")[1]
    assert "revoke it first" in stocked.refused("keys", "delete", key_id)
    assert f"named by the keys {key_id}; revoke them first" in stocked.refused("usecases", "delete", "chatbot")
    stocked("keys", "revoke", key_id)
    assert json.loads(stocked("keys", "list", "--use-case", "chatbot", "--json"))[0]["status"] == "revoked"
    assert "revoked already" in stocked.refused("keys", "revoke", key_id)
    stocked("keys", "delete", key_id)
    assert json.loads(stocked("keys", "list", "--json")) == []
    stocked("usecases", "delete", "chatbot")


def test_limits(stocked: Shell) -> None:
    """Each kind of subject, unit and window; amounts are kept to the last digit."""
    key_id = key_of(stocked, "--use-case", "chatbot").split("-")[1]
    stocked("limits", "create", "a", "--use-case", "chat*", "--usd", "0.000001", "--per", "day")
    stocked("limits", "create", "b", "--key", f"bm-{key_id}", "--requests", "60", "--per", "minute")
    stocked("limits", "create", "c", "--model", "*opus*", "--tokens", "1000000", "--per", "month", "--warn")
    stocked("limits", "create", "d", "--all", "--usd", "1000", "--per", "month")
    found = {limit["id"]: limit for limit in json.loads(stocked("limits", "list", "--json"))}
    assert [(found[name]["subject"], found[name]["pattern"]) for name in "abcd"] == [
        ("use_case", "chat*"),
        ("key", key_id),
        ("model", "*opus*"),
        ("all", "*"),
    ]
    assert (found["a"]["amount"], found["c"]["on_exceed"]) == ("0.000001", "warn")
    stocked("limits", "create", "d", "--all", "--usd", "2000", "--per", "month", "--replace")
    assert "2000" in stocked("limits", "show", "d")
    stocked("limits", "delete", "d")
    assert "there is no limit 'd' in the registry; there are: a, b, c" in stocked.refused("limits", "delete", "d")


def contents(shell: Shell) -> list[str]:
    """Give all that stands in the registry."""
    return [shell(name, "list", "--json") for name in ("usecases", "limits", "keys")]


REFUSALS = {
    "no such use case": (("keys", "create", "--use-case", "nope"), "there is no use case 'nope'"),
    "expiry in the past": (("keys", "create", "--use-case", "chatbot", "--expires", "2020-01-01"), "is past"),
    "no expiry": (("keys", "create", "--use-case", "chatbot", "--expires", "soon"), "is no day such as"),
    "zero expiry": (("keys", "create", "--use-case", "chatbot", "--expires", "0"), "is past"),
    "foreign default": (("keys", "create", "--use-case", "chatbot", "--default", "search"), "'search' is not among"),
    "no use case": (("keys", "create"), "--use-case"),
    "no such key": (("keys", "show", "aaaaaaaaaaaa"), "there is no key aaaaaaaaaaaa"),
    "no key id": (("keys", "revoke", "x"), "that is no key id"),
    "bad grace": (("keys", "rotate", "aaaaaaaaaaaa", "--grace", "-1h"), "is no span"),
    "name of a use case": (("usecases", "create", "two words"), "name has to match"),
    "long name": (("usecases", "create", "u" * 5000), "name has to match"),
    "long pattern": (("usecases", "create", "x", "--model", "m" * 257), "1 to 256 printable"),
    "team": (("usecases", "create", "x", "--team", "büro"), "team has to match"),
    "negative": (("limits", "create", "l", "--all", "--usd", "-1", "--per", "day"), "above 0"),
    "zero": (("limits", "create", "l", "--all", "--usd", "0", "--per", "day"), "above 0"),
    "nan": (("limits", "create", "l", "--all", "--usd", "nan", "--per", "day"), "above 0"),
    "infinite": (("limits", "create", "l", "--all", "--usd", "inf", "--per", "day"), "above 0"),
    "no number": (("limits", "create", "l", "--all", "--usd", "five", "--per", "day"), "--usd: 'five' is no number"),
    "half a token": (("limits", "create", "l", "--all", "--tokens", "0.5", "--per", "day"), "whole number"),
    "no unit": (("limits", "create", "l", "--all", "--per", "day"), "exactly one of --usd, --tokens and --requests"),
    "no subject": (("limits", "create", "l", "--usd", "1", "--per", "day"), "give exactly one of --use-case"),
    "two units": (("limits", "create", "l", "--all", "--usd", "1", "--tokens", "1", "--per", "day"), "exactly one of"),
    "window": (("limits", "create", "l", "--all", "--usd", "1", "--per", "week"), "'week'"),
    "limit of nobody": (("limits", "create", "l", "--use-case", "nope", "--usd", "1", "--per", "day"), "no use case"),
    "limit id": (("limits", "create", "two words", "--all", "--usd", "1", "--per", "day"), "id has to match"),
    "limit pattern": (("limits", "create", "l", "--model", "m" * 257, "--usd", "1", "--per", "day"), "256 printable"),
    "two registries": (("usecases", "list", "--table", "t-1"), "name two registries"),
    "emf file": (("usecases", "top", "--emf", "/nowhere/at/all"), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "says"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_a_clear_sentence(stocked: Shell, arguments: tuple[str, ...], says: str) -> None:
    """Whatever cannot be is named, and nothing is written."""
    before = contents(stocked)
    assert says in stocked.refused(*arguments)
    assert contents(stocked) == before


def test_a_whole_key_is_not_repeated(stocked: Shell) -> None:
    """Who gives a whole key where an id belongs does not find it in the error."""
    text = key_of(stocked, "--use-case", "chatbot")
    for arguments in (("keys", "show", text), ("limits", "create", "l", "--key", text, "--usd", "1", "--per", "day")):
        said = stocked.refused(*arguments)
        assert "that is no key id" in said
        assert text[-20:] not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("usecases", "list"), "name the registry: --table NAME or --registry FILE"),
        (("usecases", "list", "--table", "t-1"), "name the Region of the table"),
    ],
)
def test_a_registry_has_to_be_named(arguments: tuple[str, ...], says: str) -> None:
    """Without one the sentence says how to name it."""
    assert says in Shell().refused(*arguments)


def test_the_top_use_cases(shell: Shell, tmp_path: Path) -> None:
    """Use cases are ranked by cost, tokens or calls, from a file or from stdin, and other lines are skipped."""
    lines = LINE % ("a", 100, "0.5") + LINE % ("b", 5, "0.3") + "noise\n" + LINE % ("b", 5, "0.30")
    file = tmp_path / "emf.jsonl"
    file.write_text(lines)
    ranked = json.loads(shell("usecases", "top", "--emf", str(file), "--json"))
    assert [(row["use_case"], row["cost_usd"], row["calls"]) for row in ranked] == [("b", "0.60", 2), ("a", "0.5", 1)]
    by_tokens = shell.run("usecases", "top", "--by", "tokens", "--first", "1", "--json", given=lines)
    assert [row["use_case"] for row in json.loads(by_tokens.stdout)] == ["a"]
    assert "0.60" in shell("usecases", "top", "--emf", str(file))


@pytest.fixture
def table_shell() -> Iterator[Shell]:
    """Work on a DynamoDB table."""
    with dynamodb_server() as url, closing(client_of(url)) as client:
        yield Shell(
            BEDROCK_METER_TABLE=make_table(client),
            AWS_REGION=REGION,
            AWS_ENDPOINT_URL_DYNAMODB=url,
            AWS_ACCESS_KEY_ID="x",
            AWS_SECRET_ACCESS_KEY="x",
        )


def test_the_same_commands_work_on_a_table(table_shell: Shell) -> None:
    """A use case, a key and a limit are made, listed, rotated and revoked in DynamoDB."""
    table_shell("usecases", "create", "chatbot")
    key_id = key_of(table_shell, "--use-case", "chatbot").split("-")[1]
    table_shell("limits", "create", "daily", "--use-case", "chatbot", "--usd", "5", "--per", "day")
    table_shell("keys", "rotate", key_id, "--grace", "0")
    assert sorted(key["status"] for key in json.loads(table_shell("keys", "list", "--json"))) == ["good", "revoked"]
    assert json.loads(table_shell("limits", "list", "--json"))[0]["amount"] == "5"
    assert "did not answer Query: ResourceNotFoundException" in table_shell.refused("limits", "list", "--table", "gone")
