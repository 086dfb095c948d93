"""The files that ``meterctl dashboards build`` writes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from grafana_foundation_sdk.models.dashboard import GridPos

from meterctl.__main__ import cli
from meterctl.dashboards import alerts, build, health, spend
from meterctl.dashboards.command import GRAFANA
from meterctl.dashboards.errors import DashboardError
from meterctl.dashboards.queries import Place
from meterctl.dashboards.rules import rules
from meterctl.dashboards.steps import Above, Deployment, Reduce
from pricewatch import book

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
FILES = build.files(build.Target())


@pytest.mark.parametrize("path", FILES, ids=str)
def test_the_committed_files_are_up_to_date(path: Path) -> None:
    """What is committed is what the code writes; `meterctl dashboards build` brings it up to date."""
    assert (GRAFANA / path).read_text(encoding="utf-8") == FILES[path]


def test_nothing_else_lies_beside_them() -> None:
    """A dashboard that is no longer written does not stay behind."""
    assert {path.name for path in (GRAFANA / "dashboards").iterdir()} == {f"{each.slug}.json" for each in build.BOARDS}


def test_check_names_what_would_change(tmp_path: Path) -> None:
    """The check fails before a build, writes nothing, and passes after it."""
    command = ["dashboards", "build", "--output", str(tmp_path)]
    failed = CliRunner().invoke(cli, [*command, "--check"])
    assert isinstance(failed.exception, DashboardError)
    assert "dashboards/spend.json would change" in str(failed.exception)
    assert [*tmp_path.iterdir()] == []
    assert CliRunner().invoke(cli, command).output.startswith("6 files; dashboards/spend.json")
    assert CliRunner().invoke(cli, [*command, "--check"]).output == "6 files; nothing changed\n"


def test_another_namespace_is_used_everywhere(tmp_path: Path) -> None:
    """With a namespace of its own a deployment gets queries, SQL, variables and alerts of that namespace."""
    options = ["--namespace", "Team/Meter", "--service", "my-stack", "--output", str(tmp_path)]
    assert CliRunner().invoke(cli, ["dashboards", "build", *options]).exit_code == 0
    texts = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.*") if path.is_file()]
    assert len(texts) == len(FILES)
    assert not [text for text in texts if "BedrockMeter" in text]
    assert all("Team/Meter" in text for text in texts)


def test_both_forms_of_a_rule_say_the_same() -> None:
    """The rule that a file provisions and the one that HTTP writes have the same data, labels and times."""
    place = Place(own="BedrockMeter", datasource=alerts.DATASOURCE_UID, region="default")
    found = rules(Deployment(service="bedrock-meter"))
    groups = yaml.safe_load(alerts.file(found, place))["groups"]
    in_file = {rule["uid"]: rule for group in groups for rule in group["rules"]}
    over_http = {
        rule["uid"]: rule for group in alerts.http_groups(found, place, folder="f").values() for rule in group["rules"]
    }
    assert in_file.keys() == over_http.keys()
    for uid, rule in in_file.items():
        other = over_http[uid]
        for member in ("title", "condition", "for", "noDataState", "execErrState", "labels", "data"):
            assert rule[member] == other[member]
        assert other["annotations"]["__dashboardUid__"] == rule["dashboardUid"]
        assert other["annotations"]["__panelId__"] == str(rule["panelId"])
    assert [group["interval"] for group in groups] == ["60s", "600s"]


def test_every_rule_has_a_section_in_the_runbook() -> None:
    """Each alert leads to a section of the runbook that says what it means, how to check and what to do."""
    text = RUNBOOK.read_text(encoding="utf-8")
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}
    wanted = {rule.section or rule.slug for rule in rules(Deployment(service="s"))}
    assert wanted <= sections.keys()
    for name in wanted:
        for heading in ("**Means.**", "**Check.**", "**Do.**"):
            assert heading in sections[name], name


def test_a_rule_that_would_not_work_is_named() -> None:
    """A step that reads what is not there, and a last step that is no condition, are problems of the rule."""
    place = Place(own="BedrockMeter", datasource="cw", region="default")
    (rule, *_) = rules(Deployment(service="s"))
    broken = replace(rule, steps={"A": Reduce(of="Z", by="sum")}, panel="Nowhere")
    assert [*alerts.problems([broken], place)] == [
        "alert bedrock-meter-latency-p99: the dashboard operations has no panel 'Nowhere'",
        "alert bedrock-meter-latency-p99: step A reads Z, which does not come before it",
        "alert bedrock-meter-latency-p99: its last step is no condition",
    ]
    variable = replace(rule, steps={**rule.steps, "C": Above(of="B", limit=1)})
    assert [*alerts.problems([variable, variable], place)] == ["alert bedrock-meter-latency-p99: there are two"]


def test_drift_is_wrong_both_ways() -> None:
    """Drift has the colours of what is right around 0 alone, draws them, and its legend shows both ends."""
    (drift,) = [panel for row in health.BOARD.rows for panel in row.panels if panel.title == "Drift"]
    found = drift.model(1, GridPos(x=0, y=0, w=8, h=8), Place(own="BedrockMeter"))
    defaults = found["fieldConfig"]["defaults"]
    steps = [(step["value"], step["color"]) for step in defaults["thresholds"]["steps"]]
    assert steps == [(None, "red"), (-5, "orange"), (-1, "green"), (1, "orange"), (5, "red")]
    assert defaults["custom"]["thresholdsStyle"]["mode"] == "dashed"
    assert {"min", "max"} <= {*found["options"]["legend"]["calcs"]}
    assert "min" not in defaults


def test_the_assumed_prices_of_the_cache_are_claudes() -> None:
    """No Claude model in the price book takes more for a cached token, or another price for a written one."""
    rows = book.verify(book.PATH.read_text(encoding="utf-8"))
    cached = [row["rates"] for row in rows if "claude" in row["model"] and "cache_write_5m" in row["rates"]]
    assert len(cached) > 20
    parts = [(float(rates["cache_read"]) / float(rates["input"]), rates) for rates in cached]
    assert max(part for part, _ in parts) == pytest.approx(spend.CACHE_READ_PRICE)
    for rates in cached:
        assert float(rates["cache_write_5m"]) / float(rates["input"]) == pytest.approx(spend.CACHE_WRITE_PRICE)


def test_the_dashboards_are_small_enough_to_review() -> None:
    """Each file is JSON with sorted keys, so that a change is a small diff."""
    for path, text in FILES.items():
        if path.suffix == ".json":
            assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
