"""An approved price book in S3, taken up while the gateway runs.

Asked for beside calls, at most once in a while, with the ETag of the last one, so that an unchanged book costs one
short question. A book is checked as a whole before any of it is used. Whatever goes wrong, the book of before stays.
"""

import time
from collections.abc import Callable
from datetime import date
from threading import Lock, Thread

from awshttp.credentials import Provider
from awshttp.fetch import Fetched, fetch
from bedrock_meter.adapters.pricebook import MAX_BYTES, PriceBookFile
from bedrock_meter.domain import ModelRef
from bedrock_meter.endpoints import S3Object, s3_url
from bedrock_meter.pricing import PriceBook, RateCard

APPROVED_PRICES_FAULT = "approved_prices_fault"

_OK, _UNCHANGED, _NOT_FOUND = 200, 304, 404
_SECONDS = 10.0

type Fetch = Callable[[str | None], Fetched]
"""Asks for the book, unless its ETag is still the given one."""


class ApprovedPrices:
    """A `Pricer` that prefers an approved book to another one, if it is not the older. Safe to share between threads.

    Args:
        base: The book until there is an approved one, and whenever it is newer.
        fetch: Asks for the approved book.
        every: How many seconds lie between two questions, at least.
        failed: Is told of an answer that cannot be used, by fault code and error. It must not raise.
    """

    def __init__(
        self,
        base: PriceBookFile,
        fetch: Fetch,
        *,
        every: float,
        failed: Callable[[str, BaseException], None],
    ) -> None:
        self._base = base
        self._fetch = fetch
        self._every = every
        self._failed = failed
        self._book: PriceBook | None = None
        self._etag: str | None = None
        self._asked = -float("inf")
        self._asking = False
        self._lock = Lock()

    def rate_card(self, model: ModelRef, *, day: date, tier: str | None, total_input: int) -> RateCard | None:
        """Find the row that holds for a call, see `PriceBook.rate_card`, and `look`."""
        self.look()
        return (self._book or self._base).rate_card(model, day=day, tier=tier, total_input=total_input)

    def look(self) -> None:
        """Begin to look for a newer book in the background, if it is time."""
        now = time.monotonic()
        with self._lock:
            if self._asking or now - self._asked < self._every:
                return
            self._asked, self._asking = now, True
        Thread(target=self._look, name="approved-prices", daemon=True).start()

    def _look(self) -> None:
        try:
            book = self._ask()
        except Exception as error:  # noqa: BLE001 - a thread of its own: nobody else would ever see it
            self._failed(APPROVED_PRICES_FAULT, error)
        else:
            if book is not None:
                # The packaged one is newer after a deployment that brought it.
                self._book = book if book.version >= self._base.load().version else None
        finally:
            self._asking = False

    def _ask(self) -> PriceBook | None:
        answer = self._fetch(self._etag)
        # Not found: none has been approved yet.
        if answer.status in {_UNCHANGED, _NOT_FOUND}:
            return None
        if answer.status != _OK:
            raise OSError(f"S3 answered {answer.status}")
        # Before the check, so that a book that is wrong is told of once and not read again until there is another.
        self._etag = answer.headers.get("etag")
        return PriceBook.from_json(answer.body)


def from_s3(place: S3Object, *, region: str, credentials: Provider, endpoint: str | None = None) -> Fetch:
    """Give a way to ask for an object in S3.

    Args:
        place: Which one.
        region: The Region of its bucket.
        credentials: Where the credentials come from; they need s3:GetObject on the object, and s3:ListBucket on the
            bucket, without which S3 answers 403 where nothing is.
        endpoint: Another S3 than AWS's.
    """
    url = s3_url(place, region, endpoint)

    def ask(etag: str | None) -> Fetched:
        return fetch(
            url,
            {"if-none-match": etag} if etag else {},
            service="s3",
            region=region,
            credentials=credentials(),
            seconds=_SECONDS,
            max_bytes=MAX_BYTES,
        )

    return ask
