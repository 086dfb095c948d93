"""An approved price book, taken up by a running gateway: real exchanges with a stand-in for S3."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from threading import Event

import pytest
from tests.books import a_row, as_json
from tests.builders import CLAUDE_US, REGION
from tests.functional.gateway.stub import Reply, StubUpstream, http, sends, sends_then_closes, sends_then_resets

from awshttp.credentials import EnvironmentCredentials
from bedrock_meter.adapters.pricebook import PriceBookFile, packaged_book
from bedrock_meter.config import Settings
from bedrock_meter.endpoints import S3Object
from bedrock_meter.modelid import parse
from gateway import app
from gateway.approved import APPROVED_PRICES_FAULT, ApprovedPrices, from_s3

PLACE = S3Object("price-books", "approved/prices.json")
NEW = as_json([a_row(rates={"input": "1", "output": "2"})], version="2099-01-01")
OLD = as_json([a_row(rates={"input": "1", "output": "2"})], version="2020-01-01")
DAY = date(2026, 11, 25)


class Failures:
    """Takes the failures, and tells when one has come."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.came = Event()

    def __call__(self, code: str, error: BaseException) -> None:
        """Take one."""
        del error
        self.codes.append(code)
        self.came.set()


def found(text: str, etag: str = '"1"') -> Reply:
    """Answer with a book, and close the connection as a fetch does."""
    return sends(http(200, {"ETag": etag, "Connection": "close"}, text.encode()))


@pytest.fixture
def s3() -> Iterator[StubUpstream]:
    """A stand-in for S3."""
    with StubUpstream() as stub:
        yield stub


def prices(s3: StubUpstream, failures: Callable[[str, BaseException], None], every: float = 1e9) -> ApprovedPrices:
    """Give prices that look at the stand-in, over the packaged book."""
    credentials = EnvironmentCredentials("AKIDEXAMPLE", "secret", "token")
    ask = from_s3(PLACE, region=REGION, credentials=lambda: credentials, endpoint=s3.url)
    return ApprovedPrices(PriceBookFile(None, failures), ask, every=every, failed=failures)


def rate(pricer: ApprovedPrices) -> str:
    """Give the input rate of Claude by what is known now."""
    card = pricer.rate_card(parse(CLAUDE_US, REGION), day=DAY, tier=None, total_input=1)
    assert card is not None
    return str(card.rates["input"])


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what happens in the background; the code itself never waits."""
    pause = Event()
    for _ in range(500):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("it did not happen")


def test_an_approved_book_is_taken_up_and_asked_for_by_its_etag(s3: StubUpstream) -> None:
    """The first look finds it by a signed request; later ones ask whether it has changed, and keep it when not."""
    s3.replies_with(found(NEW), sends(http(304, {"ETag": '"1"', "Connection": "close"}, b"")))
    failures = Failures()
    pricer = prices(s3, failures, every=0)
    assert rate(pricer) == "3.3"
    eventually(lambda: rate(pricer) == "1")
    eventually(lambda: rate(pricer) == "1" and len(s3.seen) > 2)
    first, second = s3.seen[0], s3.seen[-1]
    assert (first.method, first.target) == ("GET", "/price-books/approved/prices.json")
    assert f"/{REGION}/s3/aws4_request" in (first.header("authorization") or "")
    assert first.header("if-none-match") is None
    assert second.header("if-none-match") == '"1"'
    assert rate(pricer) == "1"
    assert failures.codes == []


def test_it_is_looked_for_once_in_a_while(s3: StubUpstream) -> None:
    """However many calls are priced in between, there is one question."""
    s3.replies_with(found(NEW))
    pricer = prices(s3, Failures())
    for _ in range(5):
        rate(pricer)
    eventually(lambda: rate(pricer) == "1")
    assert len(s3.seen) == 1


def test_a_changed_book_takes_the_place_of_the_last(s3: StubUpstream) -> None:
    """Another ETag is another book."""
    newer = as_json([a_row(rates={"input": "9", "output": "9"})], version="2099-01-02")
    s3.replies_with(found(NEW), found(newer, '"2"'))
    pricer = prices(s3, Failures(), every=0)
    eventually(lambda: rate(pricer) == "9")


def test_before_anything_is_approved_nothing_is_wrong(s3: StubUpstream) -> None:
    """Not found is an answer, not a fault."""
    s3.replies_with(sends(http(404, {"Connection": "close"}, b"<Error/>")), found(NEW))
    failures = Failures()
    pricer = prices(s3, failures, every=0)
    eventually(lambda: rate(pricer) == "1")
    assert failures.codes == []


def test_a_packaged_book_that_is_newer_is_kept(s3: StubUpstream) -> None:
    """After a deployment that brings a newer book, an approval from before is of the past."""
    s3.replies_with(found(OLD), sends(http(304, {"Connection": "close"}, b"")))
    pricer = prices(s3, Failures(), every=0)
    eventually(lambda: rate(pricer) == "3.3" and len(s3.seen) > 2)
    assert rate(pricer) == "3.3"


@pytest.mark.parametrize(
    "reply",
    [
        sends(http(403, {"Connection": "close"}, b"<Error/>")),
        sends(http(500, {"Connection": "close"}, b"")),
        found("no book"),
        found(NEW.replace('"2"', '"-2"')),
        found(NEW.replace('"2"', '"3"')),
        found(as_json([a_row()], schema=2)),
        sends_then_closes(http(200, {}, NEW.encode()[:100], length=len(NEW))),
        sends_then_resets(b""),
        sends(b"no http\r\n\r\n"),
    ],
)
def test_whatever_is_wrong_the_book_of_before_stays(s3: StubUpstream, reply: Reply) -> None:
    """Refused, damaged, negative, of a newer schema, cut off: one fault is told, and prices are what they were."""
    s3.replies_with(reply)
    failures = Failures()
    pricer = prices(s3, failures)
    assert rate(pricer) == "3.3"
    assert failures.came.wait(10)
    assert failures.codes == [APPROVED_PRICES_FAULT]
    assert rate(pricer) == "3.3"


def test_a_wrong_book_after_a_good_one_changes_nothing(s3: StubUpstream) -> None:
    """The approved book of before stays, and the wrong one is not read again as long as it is the same."""
    unchanged = sends(http(304, {"Connection": "close"}, b""))
    s3.replies_with(found(NEW), found("no book", '"2"'), unchanged)
    failures = Failures()
    pricer = prices(s3, failures, every=0)
    eventually(lambda: rate(pricer) == "1")
    eventually(lambda: bool(rate(pricer)) and len(s3.seen) > 3)
    assert failures.codes == [APPROVED_PRICES_FAULT]
    assert s3.seen[-1].header("if-none-match") == '"2"'
    assert rate(pricer) == "1"


def test_a_gateway_looks_when_it_starts(s3: StubUpstream) -> None:
    """With the setting, a gateway asks at once, so that the book is there when the first call has its answer."""
    s3.replies_with(found(NEW))
    settings = Settings(prices_url=PLACE, region=REGION, upstream_url="http://127.0.0.1:9")
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL_S3": s3.url}
    app.build(settings, environ=environ)
    eventually(lambda: len(s3.seen) == 1)
    assert json.loads(NEW)["version"] > packaged_book().version
