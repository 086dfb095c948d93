"""The source is one file out of a package whose hash is pinned; the package is never installed or imported."""

import zipfile
from pathlib import Path

import pytest

from meterctl.prices import wheel
from pricewatch.errors import PriceDataError

WANTED = ("some-table", "some_table/prices.json")


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock that pins one package."""
    path = tmp_path / "prices.lock"
    path.write_text("some-table==1.2.3 \\\n    --hash=sha256:00\n", encoding="utf-8")
    return path


def put(folder: Path, version: str, member: str) -> None:
    """Put a wheel into a folder."""
    with zipfile.ZipFile(folder / f"some_table-{version}-py3-none-any.whl", "w") as file:
        file.writestr(member, '{"a": 1}')


def test_the_member_of_the_pinned_version_is_read(tmp_path: Path, lock: Path) -> None:
    """An older wheel in the same folder is not taken for it."""
    put(tmp_path, "1.2.2", "some_table/old.json")
    put(tmp_path, "1.2.3", "some_table/prices.json")
    assert wheel.read(lock, tmp_path, WANTED) == wheel.Member("some-table 1.2.3", '{"a": 1}')


def test_what_is_not_there_is_named(tmp_path: Path, lock: Path) -> None:
    """No pin, no wheel, no such file in it: each has its own message."""
    with pytest.raises(PriceDataError, match="does not pin other"):
        wheel.read(lock, tmp_path, ("other", "x"))
    with pytest.raises(PriceDataError, match=r"some-table 1\.2\.3 is not in"):
        wheel.read(lock, tmp_path, WANTED)
    put(tmp_path, "1.2.3", "some_table/else.json")
    with pytest.raises(PriceDataError, match=r"has no some_table/prices\.json"):
        wheel.read(lock, tmp_path, WANTED)
