"""CloudFormation templates for tests: read with long-form functions, and asked about what is in them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]

type Template = Mapping[str, Any]


class CloudFormationLoader(yaml.SafeLoader):
    """Reads a template; ``!Ref X`` becomes ``{"Ref": "X"}`` and ``!Sub X`` becomes ``{"Fn::Sub": "X"}``."""


def construct_function(loader: CloudFormationLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """Give the long form of a CloudFormation short form."""
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


CloudFormationLoader.add_multi_constructor("!", construct_function)


def load(path: Path) -> Template:
    """Read a template with long-form functions."""
    text = path.read_text(encoding="utf-8")
    loaded: Template = yaml.load(text, CloudFormationLoader)  # noqa: S506 - a SafeLoader of ours
    return loaded


def has_aliases(path: Path) -> bool:
    """Tell whether a template has YAML anchors or aliases, which CloudFormation does not read."""
    tokens = yaml.scan(path.read_text(encoding="utf-8"), CloudFormationLoader)
    return any(isinstance(token, yaml.AliasToken | yaml.AnchorToken) for token in tokens)


def resources(template: Template, kind: str) -> dict[str, Mapping[str, Any]]:
    """Give the properties of every resource of one type, by logical id."""
    return {name: one["Properties"] for name, one in template["Resources"].items() if one["Type"] == kind}


def environments(template: Template) -> Iterator[Mapping[str, Any]]:
    """Give the environment variables that functions get: the common ones and each function's own."""
    yield template.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    for function in resources(template, "AWS::Serverless::Function").values():
        yield function.get("Environment", {}).get("Variables", {})


def statements(template: Template) -> list[Mapping[str, Any]]:
    """Give every statement of the identity policies of the template."""
    documents = [policy["PolicyDocument"] for policy in resources(template, "AWS::IAM::ManagedPolicy").values()]
    for kind in ("AWS::IAM::RolePolicy", "AWS::IAM::Policy"):
        documents += [policy["PolicyDocument"] for policy in resources(template, kind).values()]
    for role in resources(template, "AWS::IAM::Role").values():
        documents += [policy["PolicyDocument"] for policy in role.get("Policies", [])]
    return [statement for document in documents for statement in document["Statement"]]


def actions(template: Template) -> set[str]:
    """Give every action that an identity policy of the template allows."""
    return {action for statement in statements(template) for action in as_list(statement["Action"])}


def on_everything(template: Template) -> set[str]:
    """Give the actions that are allowed on every resource."""
    return {
        action
        for statement in statements(template)
        if "*" in as_list(statement["Resource"])
        for action in as_list(statement["Action"])
    }


def as_list(value: Any) -> list[Any]:
    """Give what may be one thing or a list of things as a list."""
    return value if isinstance(value, list) else [value]
