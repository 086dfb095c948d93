"""``meterctl prices refresh`` and ``approve``, as a person runs them."""

import shutil
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mypy_boto3_s3 import S3Client
from tests.functional.prices.conftest import APPROVED
from tests.functional.prices.lists import Offer, offers, stored
from tests.pricelist import OWN, SERVICE, a_product

from bedrock_meter.endpoints import S3Object
from bedrock_meter.errors import ConfigError
from meterctl.prices.command import command
from pricewatch import book, places
from pricewatch.errors import PriceDataError

DAY = "2026-11-25"
TO = ("--to", str(APPROVED))


@pytest.fixture
def own_book(tmp_path: Path) -> Path:
    """A copy of the packaged book."""
    return Path(shutil.copy(book.PATH, tmp_path / "prices.json"))


def run(*args: str, answer: str = "") -> Result:
    """Run ``meterctl prices``."""
    return CliRunner().invoke(command, args, input=answer)


def refresh(own_book: Path, found: dict[str, Offer], *args: str) -> Result:
    """Refresh a book from a folder with these offers."""
    folder = own_book.parent / "list"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    stored(folder, found)
    return run("refresh", "--from", str(folder), "--book", str(own_book), "--day", DAY, *args)


def test_a_dry_run_shows_the_drift_and_writes_nothing(own_book: Path) -> None:
    """Changed rates with percent, what was left out and refused by reason, rows that are not listed; the book stays."""
    before = own_book.read_bytes()
    found = offers("0.0009")
    more = [a_product("Mystery-input-tokens", "1"), a_product("NovaPro-output-tokens-flex", "1", unit="1 ounce")]
    found[SERVICE] = {"us-east-1": [*found[SERVICE]["us-east-1"], *more]}
    output = refresh(own_book, found).output
    assert "11 products in 2 Regions (every Region)" in output
    (line,) = [line for line in output.splitlines() if line.startswith("amazon.nova-pro") and " * " in line]
    assert line.split() == [
        "amazon.nova-pro-v1:0",
        "*",
        "in-region",
        "default",
        "0",
        "input",
        "0.8",
        "0.9",
        "+12.5",
        "%",
    ]
    assert "2 left out: is not billed by the call" in output
    assert "1 left out: the name stands for no model that is known\n    us-east-1 USE1-Mystery" in output
    assert "1 REFUSED: the unit '1 ounce' is not known for output\n" in output
    assert "rows of the book are not in the list; they stay" in output
    assert output.splitlines()[-1] == "7 rates agree; 3 rows changed, 0 new"
    assert own_book.read_bytes() == before


def test_write_appends_rows_and_a_second_run_finds_nothing(own_book: Path) -> None:
    """Old rows stay to the letter; `build` does not take back what the list said; nothing is left to do."""
    before = book.verify(own_book.read_text(encoding="utf-8"))
    assert "prices.json written" in refresh(own_book, offers("0.0009"), "--write").output
    after = book.verify(own_book.read_text(encoding="utf-8"))
    assert [row for row in after if row in before] == before
    assert {row["valid_from"] for row in after if row not in before} == {DAY}
    again = refresh(own_book, offers("0.0009"), "--write").output
    assert "11 rates agree; 0 rows changed, 0 new" in again
    assert "written" not in again


def test_everything_is_listed_on_request(own_book: Path) -> None:
    """Without --all there are a few examples of each kind, with it there is each of them."""
    short, long = (refresh(own_book, offers(), *flags).output for flags in ((), ("--all",)))
    assert len(short.splitlines()) < 30
    assert len(long.splitlines()) > 1000


def test_a_part_of_the_list_is_said_to_be_one(own_book: Path) -> None:
    """A folder that lacks a file leaves the rows of every Region alone, and says so."""
    found = offers("0.0009")
    folder = own_book.parent / "part"
    stored(folder, found)
    (folder / OWN / "us-west-2" / "index.json").unlink()
    output = run("refresh", "--from", str(folder), "--book", str(own_book), "--day", DAY).output
    assert "part of the list" in output
    assert not any(line.startswith("amazon.nova") and " * " in line for line in output.splitlines())


