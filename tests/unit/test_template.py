import json
import re

import pytest
from tests.builders import an_ask
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
from bedrock_meter.budget import place
from bedrock_meter.caller import Auth
from bedrock_meter.config import Settings
from bedrock_meter.items import CATALOGUE_PK
from gateway.deployment import DEPLOYMENT_PK


@pytest.fixture(scope="module")
def template() -> Template:
    """The template with long-form functions."""
    return load(REPOSITORY / "template.yaml")


def test_the_api_is_regional_and_traced(template: Template) -> None:
    """The API has a regional endpoint, or a private one where VPC endpoints are named, and X-Ray tracing."""
    api = template["Resources"]["Api"]["Properties"]
    assert api["EndpointConfiguration"] == {
        "Type": {"Fn::If": ["IsPrivate", "PRIVATE", "REGIONAL"]},
        "VPCEndpointIds": {"Fn::If": ["IsPrivate", {"Ref": "VpcEndpointIds"}, {"Ref": "AWS::NoValue"}]},
    }
    assert api["TracingEnabled"] is True


def test_functions_are_traced(template: Template) -> None:
    """Every function has active tracing by the common settings, and none overrides them."""
    assert template["Globals"]["Function"]["Tracing"] == "Active"
    assert not any("Tracing" in one for one in resources(template, "AWS::Serverless::Function").values())


def test_execution_logs_are_off(template: Template) -> None:
    """API Gateway writes no request and response bodies, in no stage and on no method."""
    (settings,) = template["Resources"]["Api"]["Properties"]["MethodSettings"]
    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert settings["DataTraceEnabled"] is False
    assert settings["LoggingLevel"] == "OFF"


def test_the_access_log_is_json_without_content(template: Template) -> None:
    """A line of the access log is a JSON object of context variables, and none of them is a header or a body."""
    setting = template["Resources"]["Api"]["Properties"]["AccessLogSetting"]
    fields = json.loads(setting["Format"])
    assert "\n" not in setting["Format"]
    assert {"requestId", "status", "responseLatency", "integrationLatency", "sourceIp", "errorType"} <= fields.keys()
    assert all(value.startswith("$context.") for value in fields.values())
    assert not any("requestOverride" in value or "responseOverride" in value for value in fields.values())


def test_every_log_group_has_a_retention(template: Template) -> None:
    """No log group keeps its lines for ever, and every function writes to one of them as text."""
    groups = resources(template, "AWS::Logs::LogGroup")
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())
    for function in resources(template, "AWS::Serverless::Function").values():
        assert function["LoggingConfig"]["LogFormat"] == "Text"
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


def test_policies_name_their_actions(template: Template) -> None:
    """No policy grants a wildcard action, and nothing beyond Bedrock, registry, price book, events, logs and traces."""
    assert actions(template) == {
        "bedrock:InvokeModel",
        "bedrock:InvokeModelWithResponseStream",
        "bedrock:CountTokens",
        "bedrock:ApplyGuardrail",
        "bedrock:InvokeGuardrailChecks",
        "bedrock:GetAsyncInvoke",
        "bedrock:ListAsyncInvokes",
        "bedrock:GetInferenceProfile",
        "s3:GetObject",
        "s3:ListBucket",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "events:PutEvents",
        "sts:AssumeRole",
        "sts:TagSession",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    }


