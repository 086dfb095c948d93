"""The shape of the repository: what is public, what may sit where, and that every setting is documented."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bedrock_meter
from bedrock_meter import config
from bedrock_meter.config import Settings

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "bedrock_meter"
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (LAYER, ROOT / "src", ROOT / "tools")
    for path in folder.rglob("*.py")
)
SETTINGS = {value for name, value in vars(config).items() if name.isupper() and isinstance(value, str)}
ROW = re.compile(r"\| `(?P<name>\w+)` \| (?P<default>[^|]+) \| (?P<meaning>[^|]+) \|")


def settings_table() -> dict[str, str]:
    """Give the default of each setting as the documentation states it."""
    rows = ROW.finditer((ROOT / "docs" / "settings.md").read_text(encoding="utf-8"))
    return {row["name"]: row["default"].strip("`") for row in rows}


def test_importing_the_library_does_not_import_botocore() -> None:
    """A function that has no use for botocore does not pay for it."""
    code = "import json, sys, bedrock_meter; json.dump(sorted(sys.modules), sys.stdout)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(LAYER)},
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = {name.partition(".")[0] for name in json.loads(result.stdout)}
    assert "bedrock_meter" in loaded
    assert not loaded & {"boto3", "botocore", "aws_lambda_powertools", "gateway", "meterctl"}


def test_the_public_names() -> None:
    """The list of public names is sorted, and each of them is there."""
    names = bedrock_meter.__all__
    assert names == sorted(names)
    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(bedrock_meter, name)] == []
    assert re.fullmatch(r"\d+\.\d+\.\d+", bedrock_meter.__version__)


def test_every_public_name_says_what_it_is() -> None:
    """A public class or function has a docstring of its own."""
    documented = [name for name in bedrock_meter.__all__ if name != "__version__"]
    assert [name for name in documented if not getattr(bedrock_meter, name).__doc__] == []


def test_the_layer_folder_holds_only_the_package() -> None:
    """What sits in this folder is deployed: the package, the wrapper beside it, and not the Makefile that lays them."""
    found = {path.name for path in LAYER.iterdir() if path.name != "__pycache__"}
    assert found == {"bedrock_meter", "bedrock-meter", "Makefile"}
    files = {path.suffix for path in (LAYER / "bedrock_meter").rglob("*") if path.is_file()}
    assert files - {".pyc"} <= {".py", ".typed", ".json"}


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_long(module: str) -> None:
    """A module of more than 300 lines is asking to be split."""
    assert len((ROOT / module).read_text(encoding="utf-8").splitlines()) <= 300


def test_every_setting_is_documented() -> None:
    """The table has a row for each setting, and none for what is no setting."""
    assert len(SETTINGS) >= 9
    assert settings_table().keys() == SETTINGS | {"AWS_REGION", "AWS_DEFAULT_REGION"}


@pytest.mark.parametrize("setting", sorted(SETTINGS))
def test_documented_defaults_are_the_real_ones(setting: str) -> None:
    """Setting a variable to its documented default changes nothing; "none" is a default of none."""
    stated = settings_table()[setting]
    field = setting.removeprefix("BEDROCK_METER_").lower()
    if stated == "none" or setting == config.UPSTREAM_URL:
        assert not getattr(Settings(), field)
    else:
        assert Settings.from_env({setting: stated}) == Settings()


def test_settings_are_read_nowhere_else() -> None:
    """Only the configuration knows the names of the settings."""
    for module in MODULES:
        if module.startswith(("layers", "src")) and not module.endswith("/config.py"):
            assert not re.search(r"[\"']BEDROCK_METER_\w+[\"']", (ROOT / module).read_text(encoding="utf-8")), module
