"""Make the functions of a nested stack runnable by `sam local`.

A stack below `infra/` gets the layer as a parameter, as CloudFormation wants it. `sam local` looks for a layer in the
stack of the function alone and stops with "LibraryLayer is an Invalid Layer Arn" (aws-sam-cli 1.170). Here the built
stack gets the built layer as a resource of its own; nothing else of it changes.

``python -m tests.e2e.nested BUILD_DIR STACK`` does it for runs by hand, and prints the path of the template.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml
from tests.cloudformation import load, resources

LAYER = "LibraryLayer"


def with_the_layer(build: Path, stack: str) -> Path:
    """Write a template beside that of a built stack.

    Args:
        build: Where `sam build` has built to.
        stack: The logical id of the nested stack.

    Returns:
        The template for ``sam local --template``.
    """
    parameters = resources(load(build / "template.yaml"), "AWS::Serverless::Application")[stack]["Parameters"]
    (passed,) = [name for name, value in parameters.items() if value == {"Ref": LAYER}]
    template: dict[str, Any] = dict(load(build / stack / "template.yaml"))
    del template["Parameters"][passed]
    for function in resources(template, "AWS::Serverless::Function").values():
        if "Layers" in function:
            assert function["Layers"] == [{"Ref": passed}], function["Layers"]
            function["Layers"][:] = [{"Ref": LAYER}]
    template["Resources"][LAYER] = {
        "Type": "AWS::Serverless::LayerVersion",
        "Properties": {"ContentUri": f"../{LAYER}", "CompatibleRuntimes": ["python3.13"]},
    }
    written = build / stack / "local.yaml"
    written.write_text(yaml.safe_dump(template, sort_keys=False), encoding="utf-8")
    return written


def main() -> None:
    """Write one template."""
    parser = argparse.ArgumentParser(description="Make the functions of a nested stack runnable by `sam local`.")
    parser.add_argument("build", type=Path, help="where `sam build` has built to: .aws-sam/build")
    parser.add_argument("stack", help="the stack: AccountStack, Prices or Reconciliation")
    arguments = parser.parse_args()
    sys.stdout.write(f"{with_the_layer(arguments.build, arguments.stack)}\n")


if __name__ == "__main__":
    main()