def test_policies_name_their_resources(template: Template) -> None:
    """Only what has no resources to name is granted on everything."""
    without_resources = {"bedrock:InvokeGuardrailChecks", "bedrock:ListAsyncInvokes"}
    without_resources |= {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    assert on_everything(template) <= without_resources


def test_bedrock_is_granted_on_models_and_profiles_only(template: Template) -> None:
    """Without a list of its own a deployment may call foundation models, and models and profiles of its own account."""
    (grant,) = [one for one in statements(template) if "bedrock:CountTokens" in as_list(one["Action"])]
    condition, listed, default = grant["Resource"]["Fn::If"]
    assert (condition, listed) == ("HasModelArns", {"Ref": "AllowedModelArns"})
    prefix = "arn:${AWS::Partition}:bedrock:*:"
    assert [arn["Fn::Sub"] for arn in default] == [
        f"{prefix}:foundation-model/*",
        f"{prefix}${{AWS::AccountId}}:inference-profile/*",
        f"{prefix}${{AWS::AccountId}}:application-inference-profile/*",
        f"{prefix}${{AWS::AccountId}}:custom-model-deployment/*",
        f"{prefix}${{AWS::AccountId}}:default-prompt-router/*",
        f"{prefix}${{AWS::AccountId}}:imported-model/*",
        f"{prefix}${{AWS::AccountId}}:prompt-router/*",
        f"{prefix}${{AWS::AccountId}}:provisioned-model/*",
    ]


def test_every_function_has_a_role_of_its_own(template: Template) -> None:
    """No function takes the role that SAM would make, whose managed policy reaches every log group."""
    functions = resources(template, "AWS::Serverless::Function").values()
    roles = [function["Role"]["Fn::GetAtt"][0] for function in functions]
    assert len(set(roles)) == len(roles)
    assert all("Policies" not in function for function in functions)


def schemes(template: Template) -> Template:
    """Give the security schemes of the API."""
    components = template["Resources"]["Api"]["Properties"]["DefinitionBody"]["components"]
    found: Template = components["securitySchemes"]
    return found


def test_the_api_asks_for_a_key_unless_told_otherwise(template: Template) -> None:
    """Every route needs a gateway key by default, a SigV4 signature with IAM, and nothing with NONE alone."""
    assert template["Parameters"]["AuthMode"]["Default"] == "KEY"
    for name, mode in (("WithoutAuth", "NONE"), ("WithKeys", "KEY"), ("WithSignatures", "IAM")):
        assert template["Conditions"][name] == {"Fn::Equals": [{"Ref": "AuthMode"}, mode]}
    paths = template["Resources"]["Api"]["Properties"]["DefinitionBody"]["paths"]
    asked = {path: method["security"] for path, methods in paths.items() for method in methods.values()}
    by_key = {"/{proxy+}": "key", "/anthropic/{proxy+}": "keyInEitherHeader", "/v1/messages": "keyInEitherHeader"}
    assert asked == {
        path: [
            {"Fn::If": ["WithoutAuth", {"Ref": "AWS::NoValue"}, {"Fn::If": ["WithKeys", {scheme: []}, {"sigv4": []}]}]}
        ]
        for path, scheme in by_key.items()
    }
    assert schemes(template)["sigv4"]["x-amazon-apigateway-authtype"] == "awsSigv4"


def test_what_is_remembered_of_a_caller_hangs_on_the_header_that_decides(template: Template) -> None:
    """The cached authorizer has Authorization as its only source; the one that takes two headers remembers nothing.

    The authorizer lets Authorization alone decide where it is sent, so an answer that is remembered under its value
    cannot have been bought with another header.
    """
    condition, cached, otherwise = schemes(template)["key"]["Fn::If"]
    assert (condition, otherwise) == ("WithKeys", {"Ref": "AWS::NoValue"})
    authorizer = cached["x-amazon-apigateway-authorizer"]
    assert authorizer["type"] == "request"
    assert authorizer["identitySource"] == "method.request.header.Authorization"
    assert authorizer["authorizerResultTtlInSeconds"] == {"Ref": "AuthorizerCacheSeconds"}
    _, uncached, _ = schemes(template)["keyInEitherHeader"]["Fn::If"]
    authorizer = uncached["x-amazon-apigateway-authorizer"]
    assert authorizer["authorizerResultTtlInSeconds"] == 0
    assert "identitySource" not in authorizer


def test_the_authorizer_may_be_asked_by_this_api_only(template: Template) -> None:
    """API Gateway may invoke it for the authorizers of this API, and it may read the registry and write its log."""
    permission = template["Resources"]["AuthorizerPermission"]
    assert permission["Condition"] == "WithKeys"
    assert permission["Properties"]["SourceArn"]["Fn::Sub"].endswith(":${Api}/authorizers/*")
    role = template["Resources"]["AuthorizerRole"]["Properties"]
    assert "ManagedPolicyArns" not in role
    granted = {
        action
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
    }
    assert not any(action.startswith("bedrock:") for action in granted)
    assert {action for action in granted if action.startswith("dynamodb:")} == {"dynamodb:GetItem", "dynamodb:Query"}


def test_the_registry_outlives_the_stack(template: Template) -> None:
    """The table is kept, can be restored to a point in time, is encrypted, bills by request and drops old windows."""
    table = template["Resources"]["RegistryTable"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    properties = table["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert "TableName" not in properties


def test_an_open_api_is_bound_to_a_network(template: Template) -> None:
    """AuthMode NONE is refused without a source range or VPC endpoints, and its policy allows only these."""
    rule = template["Rules"]["NoAuthNeedsANetwork"]
    assert rule["RuleCondition"] == template["Conditions"]["WithoutAuth"]
    (assertion,) = rule["Assertions"]
    some_range = template["Conditions"]["HasSourceIp"]
    assert assertion["Assert"] == {"Fn::Or": [some_range, template["Conditions"]["IsPrivate"]]}
    condition, allowing, _ = policy_of(template)["Fn::If"]
    assert condition == "AllowsByNetwork"
    assert template["Conditions"]["AllowsByNetwork"] == {
        "Fn::Or": [{"Condition": "IsPrivate"}, {"Condition": "WithoutAuth"}]
    }
    (statement,) = allowing["Statement"]
    which, private, public = statement["Condition"]["Fn::If"]
    assert which == "IsPrivate"
    assert private["StringEquals"] == {"aws:SourceVpce": {"Ref": "VpcEndpointIds"}}
    assert public == {"IpAddress": {"aws:SourceIp": {"Ref": "AllowedSourceIp"}}}


def policy_of(template: Template) -> Template:
    """Give the resource policy of the API."""
    policy: Template = template["Resources"]["Api"]["Properties"]["DefinitionBody"]["x-amazon-apigateway-policy"]
    return policy


def test_no_policy_lets_other_accounts_sign_their_way_in(template: Template) -> None:
    """On a public API the policy only denies, and on a private one with signatures it allows this account alone."""
    _, allowing, otherwise = policy_of(template)["Fn::If"]
    condition, denying, nothing = otherwise["Fn::If"]
    assert condition == "HasSourceIp"
    assert [statement["Effect"] for statement in denying["Statement"]] == ["Deny"]
    assert nothing == {"Ref": "AWS::NoValue"}
    principal = allowing["Statement"][0]["Principal"]["Fn::If"]
    own_account = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    assert principal == ["WithSignatures", own_account, "*"]


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ("", True),
        ("arn:aws:sts::123456789012:assumed-role/chat-*/*=chatbot", True),
        ("arn:aws:iam::*:user/a=chatbot+search,arn:aws:iam::*:user/b=search", True),
        ("chatbot", False),
        ("arn:aws:iam::*:user/a", False),
        ("arn:aws:iam::*:user/a=", False),
        ("arn:aws:iam::*:user/a=two words", False),
    ],
)
def test_the_map_of_principals_is_checked_by_cloudformation(template: Template, given: str, *, fits: bool) -> None:
    """What the pattern lets through the gateway can read."""
    pattern = template["Parameters"]["PrincipalUseCases"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, given)) is fits
    if fits:
        Settings.from_env({"BEDROCK_METER_PRINCIPALS": given})


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ("", True),
        ("203.0.113.0/24", True),
        ("10.0.0.0/8", True),
        ("203.0.113.7/32", True),
        ("0.0.0.0/0", False),
        ("1.0.0.0/7", False),
        ("203.0.113.7", False),
        ("10.0.0.0/33", False),
    ],
)
def test_the_address_range_cannot_be_the_whole_internet(template: Template, given: str, *, fits: bool) -> None:
    """AllowedSourceIp takes ranges of /8 and narrower."""
    pattern = template["Parameters"]["AllowedSourceIp"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, given)) is fits


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ("arn:aws:bedrock:*::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.*", True),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12cd34ef56", True),
        ("arn:aws:bedrock:us-east-1:123456789012:imported-model/ab12cd34ef56", True),
        ("*", False),
        ("arn:aws:s3:::bucket/*", False),
        ("arn:aws:bedrock:us-east-1:123456789012:guardrail/ab12cd34ef56", False),
    ],
)
def test_only_models_and_profiles_can_be_allowed(template: Template, given: str, *, fits: bool) -> None:
    """AllowedModelArns takes ARNs of foundation models and inference profiles and nothing wider."""
    pattern = template["Parameters"]["AllowedModelArns"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, given)) is fits


