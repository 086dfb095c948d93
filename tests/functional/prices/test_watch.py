"""The function that compares daily, against a stand-in for the list and an S3 on this machine."""

import io
import json
from contextlib import redirect_stdout
from datetime import UTC, datetime
from typing import Any

import pytest
from mypy_boto3_s3 import S3Client
from tests.functional.gateway.stub import StubUpstream, http, sends
from tests.functional.prices.conftest import APPROVED
from tests.functional.prices.lists import Offer, offers, served

from bedrock_meter.errors import ConfigError
from bedrock_meter.pricing import PriceBook
from pricewatch import app, book, places
from pricewatch.errors import PriceDataError
from pricewatch.sources import Site

TODAY = datetime.now(UTC).date()


@pytest.fixture(autouse=True)
def deployed(monkeypatch: pytest.MonkeyPatch, s3: S3Client, site: StubUpstream) -> None:
    """The environment of the deployed function; the list is the stand-in's."""
    del s3
    monkeypatch.setenv("BEDROCK_METER_PRICES_URL", str(APPROVED))
    monkeypatch.setenv("BEDROCK_METER_SERVICE", "meter-test")
    monkeypatch.setattr(app, "Site", lambda: Site(site.url))


def run() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run the function; give what it returns and the lines that it prints."""
    with redirect_stdout(io.StringIO()) as written:
        summary = app.lambda_handler({}, None)
    return summary, [json.loads(line) for line in written.getvalue().splitlines()]


def metric(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the one metric line."""
    (line,) = [line for line in lines if "_aws" in line]
    return line


def test_a_changed_price_is_measured_and_proposed(s3: S3Client, site: StubUpstream) -> None:
    """The drift is one metric line; the book that agrees lies among the proposals and nowhere else."""
    site.replies_with(*served(offers("0.0009")))
    summary, lines = run()
    line = metric(lines)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["Service"]]
    assert line["Service"] == "meter-test"
    assert line["PriceDrift"] == summary["rows_changed"] + summary["rows_new"] > 0
    place = places.proposed_at(APPROVED, TODAY)
    assert summary["proposed"] == str(place)
    proposed = places.get(s3, place)
    assert proposed is not None
    rows = book.verify(proposed.text)
    packaged = book.verify(book.PATH.read_text(encoding="utf-8"))
    assert [row for row in rows if row in packaged] == packaged
    assert PriceBook.from_json(proposed.text).version == TODAY.isoformat()
    assert places.get(s3, APPROVED) is None


def test_no_drift_is_measured_too(s3: S3Client, site: StubUpstream) -> None:
    """Agreement is a metric of 0, so that its absence means something, and nothing is proposed."""
    site.replies_with(*served(offers()))
    summary, lines = run()
    assert metric(lines)["PriceDrift"] == 0
    assert (summary["proposed"], summary["rates_agreed"]) == (None, 11)
    assert s3.list_objects_v2(Bucket=APPROVED.bucket)["KeyCount"] == 0


def test_an_approved_book_is_what_the_list_is_held_against(s3: S3Client, site: StubUpstream) -> None:
    """Once the proposal is approved, the same list is no drift any more."""
    site.replies_with(*served(offers("0.0009")))
    summary, _ = run()
    s3.copy_object(
        Bucket=APPROVED.bucket,
        Key=APPROVED.key,
        CopySource=summary["proposed"].removeprefix("s3://"),
    )
    site.replies_with(*served(offers("0.0009")))
    _, lines = run()
    assert metric(lines)["PriceDrift"] == 0


def test_a_refused_product_counts_as_drift_and_is_logged(site: StubUpstream, caplog: pytest.LogCaptureFixture) -> None:
    """A price that cannot be right is not compared, and a person hears of it."""
    found = offers("-1")
    site.replies_with(*served(found))
    _, lines = run()
    assert metric(lines)["PriceDrift"] == 2
    assert any("'-1'" in str(vars(record).get("product")) for record in caplog.records)


def test_a_list_that_nobody_understands_fails_the_run(s3: S3Client, site: StubUpstream) -> None:
    """When nothing maps, the list has changed its form: no metric of 0, no proposal, but an error."""
    nothing: dict[str, Offer] = {code: {region: [] for region in regions} for code, regions in offers().items()}
    site.replies_with(*served(nothing))
    with redirect_stdout(io.StringIO()) as written, pytest.raises(PriceDataError, match="none of 0 products"):
        app.lambda_handler({}, None)
    assert "PriceDrift" not in written.getvalue()
    assert s3.list_objects_v2(Bucket=APPROVED.bucket)["KeyCount"] == 0


def test_a_site_that_fails_fails_the_run(site: StubUpstream) -> None:
    """An error of the list is the function's, so that its alarm sees it."""
    site.replies_with(sends(http(404, {}, b"")))
    with pytest.raises(PriceDataError, match="answered 404"):
        app.lambda_handler({}, None)


def test_a_damaged_approved_book_fails_the_run(s3: S3Client) -> None:
    """What the gateways would refuse is not compared with anything."""
    s3.put_object(Bucket=APPROVED.bucket, Key=APPROVED.key, Body=b"{}")
    with pytest.raises(PriceDataError):
        app.lambda_handler({}, None)


def test_the_place_of_the_book_has_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the setting."""
    monkeypatch.delenv("BEDROCK_METER_PRICES_URL")
    with pytest.raises(ConfigError, match="BEDROCK_METER_PRICES_URL"):
        app.lambda_handler({}, None)
