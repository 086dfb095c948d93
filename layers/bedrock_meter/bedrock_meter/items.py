"""The registry's dataclasses as items of a table, and back. Pure, and strict on the way back.

An item is a mapping of text and lists of text, with its place in ``pk`` and ``sk``. Use cases, principals and limits
share one partition, so that one query reads them all; each key has a partition of its own. The table holds other items
too (the windows of limits), which are none of these.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from bedrock_meter.errors import RegistryError
from bedrock_meter.limits import Limit, OnExceed, Period, Subject, Unit
from bedrock_meter.registry import Key, Principal, UseCase

CATALOGUE_PK = "REGISTRY"
KEY_PREFIX = "KEY#"
KEY_SK = "KEY"
_USE_CASE, _LIMIT, _PRINCIPAL = "USECASE#", "LIMIT#", "PRINCIPAL#"

type Item = Mapping[str, Any]
type Entry = UseCase | Limit | Principal | Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The part of the registry that a gateway needs for every call."""

    use_cases: Mapping[str, UseCase] = field(default_factory=lambda: MappingProxyType({}))
    """By name."""
    limits: tuple[Limit, ...] = ()
    """In the order of their ids."""
    principals: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """The use cases that IAM principals may name, the default first, by pattern."""
    broken: tuple[RegistryError, ...] = ()
    """One for each item that cannot be read; the others are not hidden by it."""


def place(entry: Entry) -> tuple[str, str]:
    """Give the ``pk`` and ``sk`` of an entry's item."""
    if isinstance(entry, Key):
        return place_of_key(entry.id)
    if isinstance(entry, Principal):
        return CATALOGUE_PK, _PRINCIPAL + entry.pattern
    return CATALOGUE_PK, _USE_CASE + entry.name if isinstance(entry, UseCase) else _LIMIT + entry.id


def place_of_key(key_id: str) -> tuple[str, str]:
    """Give the ``pk`` and ``sk`` of a key's item."""
    return KEY_PREFIX + key_id, KEY_SK


def to_item(entry: Entry) -> dict[str, Any]:
    """Write an entry down, without its place; what is None is left out."""
    if isinstance(entry, UseCase):
        facts: dict[str, Any] = {"team": entry.team, "owner": entry.owner, "models": list(entry.models)}
    elif isinstance(entry, Principal):
        facts = {"use_cases": list(entry.use_cases)}
    elif isinstance(entry, Key):
        facts = {
            "secret_sha256": entry.secret_sha256,
            "use_cases": list(entry.use_cases),
            "default_use_case": entry.default_use_case,
            "expires_at": _stamp(entry.expires_at),
            "revoked_at": _stamp(entry.revoked_at),
            "created_at": _stamp(entry.created_at),
        }
    else:
        facts = {
            "subject": entry.subject.value,
            "pattern": entry.pattern,
            "unit": entry.unit.value,
            "period": entry.period.value,
            "amount": f"{entry.amount:f}",
            "on_exceed": entry.on_exceed.value,
        }
    return {name: value for name, value in facts.items() if value is not None}


def catalogue(items: Iterable[Item]) -> Catalogue:
    """Read use cases, principals and limits; an item that is none of them is kept as an error that names it."""
    use_cases: dict[str, UseCase] = {}
    principals: dict[str, tuple[str, ...]] = {}
    limits: list[Limit] = []
    entries, broken = read(items)
    for entry in entries:
        if isinstance(entry, UseCase):
            use_cases[entry.name] = entry
        elif isinstance(entry, Principal):
            principals[entry.pattern] = entry.use_cases
        elif isinstance(entry, Limit):
            limits.append(entry)
    limits.sort(key=lambda limit: limit.id)
    return Catalogue(
        use_cases=MappingProxyType(use_cases),
        limits=tuple(limits),
        principals=MappingProxyType(principals),
        broken=tuple(broken),
    )


def read(items: Iterable[Item]) -> tuple[list[Entry], list[RegistryError]]:
    """Read items, and keep an error for each that cannot be read."""
    entries: list[Entry] = []
    broken: list[RegistryError] = []
    for item in items:
        try:
            entries.append(from_item(item))
        except RegistryError as error:
            broken.append(error)
    return entries, broken


def read_keys(items: Iterable[Item]) -> tuple[list[Key], list[RegistryError]]:
    """Read keys in the order of their making, and keep an error for each that cannot be read."""
    entries, broken = read(items)
    keys = [entry for entry in entries if isinstance(entry, Key)]
    return sorted(keys, key=lambda key: (key.created_at, key.id)), broken


def from_item(item: Item) -> Entry:
    """Read an item.

    Raises:
        RegistryError: It is none of the registry's, or lacks something. The error names the item.
    """
    pk, sk = item.get("pk"), item.get("sk")
    try:
        if not isinstance(pk, str) or not isinstance(sk, str):
            raise TypeError("it has no pk and sk")  # noqa: TRY301 - one way out for all that is wrong with an item
        if pk.startswith(KEY_PREFIX) and sk == KEY_SK:
            return _key(pk.removeprefix(KEY_PREFIX), item)
        if pk == CATALOGUE_PK and sk.startswith(_USE_CASE):
            return _use_case(sk.removeprefix(_USE_CASE), item)
        if pk == CATALOGUE_PK and sk.startswith(_LIMIT):
            return _limit(sk.removeprefix(_LIMIT), item)
        if pk == CATALOGUE_PK and sk.startswith(_PRINCIPAL):
            return Principal(pattern=sk.removeprefix(_PRINCIPAL), use_cases=_texts(item, "use_cases"))
        raise ValueError("it is no use case, limit, principal or key")  # noqa: TRY301 - the same
    except (InvalidOperation, TypeError, ValueError) as error:
        problem = "its amount is no number" if isinstance(error, InvalidOperation) else error
        raise RegistryError(f"the item {str(pk)[:80]!r} / {str(sk)[:160]!r} cannot be used: {problem}") from error


def _use_case(name: str, item: Item) -> UseCase:
    return UseCase(
        name=name, team=_optional(item, "team"), owner=_optional(item, "owner"), models=_texts(item, "models")
    )


def _limit(name: str, item: Item) -> Limit:
    return Limit(
        id=name,
        subject=Subject(_text(item, "subject")),
        pattern=_text(item, "pattern"),
        unit=Unit(_text(item, "unit")),
        period=Period(_text(item, "period")),
        amount=Decimal(_text(item, "amount")),
        on_exceed=OnExceed(_text(item, "on_exceed")),
    )


def _key(key_id: str, item: Item) -> Key:
    created = _time(item, "created_at")
    if created is None:
        raise ValueError("it has no created_at")
    return Key(
        id=key_id,
        secret_sha256=_text(item, "secret_sha256"),
        use_cases=_texts(item, "use_cases"),
        default_use_case=_text(item, "default_use_case"),
        expires_at=_time(item, "expires_at"),
        revoked_at=_time(item, "revoked_at"),
        created_at=created,
    )


def _text(item: Item, name: str) -> str:
    value = _optional(item, name)
    if value is None:
        raise ValueError(f"it has no {name}")
    return value


def _optional(item: Item, name: str) -> str | None:
    value = item.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"its {name} is no text")
    return value


def _texts(item: Item, name: str) -> tuple[str, ...]:
    value = item.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError(f"its {name} is no list of texts")
    return tuple(value)


def _time(item: Item, name: str) -> datetime | None:
    text = _optional(item, name)
    return None if text is None else datetime.fromisoformat(text)


def _stamp(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat()
