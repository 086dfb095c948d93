"""CloudFormation templates as tests read them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


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


def load(path: Path) -> Mapping[str, Any]:
    """Read a template with long-form functions."""
    loaded: Mapping[str, Any] = yaml.load(path.read_text(encoding="utf-8"), CloudFormationLoader)  # noqa: S506 - a SafeLoader of ours
    return loaded


def resources(template: Mapping[str, Any], kind: str) -> dict[str, Mapping[str, Any]]:
    """Give the properties of every resource of one type, by logical id."""
    return {name: one["Properties"] for name, one in template["Resources"].items() if one["Type"] == kind}


def statements(template: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give every statement of the identity policies of the template."""
    documents = [policy["PolicyDocument"] for policy in resources(template, "AWS::IAM::ManagedPolicy").values()]
    for role in resources(template, "AWS::IAM::Role").values():
        documents += [policy["PolicyDocument"] for policy in role.get("Policies", [])]
    return [statement for document in documents for statement in document["Statement"]]


def as_list(value: Any) -> list[Any]:
    """Give what may be one thing or a list of things as a list."""
    return value if isinstance(value, list) else [value]
