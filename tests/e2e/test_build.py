"""What `sam build` has built, of the main stack and of the stacks below it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cloudformation import load, resources
from tests.e2e.sam_local import REPOSITORY

pytestmark = pytest.mark.e2e

SOURCES = REPOSITORY / "src"
LIBRARY = REPOSITORY / "layers" / "bedrock_meter" / "bedrock_meter"
PACKAGES = {path.name for path in SOURCES.iterdir() if (path / "__init__.py").is_file()}
MOST_BYTES = 250 * 1024 * 1024
"""What a function and its layers may have unzipped.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
# Imports a handler, and fails when a module of ours or of the pinned packages came from outside of the built folder.
IMPORT = """
import importlib, sys

built, module, name, *paths = sys.argv[1:]
sys.path[:0] = paths
assert callable(getattr(importlib.import_module(module), name))
files = {name: module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", None)}
ours = {"aws_lambda_powertools", "bedrock_meter", "awshttp", module.partition(".")[0]}
mine = {name: file for name, file in files.items() if name.partition(".")[0] in ours}
elsewhere = {name: file for name, file in mine.items() if not file.startswith(built)}
assert not elsewhere, elsewhere
"""
COUNT = """
import sys

from bedrock_meter.adapters.tokenizer import O200k

sys.modules["requests"] = sys.modules["regex"] = None
print(O200k(lambda code, error: sys.stderr.write(code)).count("hello world"))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A function that was built."""

    stack: str
    """The logical id of its stack; empty for the main one."""
    name: str
    """Its logical id."""
    code: Path
    """The folder of its code."""
    handler: str
    """Where Lambda starts: module and name."""
    layers: bool
    """Whether it has the layer."""

    def __str__(self) -> str:
        return f"{self.stack}/{self.name}" if self.stack else self.name


def build_dir() -> Path:
    """Give the folder that `sam build` has filled."""
    return Path(os.environ["E2E_BUILD_DIR"])


def functions_of(template: Path, stack: str = "") -> Iterator[Built]:
    """Give every function of a template, and of the templates that it names."""
    loaded = load(template)
    for name, properties in resources(loaded, "AWS::Serverless::Function").items():
        yield Built(
            stack=stack,
            name=name,
            code=template.parent / properties["CodeUri"],
            handler=properties["Handler"],
            layers="Layers" in properties,
        )
    for name, properties in resources(loaded, "AWS::Serverless::Application").items():
        yield from functions_of(template.parent / properties["Location"], name)


def files_of(folder: Path) -> Mapping[str, bytes]:
    """Give the files of a folder by their paths within it, without what Python has compiled."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_function_of_every_stack_is_built() -> None:
    """No function of the templates is missing, and each has the handler that its template names."""
    built = {(str(one), one.handler) for one in functions_of(build_dir() / "template.yaml")}
    assert built == {(str(one), one.handler) for one in functions_of(REPOSITORY / "template.yaml")}
    assert {name for name, _ in built} >= {
        "GatewayFunction",
        "AuthorizerFunction",
        "AccountStack/AccountFunction",
        "AccountStack/LogMeterFunction",
        "Prices/PriceWatchFunction",
        "Reconciliation/ReconcileFunction",
    }


def test_every_handler_is_importable_from_what_was_built() -> None:
    """With its own folder and the layer in front, every handler is found, and none of its code comes from elsewhere."""
    layer = str(build_dir() / "LibraryLayer" / "python")
    for one in functions_of(build_dir() / "template.yaml"):
        module, _, name = one.handler.rpartition(".")
        paths = [str(one.code), *([layer] if one.layers else [])]
        command = [sys.executable, "-c", IMPORT, str(build_dir()), module, name, *paths]
        run = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"AWS_DEFAULT_REGION": "us-east-1"}
        )
        assert run.returncode == 0, f"{one}: {run.stderr}"


def test_functions_hold_their_sources_and_the_pinned_packages_alone() -> None:
    """Beside the code of `src/` there is what its requirements pin, and nothing that the layer or Lambda has."""
    requirements = (SOURCES / "requirements.txt").read_text(encoding="utf-8")
    pinned = {
        name.replace("-", "_") + "-" + version
        for name, version in re.findall(r"^([\w-]+)==(\S+)", requirements, re.MULTILINE)
    }
    for one in functions_of(build_dir() / "template.yaml"):
        if one.name == "ExampleFunction":
            assert files_of(one.code) == files_of(REPOSITORY / "examples" / "layer_function")
            continue
        held = {path.name for path in one.code.iterdir()}
        assert {name.removesuffix(".dist-info") for name in held if name.endswith(".dist-info")} == pinned, one
        assert held >= {*PACKAGES, "streaming-bootstrap"}, one
        assert not held & {"bedrock_meter", "boto3", "botocore", "meterctl", "tests"}, one
        for package in PACKAGES:
            assert files_of(one.code / package) == files_of(SOURCES / package), one


def test_the_layer_holds_the_library_and_its_wrapper() -> None:
    """The whole package with the price book, the executable wrapper, and nothing else."""
    layer = build_dir() / "LibraryLayer"
    assert sorted(path.name for path in layer.iterdir()) == ["bedrock-meter", "python"]
    assert [path.name for path in (layer / "python").iterdir()] == ["bedrock_meter"]
    held = files_of(layer / "python" / "bedrock_meter")
    assert held == files_of(LIBRARY)
    assert "prices.json" in held
    assert (layer / "bedrock-meter").stat().st_mode & 0o111 == 0o111


def test_the_tokenizer_layer_serves_every_runtime() -> None:
    """It has the compiled part of each runtime and architecture of the template; with this machine's it counts."""
    python = build_dir() / "TokenizerLayer" / "python"
    properties = resources(load(REPOSITORY / "template.yaml"), "AWS::Serverless::LayerVersion")["TokenizerLayer"]
    machines = {"arm64": "aarch64", "x86_64": "x86_64"}
    assert {path.name for path in (python / "tiktoken").glob("*.so")} == {
        f"_tiktoken.cpython-{runtime.removeprefix('python').replace('.', '')}-{machines[architecture]}-linux-gnu.so"
        for runtime in properties["CompatibleRuntimes"]
        for architecture in properties["CompatibleArchitectures"]
    }
    paths = os.pathsep.join((str(build_dir() / "LibraryLayer" / "python"), str(python)))
    command = [sys.executable, "-c", COUNT]
    run = subprocess.run(command, env={"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert (run.stdout.strip(), run.stderr) == ("2", "")


def test_what_is_mounted_together_fits_into_lambda() -> None:
    """The largest function with both layers stays below what Lambda takes."""
    sizes = {
        name: sum(path.stat().st_size for path in (build_dir() / name).rglob("*") if path.is_file())
        for name in ("GatewayFunction", "LibraryLayer", "TokenizerLayer")
    }
    assert all(sizes.values()), sizes
    assert sum(sizes.values()) < MOST_BYTES, sizes
