"""The nested stack of the reconciliation, and how the main one includes it."""

import re

import pytest
from tests.cloudformation import REPOSITORY, Template, as_list, load, resources

from bedrock_meter import config, metrics
from reconcile import app

MANAGED = {"cloudwatch:ListMetrics", "cloudwatch:GetMetricData", "bedrock:ListInferenceProfiles"}
TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}


@pytest.fixture(scope="module")
def nested() -> Template:
    """The nested stack."""
    return load(REPOSITORY / "infra" / "reconcile.yaml")


@pytest.fixture(scope="module")
def main() -> Template:
    """The main stack."""
    return load(REPOSITORY / "template.yaml")


def test_reconciliation_is_off_unless_asked_for(main: Template) -> None:
    """Without the parameter nothing of it is deployed."""
    assert main["Parameters"]["Reconcile"]["Default"] == "off"
    assert main["Resources"]["Reconciliation"]["Condition"] == "Reconciles"
    assert main["Conditions"]["Reconciles"] == {"Fn::Equals": [{"Ref": "Reconcile"}, "on"]}


def test_the_main_stack_gives_every_parameter(main: Template, nested: Template) -> None:
    """The nested stack gets each of its parameters, and what the gateway's functions have is the same there."""
    application = main["Resources"]["Reconciliation"]["Properties"]
    assert (REPOSITORY / application["Location"]).is_file()
    assert application["Parameters"].keys() == nested["Parameters"].keys()
    assert (
        application["Parameters"]["ServiceName"]
        == (main["Globals"]["Function"]["Environment"]["Variables"]["BEDROCK_METER_SERVICE"])
    )


@pytest.mark.parametrize("stack", ["Reconciliation", "AccountStack"])
def test_the_gateway_is_not_named_as_a_bypass(main: Template, stack: str) -> None:
    """The roles that sign the gateway's calls, its own and that of attribution, are those whose calls are metered."""
    _, roles = main["Resources"][stack]["Properties"]["Parameters"]["MeteredRoles"]["Fn::Join"]
    assert {"Fn::GetAtt": ["GatewayRole", "Arn"]} in roles
    nothing = {"Ref": "AWS::NoValue"}
    assert {"Fn::If": ["AssumesAttributionRole", {"Fn::GetAtt": ["UseCaseRole", "Arn"]}, nothing]} in roles


def test_patterns_are_those_of_the_main_stack(main: Template, nested: Template) -> None:
    """What one stack takes the other takes too, so that a deployment does not fail half-way."""
    pairs = {
        "InvocationLogGroup": "ReconcileInvocationLogGroup",
        "MeteredRoles": "MeteredRoles",
        "AlarmShare": "ReconcileAlarmShare",
        "AlarmTopicArn": "AlarmTopicArn",
        "LogRetentionDays": "LogRetentionDays",
        "Namespace": "Namespace",
        "Architecture": "Architecture",
    }
    for inner, outer in pairs.items():
        ours, theirs = nested["Parameters"][inner], main["Parameters"][outer]
        for rule in ("AllowedPattern", "AllowedValues", "MinValue", "MaxValue", "Type"):
            assert ours.get(rule) == theirs.get(rule), inner
    joined = "arn:aws:iam::123456789012:role/meter-GatewayRole-1A2B"
    assert re.fullmatch(nested["Parameters"]["MeteredRoles"]["AllowedPattern"], joined)


def statements(nested: Template) -> list[Template]:
    """Give every statement of the role, those under a condition too."""
    policies = nested["Resources"]["ReconcileRole"]["Properties"]["Policies"]
    plain = [policy["Fn::If"][1] if "Fn::If" in policy else policy for policy in policies]
    return [statement for policy in plain for statement in policy["PolicyDocument"]["Statement"]]


def test_the_role_reads_metrics_and_names_its_logs(nested: Template) -> None:
    """The function reads metrics and the one log group, writes its own lines, and may do nothing else."""
    by_resource: dict[str, set[str]] = {}
    for statement in statements(nested):
        by_resource.setdefault(str(statement["Resource"]), set()).update(as_list(statement["Action"]))
    assert by_resource.pop("*") == MANAGED | TRACES | {"logs:GetQueryResults"}
    assert by_resource.pop(str({"Fn::GetAtt": ["ReconcileLogGroup", "Arn"]})) == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    ((resource, actions),) = by_resource.items()
    assert actions == {"logs:StartQuery"}
    assert "log-group:${InvocationLogGroup}:*" in resource


def test_the_function_is_there_and_may_take_as_long_as_its_query(nested: Template) -> None:
    """Handler and code exist, every variable is a setting, lines go out as text, and a failed run is not repeated."""
    (function,) = resources(nested, "AWS::Serverless::Function").values()
    assert function["Handler"] == f"{app.__name__}.{app.lambda_handler.__name__}"
    assert (REPOSITORY / "infra" / function["CodeUri"] / "reconcile" / "app.py").resolve().is_file()
    known = {value for name, value in vars(config).items() if name.isupper() and isinstance(value, str)}
    variables = function["Environment"]["Variables"]
    assert {name for name in variables if not name.startswith("AWS_ENDPOINT_URL_")} <= known
    assert function["LoggingConfig"]["LogFormat"] == "Text"
    assert function["EventInvokeConfig"] == {"MaximumRetryAttempts": 0}
    assert function["Timeout"] == 600
    assert function["Events"]["Hourly"]["Properties"]["Schedule"] == "cron(20 * * * ? *)"


def test_the_log_group_keeps_nothing_for_ever(nested: Template) -> None:
    """Its retention is the stack's."""
    (group,) = resources(nested, "AWS::Logs::LogGroup").values()
    assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_the_alarm_looks_at_a_series_that_is_emitted(nested: Template) -> None:
    """The alarm's metric has the alarm's dimensions in the table of metrics, and it exists only with a threshold."""
    alarm = nested["Resources"]["UnmeteredAlarm"]
    properties = alarm["Properties"]
    assert alarm["Condition"] == "HasAlarm"
    directive = metrics.DIRECTIVES["reconciliation"]
    assert properties["MetricName"] in directive.metrics
    assert tuple(each["Name"] for each in properties["Dimensions"]) in directive.dimension_sets


def test_parameters_are_described_and_bounded(nested: Template) -> None:
    """Every parameter says what it is for and takes only what can work."""
    for name, parameter in nested["Parameters"].items():
        assert len(parameter["Description"]) > len(name), name
        assert parameter.keys() & {"AllowedValues", "AllowedPattern", "MinValue"}, name
        if "AllowedPattern" in parameter and "Default" in parameter:
            assert re.fullmatch(parameter["AllowedPattern"], parameter["Default"]), name


def test_the_central_view_is_linked(main: Template) -> None:
    """The outputs lead to CloudWatch's own dashboards of Lambda, API Gateway and DynamoDB."""
    links = [main["Outputs"][f"{name}Dashboard"]["Value"]["Fn::Sub"] for name in ("Lambda", "ApiGateway", "DynamoDB")]
    assert [link.rpartition(":dashboards/")[2] for link in links] == ["Lambda", "ApiGateway", "DynamoDB"]
    assert all(link.startswith("https://${AWS::Region}.console.aws.amazon.com/cloudwatch/") for link in links)
