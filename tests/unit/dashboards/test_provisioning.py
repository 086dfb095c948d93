"""What a Grafana is started with: the files fit each other, and hold only members that Grafana knows."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from meterctl.dashboards import alerts
from meterctl.dashboards.command import GRAFANA

RULE_MEMBERS = {"uid", "title", "condition", "for", "noDataState", "execErrState", "labels", "annotations", "data"}
RULE_MEMBERS |= {"dashboardUid", "panelId"}


def read(*path: str) -> Any:
    """Read a YAML file below grafana/."""
    text = GRAFANA.joinpath(*path).read_text(encoding="utf-8")
    return yaml.load(text, ComposeLoader)  # noqa: S506 - a SafeLoader of ours


class ComposeLoader(yaml.SafeLoader):
    """Reads the tag with which an override takes a value away."""


ComposeLoader.add_constructor("!reset", lambda loader, node: loader.construct_sequence(node))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def service() -> Mapping[str, Any]:
    """The Grafana of the compose file."""
    found: Mapping[str, Any] = read("compose.yaml")["services"]["grafana"]
    return found


def test_the_image_is_pinned(service: Mapping[str, Any]) -> None:
    """The image has a whole version, and is the one that still gets updates."""
    assert re.fullmatch(r"grafana/grafana:\d+\.\d+\.\d+", service["image"])


def test_nobody_else_reaches_it(service: Mapping[str, Any]) -> None:
    """The port is open on this machine only, in both files, and there is no password that everybody knows."""
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    local = read("compose.local.yaml")["services"]["grafana"]
    assert (local["network_mode"], local["ports"]) == ("host", [])
    assert local["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert service["environment"]["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_ADMIN_PASSWORD:?")
    assert service["environment"]["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_what_is_mounted_is_there(service: Mapping[str, Any]) -> None:
    """The folders that are mounted exist, read-only, where the provider and the home page look for dashboards."""
    mounts = {target: source for source, target, _ in (volume.split(":") for volume in service["volumes"])}
    assert all(volume.endswith(":ro") for volume in service["volumes"])
    assert all((GRAFANA / source).is_dir() for source in mounts.values())
    (provider,) = read("provisioning", "dashboards", "bedrock-meter.yaml")["providers"]
    assert mounts[provider["options"]["path"]] == "./dashboards"
    home = Path(service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (GRAFANA / mounts[str(home.parent)] / home.name).is_file()


def test_every_variable_of_the_data_source_is_set(service: Mapping[str, Any]) -> None:
    """What Grafana fills into the data source is in its environment."""
    text = (GRAFANA / "provisioning/datasources/cloudwatch.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$([A-Z_]+)", text)) <= service["environment"].keys()


def test_alerts_find_their_data_source_and_folder() -> None:
    """The uid of the data source and the folder are those that alerts and push use."""
    (source,) = read("provisioning", "datasources", "cloudwatch.yaml")["datasources"]
    assert (source["uid"], source["type"]) == (alerts.DATASOURCE_UID, "cloudwatch")
    assert source["jsonData"]["customMetricsNamespaces"] == "BedrockMeter"
    (provider,) = read("provisioning", "dashboards", "bedrock-meter.yaml")["providers"]
    assert (provider["folder"], provider["folderUid"]) == (alerts.FOLDER, alerts.FOLDER_UID)


def test_rules_have_the_members_that_grafana_reads() -> None:
    """A member that Grafana does not know would be dropped without a word."""
    loaded = read("provisioning", "alerting", "rules.yaml")
    assert loaded.keys() == {"apiVersion", "groups"}
    for group in loaded["groups"]:
        assert group.keys() == {"orgId", "name", "folder", "interval", "rules"}
        assert int(group["interval"].removesuffix("s")) % 10 == 0
        for rule in group["rules"]:
            assert rule.keys() == RULE_MEMBERS
            assert all(step.keys() == {"refId", "datasourceUid", "relativeTimeRange", "model"} for step in rule["data"])
            assert not any("$" in label for label in rule["labels"].values())
            assert "${" not in str(rule["annotations"])
