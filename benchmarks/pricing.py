"""What a price costs: the lookup and the cost of one call, and the loading of the price book, by CPU time."""

import json
import statistics
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle

from benchmarks.measure import Row, Target, interleaved, report

from bedrock_meter.adapters.pricebook import PACKAGED
from bedrock_meter.charge import charge
from bedrock_meter.domain import Call, Operation, Usage, UsageSource
from bedrock_meter.modelid import parse
from bedrock_meter.pricing import PriceBook
from bedrock_meter.usage import Reading

TARGET_MICROSECONDS = 15.0
TARGET_MILLISECONDS = 5.0
PROFILE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def a_call(model: str = PROFILE) -> Call:
    """Give a call of today's traffic."""
    return Call(
        id="0a6a6d3e-17c4-4b39-8a0e-6d4d3f5c1a01",
        operation=Operation.INVOKE_MODEL,
        model=parse(model, "us-east-1"),
        received_at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
    )


def readings(count: int) -> list[Reading]:
    """Give answers with every bucket and counts that differ; every fifth one is in the long-context band."""
    return [
        Reading(
            usage=Usage(
                input=400 + number,
                output=180 + number,
                cache_read=1800 if number % 5 else 250_000,
                cache_write_5m=number,
                cache_write_1h=256,
                source=UsageSource.HEADER,
            )
        )
        for number in range(count)
    ]


def by_hand(reading: Reading, rates: Mapping[str, Decimal]) -> Decimal:
    """Compute a cost as one would on paper."""
    usage = reading.usage
    assert usage is not None
    return sum((getattr(usage, name) * rate for name, rate in rates.items()), Decimal(0)) / 1_000_000


def check_answer(book: PriceBook) -> None:
    """Fail unless costs are those of the book's own rates, from both ways of reading it."""
    call, whole = a_call(), PriceBook.from_json(PACKAGED.read_bytes())
    assert call.model is not None
    for reading in readings(10):
        usage = reading.usage
        assert usage is not None
        size = (usage.input or 0) + (usage.cache_read or 0) + (usage.cache_write or 0)
        card = whole.rate_card(call.model, day=call.received_at.date(), tier=None, total_input=size)
        assert card is not None
        assert charge(call, reading, {}, book) == (by_hand(reading, card.rates), card.row)


def milliseconds(work: Callable[[], object], *, runs: int) -> list[float]:
    """Give the CPU time of single runs, in milliseconds."""
    return [time / 1000 for time in interleaved({"": work}, batches=runs, calls=1, warm_up=3)[""]]


def load_and_price() -> object:
    """Do what the first priced call of a process does: read the file, find the model, price it."""
    return charge(a_call(), readings(1)[0], {}, PriceBook.packaged(PACKAGED.read_bytes()))


def main() -> None:
    """Check, measure, print."""
    text = PACKAGED.read_bytes()
    book = PriceBook.packaged(text)
    check_answer(book)
    call, answers = a_call(), cycle(readings(512))
    calls = interleaved({"one": lambda: charge(call, next(answers), {}, book)}, batches=100, calls=1000, warm_up=2000)[
        "one"
    ]
    report(
        "The price of one call",
        "µs of CPU per call",
        [Row(name="row looked up, cost computed", samples=calls)],
        [Target(name="median", value=statistics.median(calls), limit=TARGET_MICROSECONDS, unit=" µs")],
    )
    other = json.dumps(json.loads(text)).encode()
    first = milliseconds(load_and_price, runs=50)
    lines = milliseconds(lambda: PriceBook.from_json(text), runs=50)
    as_json = milliseconds(lambda: PriceBook.from_json(other), runs=50)
    report(
        f"Loading the price book ({len(text):,} bytes)",
        "ms of CPU",
        [
            Row(name="packaged book, read and first call priced", samples=first),
            Row(name="another book, checked as a whole", samples=lines),
            Row(name="the same, not one row on a line", samples=as_json),
        ],
        [
            Target(name="packaged book, median", value=statistics.median(first), limit=TARGET_MILLISECONDS, unit=" ms"),
            Target(name="another book, median", value=statistics.median(lines), limit=TARGET_MILLISECONDS, unit=" ms"),
        ],
    )


if __name__ == "__main__":
    main()
