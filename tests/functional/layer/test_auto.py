"""Metering with no line changed: ``python -m bedrock_meter.auto``, and the wrapper of the built layer."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.builders import a_limit
from tests.contract.limits.stores import client_of as dynamodb_client
from tests.contract.limits.stores import make_table
from tests.functional.layer.clients import CLAUDE

from bedrock_meter.adapters.dynamoregistry import DynamoRegistry
from bedrock_meter.limits import Unit
from bedrock_meter.registry import UseCase
from meterctl.simulate import Simulator

LAYER = Path("layers/bedrock_meter")

# A function as its author wrote it: a session of its own beside the default one, and a client of another service.
FUNCTION = f"""
import boto3, botocore.session, sys

def handler(event):
    clients = [
        boto3.client("bedrock-runtime"),
        boto3.session.Session().client("bedrock-runtime"),
        botocore.session.get_session().create_client("bedrock-runtime"),
    ]
    boto3.client("s3")
    messages = [{{"role": "user", "content": [{{"text": event}}]}}]
    clients[0].converse(modelId={CLAUDE!r}, messages=messages)
    clients[1].converse(modelId={CLAUDE!r}, messages=messages)
    return list(clients[2].converse_stream(modelId={CLAUDE!r}, messages=messages)["stream"])[-1]

if __name__ == "__main__":
    print("ANSWER", "metadata" in handler("hello"), sys.argv[1:])
