"""The nested template of the invocation log, and how the main one includes it."""

import json
import os
import re
import subprocess
import sys

import pytest
from tests.cloudformation import REPOSITORY, Template, as_list, has_aliases, load, resources, statements

from account.policy import Mode
from bedrock_meter import config
from bedrock_meter.config import Settings
from bedrock_meter.items import CATALOGUE_PK


@pytest.fixture(scope="module")
def account() -> Template:
    """The nested template."""
    return load(REPOSITORY / "infra" / "account.yaml")


@pytest.fixture(scope="module")
def main() -> Template:
    """The template that includes it."""
    return load(REPOSITORY / "template.yaml")


def test_nothing_of_the_account_is_touched_by_default(main: Template) -> None:
    """The setting is the whole account's and costs money, so a stack leaves it alone until it is told otherwise."""
    assert main["Parameters"]["InvocationLogging"]["Default"] == "off"
    stack = main["Resources"]["AccountStack"]
    assert stack["Condition"] == "MetersInvocationLog"
    assert main["Conditions"]["MetersInvocationLog"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "InvocationLogging"}, "off"]}]
    }
    assert (REPOSITORY / stack["Properties"]["Location"]).is_file()


def test_every_mode_can_be_chosen(main: Template, account: Template) -> None:
    """The modes of the templates are those that the custom resource knows, and off besides."""
    assert set(account["Parameters"]["InvocationLogging"]["AllowedValues"]) == set(Mode)
    assert set(main["Parameters"]["InvocationLogging"]["AllowedValues"]) == {*Mode, "off"}


def test_the_main_template_sets_what_the_nested_one_has(main: Template, account: Template) -> None:
    """Every parameter is passed on, but for the table, and there is none that nobody reads."""
    passed = main["Resources"]["AccountStack"]["Properties"]["Parameters"].keys()
    assert passed == account["Parameters"].keys() - {"CallsTableName"}


def test_every_parameter_is_described_and_bounded(account: Template) -> None:
    """Every parameter says what it is for and takes only values that can work; all but the layer have a default."""
    for name, parameter in account["Parameters"].items():
        assert len(parameter["Description"]) > len(name), name
        assert parameter.keys() & {"AllowedValues", "AllowedPattern"}, name
        assert ("Default" in parameter) is (name != "LayerArn"), name
        if "AllowedPattern" in parameter and "Default" in parameter:
            assert re.fullmatch(parameter["AllowedPattern"], parameter["Default"]), name


def test_the_gateways_own_calls_are_told_apart(main: Template, account: Template) -> None:
    """The role of the gateway is a metered one, and the lines of its log group are the second witness."""
    passed = main["Resources"]["AccountStack"]["Properties"]["Parameters"]
    separator, roles = passed["MeteredRoles"]["Fn::Join"]
    assert (separator, roles[0]) == (" ", {"Fn::GetAtt": ["GatewayRole", "Arn"]})
    assert passed["GatewayLogGroupName"] == {"Ref": "GatewayLogGroup"}
    subscription = resources(account, "AWS::Logs::SubscriptionFilter")["GatewaySubscription"]
    assert subscription["FilterPattern"] == "{ $.bedrock_request_id = * }"
    assert subscription["LogGroupName"] == {"Ref": "GatewayLogGroupName"}


def test_the_whole_invocation_log_is_delivered(account: Template) -> None:
    """No pattern: a line that was cut is no JSON, and a pattern of JSON members would lose it without a word."""
    subscription = resources(account, "AWS::Logs::SubscriptionFilter")["InvocationSubscription"]
    assert subscription["FilterPattern"] == ""
    assert subscription["LogGroupName"] == {"Fn::GetAtt": ["InvocationLoggingSetting", "LogGroupName"]}
    assert account["Resources"]["InvocationSubscription"]["DependsOn"] == "InvocationPermission"


def test_only_the_subscribed_groups_may_invoke_the_function(account: Template) -> None:
    """Each permission is for one log group of this account."""
    permissions = resources(account, "AWS::Lambda::Permission")
    assert len(permissions) == 2
    for permission in permissions.values():
        assert permission["Principal"] == "logs.amazonaws.com"
        assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
        assert permission["SourceArn"]["Fn::Sub"].endswith("}:*")


