"""The nested stack of alarms and Grafana, held against the names and thresholds in the code."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cloudformation import CloudFormationLoader, as_list, load, resources, statements

from bedrock_meter.metrics import DIRECTIVES, SERVICE
from meterctl.dashboards import thresholds
from meterctl.dashboards.annotations import ALARM_PREFIX
from meterctl.dashboards.declared import AWS, dimension_sets
from meterctl.dashboards.rules import rules
from meterctl.dashboards.steps import Deployment, Query

REPOSITORY = Path(__file__).resolve().parents[2]
PATH = REPOSITORY / "infra" / "observability.yaml"
OWN = "BedrockMeter"
BANDS = {"spend-anomaly", "input-tokens-anomaly", "output-tokens-anomaly", "latency-anomaly"}
PLATFORM = {"function-errors", "function-throttles", "api-errors", "table-throttles"}
"""The alarms on AWS's own services of the stack, which only CloudWatch watches."""
SLUG = re.compile(r"bedrock-meter-\$\{ServiceName\}-([a-z0-9-]+)")


@pytest.fixture(scope="module")
def template() -> Mapping[str, Any]:
    """The nested template with long-form functions."""
    return load(PATH)


@pytest.fixture(scope="module")
def parent() -> Mapping[str, Any]:
    """The template of the stack around it."""
    return load(REPOSITORY / "template.yaml")