def test_a_truncated_file_ends_the_command(own_book: Path) -> None:
    """The error names the file, and nothing is written."""
    folder = own_book.parent / "list"
    stored(folder, offers("0.0009"))
    file = folder / OWN / "us-east-1" / "index.json"
    file.write_bytes(file.read_bytes()[:-100])
    failed = run("refresh", "--from", str(folder), "--book", str(own_book), "--write")
    assert isinstance(failed.exception, PriceDataError)
    assert str(file) in str(failed.exception)
    assert own_book.read_bytes() == book.PATH.read_bytes()


def propose(own_book: Path, nova: str = "0.0009") -> Path:
    """Make a newer book."""
    refresh(own_book, offers(nova), "--write")
    return own_book


def test_approving_puts_the_book_where_gateways_look(s3: S3Client, own_book: Path) -> None:
    """The changes are shown, a person says yes, and the approved object is the proposed one, to the byte."""
    proposed = propose(own_book)
    place = places.proposed_at(APPROVED, date.fromisoformat(DAY))
    s3.put_object(Bucket=place.bucket, Key=place.key, Body=proposed.read_bytes())
    done = run("approve", str(place), *TO, answer="y\n")
    assert done.exit_code == 0, done.output
    assert "+12.5 %" in done.output
    assert f"approved: {APPROVED}" in done.output
    approved = places.get(s3, APPROVED)
    assert approved is not None
    assert approved.text.encode() == proposed.read_bytes()


def test_no_is_no(s3: S3Client, own_book: Path) -> None:
    """Without a yes nothing is stored."""
    assert run("approve", str(propose(own_book)), *TO, answer="n\n").exit_code == 1
    assert places.get(s3, APPROVED) is None


def test_the_next_approval_builds_on_the_last(s3: S3Client, own_book: Path) -> None:
    """A proposal that was made from an older book lacks the approved rows, and is refused."""
    assert run("approve", str(propose(own_book)), *TO, "--yes").exit_code == 0
    other = Path(shutil.copy(book.PATH, own_book.parent / "other.json"))
    refused = run("approve", str(propose(other, "0.0007")), *TO, "--yes")
    assert isinstance(refused.exception, PriceDataError)
    assert "edited" in str(refused.exception)
    same = run("approve", str(own_book), *TO, "--yes")
    assert "no newer book" in str(same.exception)
    assert places.get(s3, APPROVED) is not None


def test_somebody_faster_is_not_overwritten(s3: S3Client, own_book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between reading and writing another approval may come; S3 refuses the second."""
    read = places.in_force

    def meanwhile(client: S3Client, place: S3Object) -> tuple[str, places.Stored | None]:
        seen = read(client, place)
        s3.put_object(Bucket=place.bucket, Key=place.key, Body=b"somebody else's")
        return seen

    monkeypatch.setattr(places, "in_force", meanwhile)
    refused = run("approve", str(propose(own_book)), *TO, "--yes")
    assert isinstance(refused.exception, PriceDataError)
    assert "PreconditionFailed" in str(refused.exception)


@pytest.mark.parametrize(
    ("proposed", "told"),
    [
        ("/no/such/file.json", "cannot be read"),
        ("s3://price-books/proposed/none.json", "is not there"),
        ("s3://Bad_Bucket/x", "PROPOSED"),
    ],
)
def test_a_proposal_that_is_not_there_is_one_sentence(s3: S3Client, proposed: str, told: str) -> None:
    """Whatever was named, the error names it."""
    del s3
    refused = run("approve", proposed, *TO, "--yes")
    assert isinstance(refused.exception, PriceDataError | ConfigError)
    assert told in str(refused.exception)