def test_every_integration_streams(template: Template) -> None:
    """Each method invokes the function by Lambda's streaming action, and lets an answer take 15 minutes.

    One of the two without the other is a buffered integration, and nothing says so. What SAM makes of this file is
    looked at in `make e2e`.
    """
    paths = template["Resources"]["Api"]["Properties"]["DefinitionBody"]["paths"]
    found = [method["x-amazon-apigateway-integration"] for path in paths.values() for method in path.values()]
    assert len(found) == 3
    for integration in found:
        assert integration["type"] == "aws_proxy"
        assert integration["responseTransferMode"] == "STREAM"
        assert integration["timeoutInMillis"] == 900_000
        assert integration["uri"]["Fn::Sub"].endswith(
            ":lambda:path/2021-11-15/functions/${GatewayFunction.Arn}/response-streaming-invocations"
        )


def test_the_function_may_run_as_long_as_a_stream(template: Template) -> None:
    """By default the function runs as long as API Gateway streams; it stops reading a silent Bedrock before that."""
    parameter = template["Parameters"]["TimeoutSeconds"]
    assert parameter["Default"] == parameter["MaxValue"] == 900
    assert template["Resources"]["GatewayFunction"]["Properties"]["Timeout"] == {"Ref": "TimeoutSeconds"}
    assert Settings().read_timeout_seconds < parameter["Default"]