def alarms(template: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Give the properties of every alarm by the end of its name."""
    found = resources(template, "AWS::CloudWatch::Alarm").values()
    return {match[1]: one for one in found if (match := SLUG.fullmatch(one["AlarmName"]["Fn::Sub"]))}


def metrics(alarm: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give every metric that an alarm looks at."""
    if "MetricName" in alarm:
        yield alarm
    for row in alarm.get("Metrics", ()):
        if "MetricStat" in row:
            yield row["MetricStat"]["Metric"]


def namespace(metric: Mapping[str, Any]) -> str:
    """Give a metric's namespace."""
    return OWN if metric["Namespace"] == {"Ref": "Namespace"} else str(metric["Namespace"])


def test_every_alarm_has_a_name_that_annotations_find(template: Mapping[str, Any]) -> None:
    """The names begin as the annotation query of the dashboards asks, and no two are the same."""
    assert len(alarms(template)) == len(resources(template, "AWS::CloudWatch::Alarm"))
    assert all(one["AlarmName"]["Fn::Sub"].startswith(ALARM_PREFIX) for one in alarms(template).values())


def test_alarms_name_metrics_that_exist(template: Mapping[str, Any]) -> None:
    """Every alarm names a metric that is emitted, or one of AWS's that we know, with an exact dimension set."""
    for slug, alarm in alarms(template).items():
        for metric in metrics(alarm):
            sets = dimension_sets(namespace(metric), metric["MetricName"], own=OWN)
            assert sets is not None, slug
            assert frozenset(each["Name"] for each in metric["Dimensions"]) in sets, slug


def test_alarms_and_grafana_rules_watch_the_same(template: Mapping[str, Any]) -> None:
    """Each rule of Grafana is an alarm too, on the same metrics; beside them are bands, and AWS's own services."""
    in_grafana: dict[str, set[str]] = {}
    for rule in rules(Deployment(service="s")):
        names = {step.metric.metric for step in rule.steps.values() if isinstance(step, Query)}
        in_grafana.setdefault(rule.section or rule.slug, set()).update(names)
    as_alarms = {slug: {metric["MetricName"] for metric in metrics(alarm)} for slug, alarm in alarms(template).items()}
    assert as_alarms.keys() == in_grafana.keys() | BANDS | PLATFORM
    assert {slug: as_alarms[slug] for slug in in_grafana} == in_grafana


@pytest.mark.parametrize(
    ("slug", "threshold"),
    [
        ("latency-p99", thresholds.LATENCY_P99_MS),
        ("server-errors", thresholds.SERVER_ERROR_PERCENT),
        ("client-errors", thresholds.CLIENT_ERROR_PERCENT),
        ("throttle-storm", thresholds.THROTTLES),
        ("denials", thresholds.DENIALS),
        ("budget-80", thresholds.BUDGET_WARNING_PERCENT),
        ("budget-100", thresholds.BUDGET_SPENT_PERCENT),
        ("unpriced-model", thresholds.UNPRICED),
        ("unmetered-traffic", thresholds.UNMETERED_PERCENT),
        ("metered-too-much", thresholds.METERED_TOO_MUCH_PERCENT),
        ("meter-faults", thresholds.METER_FAULTS),
        ("rejected-lines", thresholds.REJECTED_LINES),
    ],
)
def test_thresholds_are_those_of_the_code(template: Mapping[str, Any], slug: str, threshold: float) -> None:
    """An alarm fires at the number at which Grafana's rule fires."""
    assert alarms(template)[slug]["Threshold"] == threshold


def test_rates_need_as_many_calls(template: Mapping[str, Any]) -> None:
    """The alarms on rates ignore as few calls as Grafana's rules do."""
    for slug in ("server-errors", "client-errors"):
        (expression,) = [row["Expression"] for row in alarms(template)[slug]["Metrics"] if "Expression" in row]
        assert f"calls >= {thresholds.MIN_CALLS}," in expression


def test_bands_are_on_tokens_latency_and_spend(template: Mapping[str, Any]) -> None:
    """What has no fixed threshold is compared with the band that CloudWatch learns."""
    for slug in BANDS:
        alarm = alarms(template)[slug]
        band, measured = alarm["Metrics"]
        assert alarm["ThresholdMetricId"] == band["Id"]
        assert alarm["ComparisonOperator"] == "GreaterThanUpperThreshold"
        assert "Threshold" not in alarm
        assert re.fullmatch(rf"ANOMALY_DETECTION_BAND\({measured['Id']}, \d\)", band["Expression"])
        assert band["ReturnData"] is measured["ReturnData"] is True


def test_silence_is_no_alarm(template: Mapping[str, Any]) -> None:
    """No data breaches nothing, and every alarm tells the topic, if there is one, of both ways."""
    told = {"Fn::If": ["HasTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    for alarm in alarms(template).values():
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmActions"] == alarm["OKActions"] == told


def test_every_alarm_has_a_section_in_the_runbook(template: Mapping[str, Any]) -> None:
    """What is no band is explained in the runbook under the end of its name."""
    sections = set(re.findall(r"^## (.+)$", (REPOSITORY / "docs/runbook.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert alarms(template).keys() - BANDS <= sections


def test_grafana_may_only_read(template: Mapping[str, Any]) -> None:
    """The role names each action, every one of them reads, and log lines are those of the gateway."""
    found = statements(template)
    verb = re.compile(r"\w+:(Get|List|Describe|StartQuery|StopQuery)\w*")
    assert all(verb.fullmatch(action) for statement in found for action in as_list(statement["Action"]))
    without_resources = {"cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "ec2:DescribeRegions"}
    without_resources |= {"logs:DescribeLogGroups", "logs:GetQueryResults", "logs:StopQuery"}
    for statement in found:
        resource = as_list(statement["Resource"])
        if resource == ["*"]:
            assert set(statement["Action"]) == without_resources
        elif "logs:StartQuery" in statement["Action"]:
            assert all("${LogGroupName}" in arn["Fn::Sub"] for arn in resource)


def test_the_role_trusts_this_accounts_workspace_or_one_principal(template: Mapping[str, Any]) -> None:
    """Amazon Managed Grafana takes the role for this account's workspaces only; else one named principal does."""
    role = resources(template, "AWS::IAM::Role")["GrafanaRole"]
    workspace, principal = (one["Fn::If"] for one in role["AssumeRolePolicyDocument"]["Statement"])
    assert workspace[0] == "MakesWorkspace"
    assert workspace[1]["Principal"] == {"Service": "grafana.amazonaws.com"}
    assert workspace[1]["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert principal[0] == "TrustsPrincipal"
    assert principal[1]["Principal"] == {"AWS": {"Ref": "GrafanaRoleTrust"}}


def test_nothing_is_made_unless_it_is_asked_for(template: Mapping[str, Any], parent: Mapping[str, Any]) -> None:
    """Every resource has a condition, and with the defaults the nested stack itself is not made."""
    assert all("Condition" in one for one in template["Resources"].values())
    nested = parent["Resources"]["Observability"]
    assert nested["Condition"] == "Observes"
    off = {"Alarms": "off", "GrafanaWorkspace": "off", "GrafanaRoleTrust": "", "AlarmTopicArn": ""}
    assert {name: parent["Parameters"][name]["Default"] for name in off} == off


def test_the_parent_hands_on_what_the_nested_stack_takes(
    template: Mapping[str, Any], parent: Mapping[str, Any]
) -> None:
    """The parent sets parameters that exist, and whichever both have, both bound in the same way."""
    nested = parent["Resources"]["Observability"]["Properties"]
    assert (REPOSITORY / nested["Location"]).samefile(PATH)
    assert nested["Parameters"].keys() == template["Parameters"].keys() - {"GrafanaVersion"}
    for name in ("Namespace", "Alarms", "AlarmTopicArn", "GrafanaWorkspace", "GrafanaRoleTrust"):
        bounds = [
            {key: value for key, value in one["Parameters"][name].items() if key != "Description"}
            for one in (template, parent)
        ]
        assert bounds[0] == bounds[1], name


def test_every_parameter_is_described_bounded_and_shown(template: Mapping[str, Any]) -> None:
    """Every parameter says what it is for, takes only values that can work, and stands in a group."""
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(template["Parameters"])
    for name, parameter in template["Parameters"].items():
        assert len(parameter["Description"]) > len(name), name
        assert parameter.keys() & {"AllowedValues", "AllowedPattern"}, name
        for pattern in as_list(parameter.get("AllowedPattern", ".*")):
            assert re.fullmatch(pattern, str(parameter["Default"])), name


def test_the_template_has_no_yaml_aliases() -> None:
    """CloudFormation does not read YAML anchors and aliases."""
    tokens = yaml.scan(PATH.read_text(encoding="utf-8"), CloudFormationLoader)
    assert not [token for token in tokens if isinstance(token, yaml.AliasToken | yaml.AnchorToken)]


def test_the_whole_deployment_is_watched(template: Mapping[str, Any]) -> None:
    """Alarms on our metrics use the dimension set that exists for alarms, which cannot search."""
    own = [metric for alarm in alarms(template).values() for metric in metrics(alarm) if namespace(metric) == OWN]
    assert {tuple(each["Name"] for each in metric["Dimensions"]) for metric in own} == {(SERVICE,)}
    emitted = {name for directive in DIRECTIVES.values() for name in directive.metrics}
    assert {metric["MetricName"] for metric in own} <= emitted
    assert not emitted & AWS.keys()
