"""infra/prices.yaml, the stack within the stack that watches prices, and how the main template includes it."""

import re
from datetime import date

import pytest
from tests.cloudformation import (
    REPOSITORY,
    Template,
    actions,
    as_list,
    environments,
    has_aliases,
    load,
    on_everything,
    resources,
    statements,
)

from bedrock_meter import config
from bedrock_meter.config import Settings
from bedrock_meter.metrics import DIRECTIVES, PRICE_DRIFT, SERVICE
from pricewatch import places

NAME = "infra/prices.yaml"


@pytest.fixture(scope="module")
def nested() -> Template:
    """The nested template."""
    return load(REPOSITORY / NAME)


@pytest.fixture(scope="module")
def parent() -> Template:
    """The main template."""
    return load(REPOSITORY / "template.yaml")


def test_it_is_off_unless_asked_for(parent: Template) -> None:
    """Without the parameter there is no stack, no right to read a book, and no place to look for one."""
    assert parent["Parameters"]["PriceWatch"]["Default"] == "off"
    assert parent["Conditions"]["WatchesPrices"] == {"Fn::Equals": [{"Ref": "PriceWatch"}, "on"]}
    assert {parent["Resources"][name]["Condition"] for name in ("Prices", "ApprovedPricesPolicy")} == {"WatchesPrices"}
    variables = parent["Resources"]["GatewayFunction"]["Properties"]["Environment"]["Variables"]
    condition, on, off = variables["BEDROCK_METER_PRICES_URL"]["Fn::If"]
    assert (condition, off) == ("WatchesPrices", "")
    assert on == {"Fn::GetAtt": ["Prices", "Outputs.ApprovedPrices"]}


def test_the_parent_passes_every_parameter(parent: Template, nested: Template) -> None:
    """Each parameter that has no default is given, and none that is not there."""
    application = resources(parent, "AWS::Serverless::Application")["Prices"]
    assert application["Location"] == NAME
    needed = {name for name, one in nested["Parameters"].items() if "Default" not in one}
    assert needed <= application["Parameters"].keys() <= nested["Parameters"].keys()


def test_the_parent_reads_outputs_that_are_there(parent: Template, nested: Template) -> None:
    """What the gateway and its policy take from the nested stack is among its outputs."""
    text = (REPOSITORY / "template.yaml").read_text(encoding="utf-8")
    assert (
        set(re.findall(r"Prices\.Outputs\.(\w+)", text))
        == nested["Outputs"].keys()
        == {
            "ApprovedPrices",
            "ProposedPrices",
            "BooksArn",
        }
    )
    assert parent["Outputs"]["ApprovedPrices"]["Condition"] == "WatchesPrices"


def test_the_bucket_is_private_encrypted_and_keeps_versions(nested: Template) -> None:
    """Books are encrypted, versioned, closed to the public and to plain HTTP, and stay when the stack goes."""
    (bucket,) = resources(nested, "AWS::S3::Bucket").values()
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert nested["Resources"]["Books"]["DeletionPolicy"] == "Retain"
    (policy,) = resources(nested, "AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_only_proposals_expire(nested: Template) -> None:
    """The lifecycle reaches the folder of proposals, where the function writes, and not the approved book."""
    (bucket,) = resources(nested, "AWS::S3::Bucket").values()
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["Prefix"] == f"{places.PROPOSED}/"


def test_the_function_proposes_and_cannot_approve(nested: Template) -> None:
    """It reads the approved book and writes proposals; no action is a wildcard."""
    assert actions(nested) == {
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
        "lambda:InvokeFunction",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    }
    assert on_everything(nested) == {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    written = [one["Resource"] for one in statements(nested) if "s3:PutObject" in as_list(one["Action"])]
    assert written == [{"Fn::Sub": f"${{Books.Arn}}/{places.PROPOSED}/*"}]


def test_the_gateway_reads_the_book_that_is_approved(parent: Template, nested: Template) -> None:
    """The place that it is told and the one that it may read are the same, and it may write none."""
    approved = nested["Outputs"]["ApprovedPrices"]["Value"]["Fn::Sub"]
    assert approved == "s3://${Books}/approved/prices.json"
    (function,) = resources(nested, "AWS::Serverless::Function").values()
    assert function["Environment"]["Variables"]["BEDROCK_METER_PRICES_URL"] == {"Fn::Sub": approved}
    policy = resources(parent, "AWS::IAM::RolePolicy")["ApprovedPricesPolicy"]
    read, listing = policy["PolicyDocument"]["Statement"]
    assert (read["Action"], listing["Action"]) == ("s3:GetObject", "s3:ListBucket")
    assert read["Resource"]["Fn::Sub"].endswith("/approved/prices.json")


def test_logs_are_kept_for_as_long_as_the_parent_says(nested: Template) -> None:
    """The function writes text to a group of its own, whose retention is the deployment's."""
    (group,) = resources(nested, "AWS::Logs::LogGroup").values()
    assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    (function,) = resources(nested, "AWS::Serverless::Function").values()
    assert function["LoggingConfig"] == {"LogGroup": {"Ref": "PriceWatchLogGroup"}, "LogFormat": "Text"}
    assert "Policies" not in function
    assert function["Tracing"] == "Active"


def test_the_alarms_watch_metrics_that_exist(nested: Template) -> None:
    """Drift is alarmed by the metric and the dimension that the function writes, and so is a run that failed."""
    drift, failed = resources(nested, "AWS::CloudWatch::Alarm").values()
    (directive,) = [one for one in DIRECTIVES.values() if PRICE_DRIFT in one.metrics]
    assert drift["MetricName"] == PRICE_DRIFT
    assert [each["Name"] for each in drift["Dimensions"]] == [SERVICE]
    assert directive.dimension_sets == ((SERVICE,),)
    assert (failed["Namespace"], failed["MetricName"]) == ("AWS/Lambda", "Errors")
    for alarm in (drift, failed):
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
        assert alarm["Period"] * alarm["EvaluationPeriods"] == 86_400


def test_it_runs_daily(nested: Template) -> None:
    """The schedule is a day, and the schedule's role may invoke this function alone."""
    (function,) = resources(nested, "AWS::Serverless::Function").values()
    (event,) = function["Events"].values()
    assert event["Properties"]["ScheduleExpression"] == "rate(1 day)"
    invoke = [one["Resource"] for one in statements(nested) if one["Action"] == "lambda:InvokeFunction"]
    assert invoke == [{"Fn::GetAtt": ["PriceWatchFunction", "Arn"]}]


def test_its_settings_are_valid(nested: Template) -> None:
    """The function sets no variable that nothing reads, and those that it sets make settings."""
    known = {value for name, value in vars(config).items() if name.isupper() and isinstance(value, str)}
    declared = {name for environment in environments(nested) for name in environment}
    assert declared <= known
    settings = Settings.from_env({"BEDROCK_METER_PRICES_URL": "s3://stack-prices-books-1a2b3c/approved/prices.json"})
    assert settings.prices_url is not None
    assert places.proposed_at(settings.prices_url, date(2026, 11, 25)).bucket == settings.prices_url.bucket


def test_its_parameters_are_described_and_bounded(nested: Template) -> None:
    """Every parameter says what it is for and takes only values that can work; there are no YAML aliases."""
    for name, parameter in nested["Parameters"].items():
        assert len(parameter["Description"]) > len(name), name
        assert parameter.keys() & {"AllowedValues", "AllowedPattern", "MinValue"}, name
    assert not has_aliases(REPOSITORY / NAME)