def test_request_bodies_arrive_as_text(template: Template) -> None:
    """The API has no binary media types: streamed answers need none, and base64 would leave room for smaller bodies."""
    assert "BinaryMediaTypes" not in template["Resources"]["Api"]["Properties"]


def test_the_wrapper_of_the_function_is_in_its_package(template: Template) -> None:
    """The wrapper that Lambda is told to start lies in the code of the function, and is an executable shell script."""
    function = template["Resources"]["GatewayFunction"]["Properties"]
    wrapper = function["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"]
    file = REPOSITORY / function["CodeUri"] / wrapper.removeprefix("/var/task/")
    assert wrapper.startswith("/var/task/")
    assert file.stat().st_mode & 0o111 == 0o111
    assert file.read_bytes().startswith(b"#!/bin/sh\n")
    assert b"\r" not in file.read_bytes()


def test_errors_of_api_gateway_name_their_exception(template: Template) -> None:
    """Answers that API Gateway gives itself carry the header that AWS SDKs read, and a JSON message."""
    answers = template["Resources"]["Api"]["Properties"]["GatewayResponses"]
    assert {"DEFAULT_4XX", "DEFAULT_5XX", "THROTTLED"} <= answers.keys()
    for answer in answers.values():
        assert re.fullmatch(r"'\w+Exception'", answer["ResponseParameters"]["Headers"]["x-amzn-ErrorType"])
        (text,) = answer["ResponseTemplates"].values()
        for variant in text["Fn::If"][1:] if isinstance(text, dict) else [text]:
            filled = variant.replace("$context.error.messageString", '"x"').replace("$context.authorizer.message", "x")
            assert list(json.loads(filled)) == ["message"]


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        ("UNAUTHORIZED", 403, "AccessDeniedException"),
        ("ACCESS_DENIED", 403, "AccessDeniedException"),
        ("AUTHORIZER_FAILURE", 503, "ServiceUnavailableException"),
        ("AUTHORIZER_CONFIGURATION_ERROR", 503, "ServiceUnavailableException"),
    ],
)
def test_a_bad_key_is_bedrocks_403(template: Template, answer: str, status: int, error: str) -> None:
    """A missing or bad key is what Bedrock says of one, and a registry that is down is something to try again."""
    found = template["Resources"]["Api"]["Properties"]["GatewayResponses"][answer]
    assert found["StatusCode"] == status
    assert found["ResponseParameters"]["Headers"]["x-amzn-ErrorType"] == f"'{error}'"


