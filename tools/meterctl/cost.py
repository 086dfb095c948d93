"""``meterctl cost``: what tokens cost, by the price book and the arithmetic that prices records."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import click

from bedrock_meter import modelid, pricing
from bedrock_meter.domain import Scope, Usage, UsageSource
from bedrock_meter.pricing import PriceBook, RateCard
from meterctl.prices.options import Day, book_option, today
from pricewatch import book
from pricewatch.book import text
from pricewatch.errors import PriceDataError

COUNT = click.IntRange(min=0, max=10**9)
MILLION = Decimal(1_000_000)


@click.command()
@click.option("--model", required=True, metavar="ID", help="A model id, or a profile such as us.anthropic.…")
@click.option("--input", "tokens_in", type=COUNT, default=0, help="Input tokens, without those of the cache.")
@click.option("--output", type=COUNT, default=0, help="Output tokens.")
@click.option("--cache-read", type=COUNT, default=0, help="Input tokens read from the cache.")
@click.option("--cache-write-5m", type=COUNT, default=0, help="Input tokens written to the cache for 5 minutes.")
@click.option("--cache-write-1h", type=COUNT, default=0, help="Input tokens written to the cache for 1 hour.")
@click.option("--region", default="us-east-1", show_default=True, envvar="AWS_REGION", help="Where it is called.")
@click.option("--scope", type=click.Choice(book.SCOPES), help="Instead of the one that the id says.")
@click.option("--tier", type=click.Choice(book.TIERS), default="default", show_default=True, help="The service tier.")
@click.option("--day", type=Day(), default=today, help="The day of the call; today when left out.")
@book_option
def cost(  # noqa: PLR0913 - one argument an option
    *,
    model: str,
    tokens_in: int,
    output: int,
    cache_read: int,
    cache_write_5m: int,
    cache_write_1h: int,
    region: str,
    scope: str | None,
    tier: str,
    day: date,
    book_file: Path,
) -> None:
    """Work out what one call costs, in US dollars."""
    usage = Usage(
        input=tokens_in,
        output=output,
        cache_read=cache_read,
        cache_write_5m=cache_write_5m,
        cache_write_1h=cache_write_1h,
        source=UsageSource.ESTIMATE,
    )
    asked = modelid.parse(model, region)
    if scope is not None:
        asked = replace(asked, scope=Scope(scope))
    prices = PriceBook.from_json(book_file.read_text(encoding="utf-8"))
    card = prices.rate_card(
        asked, day=day, tier=tier, total_input=tokens_in + cache_read + cache_write_5m + cache_write_1h
    )
    if card is None:
        raise PriceDataError(f"unpriced: the book has no row for {model} in {region}, {tier} tier, on {day}")
    total = pricing.cost(usage, card)
    if total is None:
        raise PriceDataError(f"unpriced: {_missing(usage, card)} of {model} has no rate in {card.row}")
    _print(usage, card, total)


def _missing(usage: Usage, card: RateCard) -> str:
    return ", ".join(name for name, count in _buckets(usage) if count and name not in card.rates)


def _buckets(usage: Usage) -> list[tuple[str, int]]:
    names = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    return [(name, getattr(usage, name) or 0) for name in names]


def _print(usage: Usage, card: RateCard, total: Decimal) -> None:
    for name, count in _buckets(usage):
        if count:
            rate = card.rates[name]
            click.echo(f"{name:<15}{count:>15,} x {text(rate):>10} / 1M = {text(count * rate / MILLION):>16}")
    click.echo(f"{'total':<15}{'USD':>35} {text(total):>16}")
    click.echo(f"row            {card.row}, checked {card.checked}, {card.source}")
