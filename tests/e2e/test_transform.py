"""What SAM makes of the template, and what it builds."""

import json
import os
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.sam_local import REPOSITORY

pytestmark = pytest.mark.e2e

# These run with the Python of the `sam` command. The first is what `sam validate` does: the transform that
# CloudFormation runs. The second is how `sam deploy` packs what `sam build` has built.
TRANSFORM = """
import sys
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

template = yaml_parse(sys.stdin.read())
print(SamTemplateValidator(template, managed_policy_loader=None, region="us-east-1").get_translated_template_if_valid())
"""
PACK = """
import sys
from samcli.lib.package.utils import make_zip_with_lambda_permissions

make_zip_with_lambda_permissions(sys.argv[1], sys.argv[2])
"""

MISSPELT = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: s3://bucket/key
      Events:
        Any: { Type: Api, Properties: { Path: /x, Method: ANY, ResponseTransferMode: %s } }
"""


def with_sams_python(program: str, *arguments: str, given: str = "") -> str:
    """Run a program with the Python of the `sam` command; give what it prints."""
    python = Path(os.environ["E2E_SAM"]).with_name("python")
    command = [str(python), "-c", program, *arguments]
    run = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def transformed(template: str) -> Mapping[str, Any]:
    """Give the CloudFormation resources that a SAM template stands for."""
    resources: Mapping[str, Any] = yaml.safe_load(with_sams_python(TRANSFORM, given=template))["Resources"]
    return resources


def integrations(resources: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give every integration of every API."""
    for resource in resources.values():
        if resource["Type"] == "AWS::ApiGateway::RestApi":
            for path in resource["Properties"]["Body"]["paths"].values():
                for method in path.values():
                    yield method["x-amazon-apigateway-integration"]


def streams(integration: Mapping[str, Any]) -> bool:
    """Tell whether an integration streams: it says so, and its URI is that of Lambda's streaming action."""
    uri = integration["uri"]["Fn::Sub"]
    streaming_action = ":lambda:path/2021-11-15/functions/" in uri and uri.endswith("/response-streaming-invocations")
    return integration.get("responseTransferMode") == "STREAM" and streaming_action


def test_the_integration_streams() -> None:
    """After the transform, every method of the API streams for up to 15 minutes, and the API has no binary types."""
    resources = transformed((REPOSITORY / "template.yaml").read_text(encoding="utf-8"))
    found = list(integrations(resources))
    assert found
    assert all(streams(one) for one in found)
    assert {one["timeoutInMillis"] for one in found} == {900_000}
    assert not any("x-amazon-apigateway-binary-media-types" in json.dumps(one) for one in resources.values())


def test_api_gateway_may_invoke_the_function() -> None:
    """The transform gives API Gateway lambda:InvokeFunction, which InvokeWithResponseStream asks for, on every path."""
    resources = transformed((REPOSITORY / "template.yaml").read_text(encoding="utf-8"))
    permissions = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::Lambda::Permission"]
    (permission,) = [one for one in permissions if one["FunctionName"] == {"Ref": "GatewayFunction"}]
    assert permission["Action"] == "lambda:InvokeFunction"
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert "/*/*" in json.dumps(permission["SourceArn"])


@pytest.mark.parametrize(("word", "expected"), [("STREAM", False), ("RESPONSE_STREAM", True)])
def test_the_check_knows_a_buffered_integration(word: str, *, expected: bool) -> None:
    """SAM takes the wrong word on an event without complaint and buffers; the check above would say so."""
    (integration,) = integrations(transformed(MISSPELT % word))
    assert streams(integration) is expected


def test_the_wrapper_stays_executable(tmp_path: Path) -> None:
    """`sam build` and the packing of `sam deploy` leave the wrapper of the streaming loop as it is, and executable."""
    built = Path(os.environ["E2E_BUILD_DIR"]) / "GatewayFunction"
    with_sams_python(PACK, str(tmp_path / "function"), str(built))
    with zipfile.ZipFile(tmp_path / "function.zip") as package:
        wrapper = package.getinfo("streaming-bootstrap")
        assert (wrapper.external_attr >> 16) & 0o111 == 0o111
        assert package.read(wrapper) == (REPOSITORY / "src" / "streaming-bootstrap").read_bytes()