def test_a_call_without_a_key_is_told_how_to_send_one(template: Template) -> None:
    """API Gateway's own answer to a missing header names both ways, as the authorizer's does."""
    found = template["Resources"]["Api"]["Properties"]["GatewayResponses"]["UNAUTHORIZED"]
    message = json.loads(found["ResponseTemplates"]["application/json"])["message"]
    assert "AWS_BEARER_TOKEN_BEDROCK" in message
    assert "x-api-key" in message


def test_a_timeout_is_not_an_invitation_to_try_again(template: Template) -> None:
    """A call that outlasts API Gateway is answered 408: SDKs repeat a 504, and AWS would bill each repetition."""
    answer = template["Resources"]["Api"]["Properties"]["GatewayResponses"]["INTEGRATION_TIMEOUT"]
    assert answer["StatusCode"] == 408


def test_every_setting_is_one_that_the_library_knows(template: Template) -> None:
    """The template sets no variable that nothing reads."""
    known = {value for name, value in vars(config).items() if name.isupper() and isinstance(value, str)}
    declared = {name for environment in environments(template) for name in environment}
    assert {"BEDROCK_METER_NAMESPACE", "BEDROCK_METER_UPSTREAM_URL", "BEDROCK_METER_MAX_BODY_BYTES"} <= declared
    assert {name for name in declared if name.startswith("BEDROCK_METER_")} <= known


def test_the_defaults_make_a_deployment_that_starts(template: Template) -> None:
    """With every parameter at its default the settings are valid, and calls count for the default use case."""
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    parameters = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    environ = {
        name: parameters.get(value["Ref"], "made-by-the-stack") for name, value in variables.items() if "Ref" in value
    }
    settings = Settings.from_env({**environ, "AWS_REGION": "us-east-1"})
    assert settings.use_case == "default"
    assert settings.use_case_header is False
    assert settings.auth is Auth.KEY
    assert settings.table == "made-by-the-stack"
    assert settings.max_body_bytes == Settings().max_body_bytes
    assert settings.endpoint == "https://bedrock-runtime.us-east-1.amazonaws.com"


def test_the_gateway_gets_the_defaults_of_its_settings(template: Template) -> None:
    """A parameter that is left alone is the default of the setting that it is for; limits and drains can be set."""
    variables = template["Resources"]["GatewayFunction"]["Properties"]["Environment"]["Variables"]
    references = {name: value["Ref"] for name, value in variables.items() if "Ref" in value}
    limits = {"FailMode", "Unpriced", "Hold", "DefaultMaxOutputTokens", "TimeZone", "EventBus"}
    assert limits | {"ReadTimeoutSeconds", "DrainSeconds", "DrainBytes", "DeploymentVersion"} <= {*references.values()}
    parameters = template["Parameters"]
    assert Settings.from_env({name: str(parameters[of]["Default"]) for name, of in references.items()}) == Settings()


@pytest.mark.parametrize(
    ("parameter", "setting", "given"),
    [
        ("FailMode", config.FAIL_MODE, "closed"),
        ("Unpriced", config.UNPRICED, "allow"),
        ("Hold", config.HOLD, "estimate"),
        ("TimeZone", config.TIME_ZONE, "America/Argentina/Buenos_Aires"),
        ("EventBus", config.EVENT_BUS, "default"),
        ("EventBus", config.EVENT_BUS, "arn:aws:events:eu-west-1:123456789012:event-bus/budgets"),
        ("DeploymentVersion", config.VERSION, "v1.4.0-3-gab12cd3"),
    ],
)
def test_what_a_parameter_takes_its_setting_takes(template: Template, parameter: str, setting: str, given: str) -> None:
    """A value that CloudFormation lets through does not stop the gateway, and reaches it."""
    declared = template["Parameters"][parameter]
    assert given in declared.get("AllowedValues", [given])
    assert re.fullmatch(declared.get("AllowedPattern", ".*"), given)
    variables = template["Resources"]["GatewayFunction"]["Properties"]["Environment"]["Variables"]
    assert variables[setting] == {"Ref": parameter}
    settings = Settings.from_env({setting: given})
    assert given in [getattr(settings, field) for field in Settings.__slots__]


