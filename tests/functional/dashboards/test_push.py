"""``meterctl dashboards push`` and ``meterctl annotate`` over real HTTP, against a small Grafana of the tests."""

import socket
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from tests.functional.dashboards.fake import TOKEN, FakeGrafana

from meterctl.__main__ import cli
from meterctl.dashboards.errors import GrafanaError

BOARDS = {f"bedrock-meter-{slug}" for slug in ("spend", "operations", "tokens", "health", "platform")}


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    """Run a Grafana that has nothing yet."""
    fake = FakeGrafana()
    with fake.running():
        yield fake


def run(*arguments: str, url: str, token: str = TOKEN) -> Result:
    """Run a command of meterctl with the token in the environment."""
    return CliRunner().invoke(cli, [*arguments], env={"GRAFANA_URL": url, "GRAFANA_TOKEN": token})


def push(grafana: FakeGrafana, *options: str, token: str = TOKEN) -> Result:
    """Push to a Grafana."""
    return run("dashboards", "push", *options, url=grafana.url, token=token)


def test_a_push_brings_everything(grafana: FakeGrafana) -> None:
    """A first push makes the folder, the five dashboards in it, and both groups of alert rules on the data source."""
    result = push(grafana)
    assert result.exit_code == 0, result.output
    assert set(grafana.folders) == {"bedrock-meter"}
    assert set(grafana.boards) == BOARDS
    assert {board["meta"]["folderUid"] for board in grafana.boards.values()} == {"bedrock-meter"}
    rules = [rule for group in grafana.groups.values() for rule in group["rules"]]
    assert len(rules) >= 13
    asked = {step["datasourceUid"] for rule in rules for step in rule["data"]}
    assert asked == {"cw", "__expr__"}


def test_a_second_push_changes_nothing(grafana: FakeGrafana) -> None:
    """What Grafana adds to what it stores is no difference, so a second push writes nothing."""
    push(grafana)
    grafana.writes.clear()
    result = push(grafana)
    assert result.exit_code == 0
    assert grafana.writes == []
    assert "nothing changed" in result.output


def test_only_what_differs_is_written(grafana: FakeGrafana) -> None:
    """A dashboard that somebody changed by hand is written again, and nothing else."""
    push(grafana)
    grafana.writes.clear()
    grafana.boards["bedrock-meter-spend"]["dashboard"]["title"] = "Mine"
    assert push(grafana).exit_code == 0
    assert grafana.writes == ["POST /api/dashboards/db"]
    assert grafana.boards["bedrock-meter-spend"]["dashboard"]["title"] == "Bedrock: spend"


def test_a_rule_of_another_deployment_is_a_difference(grafana: FakeGrafana) -> None:
    """Alerts watch the deployment that is named, and changing it rewrites the groups only."""
    push(grafana)
    grafana.writes.clear()
    assert push(grafana, "--service", "my-stack").exit_code == 0
    assert len(grafana.writes) == len(grafana.groups) == 2
    assert all(
        write.startswith("PUT /api/v1/provisioning/folder/bedrock-meter/rule-groups/") for write in grafana.writes
    )
    watched = {
        step["model"]["dimensions"]["Service"]
        for group in grafana.groups.values()
        for rule in group["rules"]
        for step in rule["data"]
        if "Service" in step["model"].get("dimensions", {})
    }
    assert watched == {"my-stack"}


def test_a_dry_run_shows_and_does_nothing(grafana: FakeGrafana) -> None:
    """The dry run prints the differences line by line, and writes nothing."""
    push(grafana)
    grafana.boards["bedrock-meter-spend"]["dashboard"]["title"] = "Mine"
    grafana.writes.clear()
    result = push(grafana, "--dry-run")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line for line in lines if line.startswith("-") and "title" in line] == ['- "title": "Mine",']
    assert '+ "title": "Bedrock: spend",' in lines
    assert grafana.writes == []


