"""Metered US dollars against billed ones, by day, model and kind of tokens. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from bedrock_meter.errors import MeterError
from meterctl.reconcile.spend import Key, Metered
from meterctl.reconcile.usagetype import Kind, kind, matcher, model_id, model_name


class BillError(MeterError):
    """A bill cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """One entry of the bill."""

    day: date
    """UTC, as AWS bills."""
    product: str
    """The product's name, or the service's."""
    usage_type: str
    principal: str | None
    """The ARN of who called; None where the bill does not tell."""
    usd: Decimal
    """At the list price and before credits, but with negotiated prices: the unblended cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Both sides of one day, model and kind."""

    day: date
    model: str
    """The foundation model's id; what the bill calls it where no id is known for that."""
    kind: Kind
    usage_types: tuple[str, ...]
    """The usage types of the bill that are in it; empty where only the meter knows it."""
    metered: Decimal
    billed: Decimal

    @property
    def percent(self) -> Decimal | None:
        """By how many percent the metered side is above the bill; None where nothing was billed."""
        return percent(self.metered, self.billed)


def percent(metered: Decimal, billed: Decimal) -> Decimal | None:
    """Give by how many percent the metered side is above the bill; None where nothing was billed."""
    return 100 * (metered - billed) / billed if billed else None


def compare(metered: Metered, bill: Iterable[Billed], *, models: Iterable[str]) -> list[Compared]:
    """Join both sides; sorted by day, model and kind.

    Args:
        metered: What `spend.metered` gave.
        bill: The entries of the bill.
        models: Known model ids, by which the names of the bill are told.
    """
    ids = matcher({*models, *(model for _, model, _ in metered.usd)})
    billed: dict[Key, Decimal] = {}
    types: dict[Key, set[str]] = {}
    for entry in bill:
        key = (entry.day, model_id(model_name(entry.usage_type, entry.product), ids), kind(entry.usage_type))
        billed[key] = billed.get(key, Decimal(0)) + entry.usd
        types.setdefault(key, set()).add(entry.usage_type)
    nothing = Decimal(0)
    return [
        Compared(
            day=key[0],
            model=key[1],
            kind=key[2],
            usage_types=tuple(sorted(types.get(key, ()))),
            metered=metered.usd.get(key, nothing),
            billed=billed.get(key, nothing),
        )
        for key in sorted({*metered.usd, *billed})
    ]


def by_principal(bill: Sequence[Billed]) -> Mapping[str, Decimal]:
    """Sum the bill up by who called, the dearest first; empty where the bill does not tell."""
    found: dict[str, Decimal] = {}
    for entry in bill:
        if entry.principal is not None:
            found[entry.principal] = found.get(entry.principal, Decimal(0)) + entry.usd
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