def test_events_go_to_the_named_bus_alone(template: Template) -> None:
    """Without a bus nothing may be sent; with one, to it and no other, whether it is named or is an ARN."""
    policy = template["Resources"]["BudgetEventsPolicy"]
    assert template["Conditions"][policy["Condition"]] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "EventBus"}, ""]}]}
    (grant,) = [one for one in statements(template) if "events:PutEvents" in as_list(one["Action"])]
    _, arn, named = grant["Resource"]["Fn::If"]
    assert arn == {"Ref": "EventBus"}
    assert named["Fn::Sub"].endswith(":events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBus}")


def test_writes_to_the_table_are_bound_to_their_items(template: Template) -> None:
    """The gateway may put notes of deployments only; the function with the layer counts, and reads no keys."""

    def bounds(role: str) -> dict[str, object]:
        policies = template["Resources"][role]["Properties"]["Policies"]
        found = [one for policy in policies for one in policy["PolicyDocument"]["Statement"] if "Condition" in one]
        assert all(one["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"} for one in found)
        return {one["Action"]: next(iter(one["Condition"].values())) for one in found}

    assert bounds("GatewayRole") == {"dynamodb:PutItem": {"dynamodb:LeadingKeys": [DEPLOYMENT_PK]}}
    limit, _ = place(an_ask())
    assert bounds("ExampleRole") == {
        "dynamodb:Query": {"dynamodb:LeadingKeys": [CATALOGUE_PK]},
        "dynamodb:UpdateItem": {"dynamodb:LeadingKeys": ["LIMIT#*"]},
    }
    assert limit.startswith("LIMIT#")


def test_every_parameter_is_described_and_bounded(template: Template) -> None:
    """Every parameter says what it is for, has a default, and takes only values that can work."""
    for name, parameter in template["Parameters"].items():
        assert len(parameter["Description"]) > len(name), name
        assert "Default" in parameter, name
        assert parameter.keys() & {"AllowedValues", "AllowedPattern", "MinValue"}, name
        for pattern in as_list(parameter.get("AllowedPattern", ".*")):
            assert re.fullmatch(pattern, str(parameter["Default"])), name


def test_every_parameter_is_shown_in_a_group(template: Template) -> None:
    """The console shows every parameter in a group, each once."""
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(template["Parameters"])


def test_the_template_has_no_yaml_aliases() -> None:
    """CloudFormation does not read YAML anchors and aliases, although SAM and this test's loader do."""
    assert not has_aliases(REPOSITORY / "template.yaml")


def test_the_tokenizer_layer_is_mounted_on_demand(template: Template) -> None:
    """It is off by default; on, the gateway has it beside the library, and `sam build` makes it by its own Makefile."""
    assert template["Parameters"]["Tokenizer"]["Default"] == "off"
    assert template["Conditions"]["HasTokenizer"] == {"Fn::Equals": [{"Ref": "Tokenizer"}, "on"]}
    library, tokenizer = {"Ref": "LibraryLayer"}, {"Ref": "TokenizerLayer"}
    layers = template["Resources"]["GatewayFunction"]["Properties"]["Layers"]
    assert layers == {"Fn::If": ["HasTokenizer", [library, tokenizer], [library]]}
    layer = template["Resources"]["TokenizerLayer"]
    assert (layer["Condition"], layer["Metadata"]["BuildMethod"]) == ("HasTokenizer", "makefile")
    folder = REPOSITORY / layer["Properties"]["ContentUri"]
    assert "build-TokenizerLayer:" in (folder / "Makefile").read_text(encoding="utf-8")