@pytest.mark.parametrize(
    ("behaviour", "options", "sentence"),
    [
        ({"version": "10.4.2"}, (), "is Grafana 10.4.2; the dashboards need 11 or later"),
        ({"permissions": ()}, (), "may not make the folder 'Bedrock'"),
        ({"permissions": ("folders:create",)}, (), "lacks alert.rules:create, dashboards:create"),
        (
            {"folders": {"bedrock-meter": {"uid": "bedrock-meter", "title": "Bedrock"}}, "can_save": False},
            (),
            "may not write to the folder 'Bedrock'",
        ),
        ({"datasources": []}, (), "has no CloudWatch data source"),
        (
            {"datasources": [{"uid": uid, "type": "cloudwatch"} for uid in "ab"]},
            (),
            "choose one with --datasource: a, b",
        ),
        ({}, ("--datasource", "prom"), "has no CloudWatch data source with the uid 'prom'"),
    ],
)
def test_what_cannot_be_finished_is_not_begun(
    behaviour: dict[str, object], options: tuple[str, ...], sentence: str
) -> None:
    """Every condition is looked at before the first write; each has its sentence, and the token is in none."""
    fake = FakeGrafana(**behaviour)  # type: ignore[arg-type]
    with fake.running():
        result = push(fake, *options)
    assert isinstance(result.exception, GrafanaError)
    assert sentence in str(result.exception)
    assert TOKEN not in str(result.exception)
    assert "\n" not in str(result.exception)
    assert fake.writes == []


def test_a_wrong_token_is_said_to_be_wrong(grafana: FakeGrafana) -> None:
    """A token that Grafana does not take ends the push before anything is written, and is not repeated."""
    result = push(grafana, token="canary-wrong")
    assert "does not take the token" in str(result.exception)
    assert "canary-wrong" not in str(result.exception)
    assert grafana.writes == []


def test_an_unreachable_grafana_is_said_to_be_unreachable() -> None:
    """Where nobody listens, the sentence names the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        result = run("dashboards", "push", url=url)
    assert isinstance(result.exception, GrafanaError)
    assert str(result.exception).startswith(f"{url} cannot be reached")


def test_an_address_that_is_none_is_refused() -> None:
    """A word is no address."""
    result = run("dashboards", "push", url="grafana")
    assert "is no address of a Grafana" in str(result.exception)


def test_a_refusal_in_the_middle_is_made_whole_by_the_next_push(grafana: FakeGrafana) -> None:
    """Where Grafana refuses a write that it had announced to allow, the next push brings what is missing."""
    grafana.refuse = "/api/v1/provisioning"
    result = push(grafana)
    assert "may not write alert rules bedrock-meter-minutes" in str(result.exception)
    grafana.refuse = ""
    grafana.writes.clear()
    assert push(grafana).exit_code == 0
    assert len(grafana.writes) == 2


def test_amazon_managed_grafana_tells_its_version_to_the_signed_in() -> None:
    """Where the health check hides the version, the settings of the signed-in have it."""
    fake = FakeGrafana(version=None)
    with fake.running():
        result = push(fake, "--dry-run")
    assert "Grafana 13.1.0" in result.output


def test_several_data_sources_with_a_default_need_no_choice() -> None:
    """Of several CloudWatch data sources the default one is asked."""
    fake = FakeGrafana(
        datasources=[{"uid": "a", "type": "cloudwatch"}, {"uid": "b", "type": "cloudwatch", "isDefault": True}]
    )
    with fake.running():
        assert push(fake).exit_code == 0
    (first, *_) = [rule for group in fake.groups.values() for rule in group["rules"]]
    assert first["data"][0]["datasourceUid"] == "b"


def test_an_annotation_marks_a_moment(grafana: FakeGrafana) -> None:
    """A pipeline marks a deployment with the tags that every dashboard asks for, and its own."""
    moment = ("--at", "2026-11-25T12:00:00Z", "--until", "2026-11-25T12:05:00+00:00")
    result = run("annotate", "v1.4.0 to prod", "--tag", "prod", *moment, url=grafana.url)
    assert result.exit_code == 0, result.output
    assert grafana.annotations == [
        {
            "time": 1_795_608_000_000,
            "timeEnd": 1_795_608_300_000,
            "tags": ["bedrock-meter", "deploy", "prod"],
            "text": "v1.4.0 to prod",
        }
    ]


def test_an_annotation_cannot_end_before_it_begins(grafana: FakeGrafana) -> None:
    """A wrong pair of times is refused before anything is sent."""
    moment = ("--at", "2026-11-25T12:00:00", "--until", "2026-11-25T11:00:00")
    result = run("annotate", "v1", *moment, url=grafana.url)
    assert result.exit_code == 2
    assert "before --at" in result.output
    assert grafana.annotations == []