"""


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the layer as `sam build` does: its Makefile, on a copy of its folder."""
    copied, artifacts = tmp_path_factory.mktemp("scratch") / "layer", tmp_path_factory.mktemp("opt")
    shutil.copytree(LAYER, copied)
    command = ["make", "--silent", "build-LibraryLayer", f"ARTIFACTS_DIR={artifacts}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run(command, cwd=copied, env=environment, check=True, timeout=60)
    return artifacts


@pytest.fixture
def function(tmp_path: Path) -> Path:
    """Write the function of an application."""
    path = tmp_path / "function.py"
    path.write_text(FUNCTION)
    return path


def run(command: Sequence[object], simulator: Simulator, **settings: str | None) -> subprocess.CompletedProcess[str]:
    """Run a command with the simulator as Bedrock."""
    environment: dict[str, str | None] = {
        **os.environ,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": simulator.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        **settings,
    }
    return subprocess.run(
        [str(part) for part in command],
        env={name: value for name, value in environment.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def lines_of(result: subprocess.CompletedProcess[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Take the EMF lines and the other lines of a run that went well."""
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    return [json.loads(line) for line in lines if line[:1] == "{"], [line for line in lines if line[:1] != "{"]


def test_a_script_is_metered_unchanged(simulator: Simulator, function: Path) -> None:
    """Clients of every session are metered, streams too; the script gets its arguments and prints what it prints."""
    command = [sys.executable, "-m", "bedrock_meter.auto", function, "a", "--b"]
    records, printed = lines_of(run(command, simulator, BEDROCK_METER_USE_CASE="batch"))

    assert printed == ["ANSWER True ['a', '--b']"]
    assert [record["UseCase"] for record in records] == ["batch"] * 3
    assert all(record["OutputTokenCount"] > 0 for record in records)


def test_a_module_is_metered_unchanged(simulator: Simulator, function: Path) -> None:
    """``-m module`` runs a module as Python does."""
    command = [sys.executable, "-m", "bedrock_meter.auto", "-m", function.stem, "a"]
    records, printed = lines_of(
        run(command, simulator, BEDROCK_METER_USE_CASE="batch", PYTHONPATH=str(function.parent))
    )

    assert (len(records), printed) == (3, ["ANSWER True ['a']"])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "BEDROCK_METER_USE_CASE is not set"),
        ({"BEDROCK_METER_USE_CASE": "two words"}, "BEDROCK_METER_USE_CASE: 'two words'"),
        ({"BEDROCK_METER_USE_CASE": "batch", "BEDROCK_METER_DRAIN_SECONDS": "soon"}, "BEDROCK_METER_DRAIN_SECONDS"),
    ],
    ids=["missing", "bad name", "bad number"],
)
def test_wrong_settings_stop_nothing(simulator: Simulator, function: Path, settings: dict[str, str], told: str) -> None:
    """A setting that is missing or wrong is told once for all clients, and the calls count as ``other``."""
    result = run([sys.executable, "-m", "bedrock_meter.auto", function], simulator, **settings)
    records, printed = lines_of(result)

    assert printed == ["ANSWER True []"]
    assert [record["UseCase"] for record in records] == ["other"] * 3
    assert result.stderr.count(told) == len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [[], ["-m"], ["--help"], ["no-such-file.py"]])
def test_bad_usage_is_told(simulator: Simulator, arguments: list[str]) -> None:
    """Without a program to run it says so and ends with status 2."""
    result = run([sys.executable, "-m", "bedrock_meter.auto", *arguments], simulator)

    assert result.returncode == 2
    assert "usage" in result.stderr or "no-such-file.py" in result.stderr


def test_a_program_keeps_its_exit_status(simulator: Simulator, tmp_path: Path) -> None:
    """A program that leaves with a status leaves with that status."""
    (tmp_path / "leaves.py").write_text("raise SystemExit(7)")

    assert run([sys.executable, "-m", "bedrock_meter.auto", tmp_path / "leaves.py"], simulator).returncode == 7


def test_importing_the_library_does_not_import_botocore(simulator: Simulator) -> None:
    """Neither the package nor its automatic part pulls botocore in."""
    program = "import sys, bedrock_meter, bedrock_meter.auto; print('botocore' in sys.modules)"

    assert lines_of(run([sys.executable, "-c", program], simulator))[1] == ["False"]


def test_the_built_layer_holds_the_package_and_the_wrapper(opt: Path) -> None:
    """At the top lie the wrapper, which may be executed, and ``python/`` with the package alone; no build leftovers."""
    assert sorted(path.name for path in opt.iterdir()) == ["bedrock-meter", "python"]
    assert os.access(opt / "bedrock-meter", os.X_OK)
    assert [path.name for path in (opt / "python").iterdir()] == ["bedrock_meter"]

    def sources(package: Path) -> set[Path]:
        return {path.relative_to(package) for path in package.rglob("*.py")}

    assert sources(opt / "python/bedrock_meter") == sources(LAYER / "bedrock_meter")
    assert not list(opt.rglob("__pycache__"))


def runtime(function: Path) -> list[object]:
    """Give the command line of a Lambda runtime: an interpreter and a program that loads the function.

    Where tests run, the library is installed; in a function it comes from the layer only. The program takes the
    installed one off the path, and says in its last line which one metered.
    """
    bootstrap = function.with_name("bootstrap.py")
    bootstrap.write_text(
        "import os, sys\n"
        f"sys.path[:] = [entry for entry in sys.path if entry != {str(LAYER.resolve())!r}]\n"
        "import function\n"
        "print('ANSWER', 'metadata' in function.handler('hello'))\n"
        "print(getattr(sys.modules.get('bedrock_meter'), '__file__', None))\n"
    )
    return [sys.executable, bootstrap]


def library_in(opt: Path) -> str:
    """Give the file of the layer's library."""
    return str((opt / "python/bedrock_meter/__init__.py").resolve())


def test_the_wrapper_meters_a_function(opt: Path, simulator: Simulator, function: Path) -> None:
    """Through the wrapper of the built layer every client of a function is metered, with no line of it changed."""
    result = run([opt / "bedrock-meter", *runtime(function)], simulator, BEDROCK_METER_USE_CASE="batch")
    records, printed = lines_of(result)

    assert printed == ["ANSWER True", library_in(opt)]
    assert [record["UseCase"] for record in records] == ["batch"] * 3
    assert result.stderr == ""


def test_without_the_wrapper_nothing_is_metered(simulator: Simulator, function: Path) -> None:
    """The same runtime without the wrapper leaves no line: what the other tests see comes from the wrapper."""
    records, printed = lines_of(run(runtime(function), simulator))

    assert (records, printed) == ([], ["ANSWER True", "None"])


def test_the_limits_of_a_table_reach_a_function(
    opt: Path, simulator: Simulator, function: Path, dynamodb_url: str
) -> None:
    """With a table name a function has its limits, by one DynamoDB client for all of its Bedrock clients."""
    with closing(dynamodb_client(dynamodb_url)) as client:
        table = make_table(client)
        registry = DynamoRegistry(client.send, table)
        registry.add(UseCase(name="summarizer"))
        registry.add(a_limit("2", unit=Unit.REQUESTS))
    function.write_text(
        "from botocore import handlers\nfrom botocore.exceptions import ClientError\nimport bedrock_meter\n"
        "def count(**_): print('DYNAMODB')\n"
        "handlers.BUILTIN_HANDLERS.append(('creating-client-class.dynamodb', count))\n"
        "def handler(event):\n"
        "    try:\n"
        "        with bedrock_meter.use_case('summarizer'): calls(event)\n"
        "    except ClientError as error:\n"
        "        print(isinstance(error, bedrock_meter.BudgetExceeded), error.response['Error']['Code'])\n"
        "    return ''\n" + FUNCTION.replace("def handler", "def calls")
    )
    settings = {"BEDROCK_METER_USE_CASE": "batch", "BEDROCK_METER_TABLE": table}
    result = run([opt / "bedrock-meter", *runtime(function)], simulator, **settings)
    records, printed = lines_of(result)

    assert printed == ["DYNAMODB", "True ServiceQuotaExceededException", "ANSWER False", library_in(opt)]
    calls = [(record["UseCase"], record["status"]) for record in records if "status" in record]
    assert calls == [("summarizer", "ok"), ("summarizer", "ok"), ("summarizer", "denied")]
    assert [record["BudgetUsed"] for record in records if record.get("Limit")] == [50, 100]


@pytest.mark.parametrize("before", [None, "/a:/b"])
def test_the_wrapper_leaves_no_trace(opt: Path, simulator: Simulator, tmp_path: Path, before: str | None) -> None:
    """Path, environment and arguments of the program are as without it, and nothing is imported ahead of time."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, json\n"
        "modules = [name for name in sys.modules if name.startswith(('bedrock_meter', 'boto'))]\n"
        "print('SEEN', json.dumps([sys.path, os.environ.get('PYTHONPATH'), sys.argv[1:], modules]))\n"
    )
    command = [sys.executable, program, "a b"]

    with_it, without = (
        lines_of(run([*wrapper, *command], simulator, PYTHONPATH=before))[1]
        for wrapper in ([opt / "bedrock-meter"], [])
    )
    assert with_it == without != []


def test_another_sitecustomize_still_runs(opt: Path, simulator: Simulator, tmp_path: Path, function: Path) -> None:
    """A sitecustomize of another layer, which ours stands before, runs as if ours were not there."""
    (tmp_path / "sitecustomize.py").write_text("print('OTHER', __name__)")

    records, printed = lines_of(run([opt / "bedrock-meter", *runtime(function)], simulator, PYTHONPATH=str(tmp_path)))
    assert (len(records), printed) == (3, ["OTHER sitecustomize", "ANSWER True", library_in(opt)])


def test_looking_botocore_up_does_not_disarm(opt: Path, simulator: Simulator, tmp_path: Path, function: Path) -> None:
    """A tool that only asks where botocore's modules are, as tracers do, leaves the metering in place."""
    function.write_text("import importlib.util; importlib.util.find_spec('botocore.handlers')\n" + FUNCTION)

    records, _ = lines_of(run([opt / "bedrock-meter", *runtime(function)], simulator, HOME=str(tmp_path)))
    assert len(records) == 3


def test_a_broken_layer_stops_nothing(opt: Path, simulator: Simulator, function: Path, tmp_path: Path) -> None:
    """If the library cannot be imported, the function runs unmetered and one line says so."""
    broken = tmp_path / "broken"
    shutil.copytree(opt, broken)
    (broken / "python/bedrock_meter/auto.py").write_text("raise RuntimeError")

    result = run([broken / "bedrock-meter", *runtime(function)], simulator, PYTHONPATH=str(broken / "python"))
    assert lines_of(result) == ([], ["ANSWER True", library_in(broken)])
    assert result.stderr.splitlines() == ["bedrock-meter: calls are not metered (RuntimeError)"]
