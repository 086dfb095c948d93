"""Where offer files come from: the site over HTTP, and a folder."""

import json
import socket
from pathlib import Path

import pytest
from tests.functional.gateway.stub import StubUpstream, http, sends, sends_then_closes
from tests.functional.prices.lists import offers, served, stored
from tests.pricelist import OWN, an_index
from urllib3.util import Retry

from pricewatch import sources
from pricewatch.errors import PriceDataError
from pricewatch.sources import Folder, Site


def test_the_site_is_asked_for_every_region_of_every_offer(site: StubUpstream) -> None:
    """The index of each offer, then each file that it names, in turn and without credentials."""
    site.replies_with(*served(offers()))
    source = Site(site.url)
    found = list(source)
    assert source.whole
    assert [json.loads(text)["offerCode"] for _, text in found] == [
        *["AmazonBedrock"] * 2,
        *["AmazonBedrockFoundationModels"] * 2,
        "AmazonBedrockService",
    ]
    assert [seen.target for seen in site.seen][:2] == [
        "/offers/v1.0/aws/AmazonBedrock/current/region_index.json",
        found[0][0],
    ]
    assert not any(seen.header("authorization") for seen in site.seen)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (http(403, {}, b"<Error/>"), "answered 403"),
        (http(301, {"Location": "http://127.0.0.1:1/"}, b""), "answered 301"),
        (http(200, {}, b"no index"), "no index of Regions"),
        (http(200, {}, b'{"regions": {}}'), "without Regions"),
        (http(200, {}, json.dumps({"regions": {"us-east-1": {"currentVersionUrl": "//evil/"}}}).encode()), "outside"),
    ],
)
def test_an_answer_that_is_none_ends_the_run(site: StubUpstream, answer: bytes, told: str) -> None:
    """An error status, a redirect, or an index that names no files of the list: one error that names the path."""
    site.replies_with(sends(answer))
    with pytest.raises(PriceDataError, match=told):
        list(Site(site.url))


def test_a_file_that_breaks_off_ends_the_run(site: StubUpstream) -> None:
    """Half a file is no file."""
    index = http(200, {}, json.dumps(an_index(OWN, ["us-east-1"])).encode())
    site.replies_with(sends(index), sends_then_closes(http(200, {}, b'{"offerCode"', length=500)))
    with pytest.raises(PriceDataError, match="cannot be reached"):
        list(Site(site.url))


def test_a_site_that_is_not_there_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its retries the error says what could not be had, and no address."""
    monkeypatch.setattr(sources, "_RETRIES", Retry(total=1, backoff_factor=0))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(PriceDataError, match="cannot be reached") as caught:
        list(Site(f"http://127.0.0.1:{port}"))
    assert "127.0.0.1" not in str(caught.value)


def test_a_file_beyond_belief_is_refused(site: StubUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file larger than the bound is not held in memory, from either source."""
    monkeypatch.setattr(sources, "MAX_BYTES", 10)
    site.replies_with(sends(http(200, {}, b"x" * 100)))
    with pytest.raises(PriceDataError, match="larger than"):
        list(Site(site.url))
    (tmp_path / "a.json").write_bytes(b"x" * 100)
    with pytest.raises(PriceDataError, match="larger than"):
        list(Folder(tmp_path))


def test_a_folder_is_whole_when_its_indexes_say_so(tmp_path: Path) -> None:
    """With every file that the three indexes name it is the whole list; with one less, or without an index, a part."""
    folder = stored(tmp_path, offers())
    assert Folder(folder).whole
    assert len(list(Folder(folder))) == 5
    (folder / OWN / "us-west-2" / "index.json").unlink()
    assert not Folder(folder).whole
    (folder / OWN / "region_index.json").unlink()
    assert not Folder(folder).whole


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """The error names the folder."""
    with pytest.raises(PriceDataError, match="no offer files"):
        Folder(tmp_path)