def test_bedrock_writes_for_this_account_alone(account: Template) -> None:
    """The role trusts Bedrock on behalf of this account and Region, and may write to one stream of one group."""
    role = account["Resources"]["DeliveryRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "bedrock.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    source = trust["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Sub"]
    assert source == "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:*"
    (policy,) = role["Policies"]
    (grant,) = policy["PolicyDocument"]["Statement"]
    assert grant["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert grant["Resource"]["Fn::Sub"].endswith(
        ":log-group:${InvocationLogGroup}:log-stream:aws/bedrock/modelinvocations"
    )


def test_the_custom_resource_has_time_to_answer(account: Template) -> None:
    """CloudFormation waits longer than the function runs, so that the function's own answer always comes first."""
    setting = account["Resources"]["InvocationLoggingSetting"]
    assert setting["Type"] == "Custom::BedrockInvocationLogging"
    timeout = account["Resources"]["AccountFunction"]["Properties"]["Timeout"]
    assert setting["Properties"]["ServiceTimeout"] > 2 * timeout


def plain(account: Template) -> list[Template]:
    """Give every statement, also those under a condition."""
    listed = [one["Fn::If"][1] if "Fn::If" in one else one for one in statements(account)]
    for policy in resources(account, "AWS::IAM::Policy").values():
        listed += policy["PolicyDocument"]["Statement"]
    return listed


def test_policies_name_their_actions_and_resources(account: Template) -> None:
    """Nothing is granted beyond what the functions do, and on everything only what has no resources to name."""
    granted = {action: one["Resource"] for one in plain(account) for action in as_list(one["Action"])}
    everywhere = {action for action, resource in granted.items() if resource == "*"}
    assert everywhere == {
        "bedrock:GetModelInvocationLoggingConfiguration",
        "bedrock:PutModelInvocationLoggingConfiguration",
        "bedrock:DeleteModelInvocationLoggingConfiguration",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    }
    assert granted.keys() - everywhere == {
        "bedrock:GetInferenceProfile",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "iam:PassRole",
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kinesis:PutRecord",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sqs:SendMessage",
    }
    (passing,) = [one for one in plain(account) if one["Action"] == "iam:PassRole"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}}
    (reading,) = [one for one in plain(account) if one["Action"] == "dynamodb:Query"]
    assert reading["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [CATALOGUE_PK]}}


def test_functions_are_traced_have_their_own_role_and_a_retention(account: Template) -> None:
    """As in the main template: each function has a role of its own and a log group that ends somewhere."""
    functions, groups = (resources(account, kind) for kind in ("AWS::Serverless::Function", "AWS::Logs::LogGroup"))
    assert account["Globals"]["Function"]["Tracing"] == "Active"
    roles = [function["Role"]["Fn::GetAtt"][0] for function in functions.values()]
    assert len(set(roles)) == len(roles) == 2
    for function in functions.values():
        assert function["LoggingConfig"]["LogFormat"] == "Text"
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups
        assert (REPOSITORY / "infra" / function["CodeUri"]).resolve() == REPOSITORY / "src"
    assert all("RetentionInDays" in group for group in groups.values())


def test_what_fails_is_kept_for_two_weeks(account: Template) -> None:
    """Single lines and whole deliveries go to one encrypted queue, which outlives the stack."""
    queue = account["Resources"]["DeadLetters"]
    assert queue["DeletionPolicy"] == "Retain"
    assert queue["Properties"] == {"MessageRetentionPeriod": 14 * 24 * 3600, "SqsManagedSseEnabled": True}
    function = account["Resources"]["LogMeterFunction"]["Properties"]
    assert function["DeadLetterQueue"]["TargetArn"] == {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    assert function["Environment"]["Variables"]["BEDROCK_METER_DEAD_LETTER_QUEUE"] == {"Ref": "DeadLetters"}


def test_the_table_forgets(account: Template) -> None:
    """The table that the log door is given has the key and the time to live that it writes."""
    table = account["Resources"]["Calls"]["Properties"]
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_the_settings_of_the_log_door_are_known_and_start(account: Template) -> None:
    """No variable is set that nothing reads, and with every parameter at its default the settings are valid."""
    variables = account["Resources"]["LogMeterFunction"]["Properties"]["Environment"]["Variables"]
    known = {value for name, value in vars(config).items() if name.isupper() and isinstance(value, str)}
    assert variables.keys() <= known
    parameters = {name: str(one.get("Default", "")) for name, one in account["Parameters"].items()}
    environ = {name: parameters[value["Ref"]] for name, value in variables.items() if value.get("Ref") in parameters}
    settings = Settings.from_env(environ)
    assert (settings.namespace, settings.metered_roles, settings.principals) == ("BedrockMeter", frozenset(), {})


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ("", True),
        ("arn:aws:iam::123456789012:role/a/Chat=chatbot", True),
        ("arn:aws:iam::1:role/A=a arn:aws:sts::*:assumed-role/B-?/x=y@z=b", True),
        ("Chat=chatbot", False),
        ("arn:aws:iam::1:role/A", False),
        ("arn:aws:iam::1:role/A=two words", False),
    ],
)
def test_principals_are_checked_before_they_are_deployed(account: Template, given: str, *, fits: bool) -> None:
    """What CloudFormation takes, the settings take too; an overlap is found when the function starts."""
    assert bool(re.fullmatch(account["Parameters"]["Principals"]["AllowedPattern"], given)) is fits
    if fits:
        Settings.from_env({"BEDROCK_METER_PRINCIPALS": given})


def test_other_accounts_are_named_one_by_one(account: Template) -> None:
    """The destination takes subscriptions of the listed accounts and no others, and is not there without a list."""
    parts = ("Stream", "Destination", "DestinationRole", "DestinationPolicy", "Mapping")
    for name in parts:
        assert account["Resources"][f"Accounts{name}"]["Condition"] == "HasSourceAccounts"
    text, values = account["Resources"]["AccountsDestination"]["Properties"]["DestinationPolicy"]["Fn::Sub"]
    separator, listed = values["Accounts"]["Fn::Join"]
    assert listed == {"Ref": "SourceAccounts"}
    policy = json.loads(text.replace("${Accounts}", separator.join(["111111111111", "222222222222"])))
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"AWS": ["111111111111", "222222222222"]}
    assert statement["Action"] == "logs:PutSubscriptionFilter"
    assert statement["Resource"].endswith(":destination:${AWS::StackName}-invocations")


def test_records_of_other_accounts_are_tried_again_one_by_one(account: Template) -> None:
    """The function names the records that failed, and Lambda is told to listen."""
    mapping = account["Resources"]["AccountsMapping"]["Properties"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_custom_resource_needs_no_layer(account: Template) -> None:
    """Its function has none, so its code may not import the library: a stack could not be made or deleted then."""
    assert "Layers" not in account["Resources"]["AccountFunction"]["Properties"]
    program = "import sys, account.app; print([name for name in sys.modules if name.startswith('bedrock_meter')])"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"


def test_the_template_has_no_yaml_aliases() -> None:
    """CloudFormation does not read YAML anchors and aliases."""
    assert not has_aliases(REPOSITORY / "infra" / "account.yaml")
