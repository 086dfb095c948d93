"""What was metered, held against what Bedrock's own metrics say. Pure.

Both sides are `Used`: calls and tokens of one foundation model in one hour. `compare` joins them to `Line`s, and
applies what is known of the ways in which the two count differently (docs/reconcile.md):

- A model id, its inference profiles and their ARNs are one model here, because it is not documented which of them
  Bedrock's ``ModelId`` shows.
- A bucket that Bedrock publishes no metric for is set aside, not counted as metered too much.
- ``Invocations`` has two definitions in AWS's documentation, which differ by calls that failed. Calls are therefore
  shown, and only tokens decide.
- Tokens that were metered under ``other`` belong to a model that the metrics do not name.
- A call that runs over the end of an hour is in one hour here and in the next there, so hours are also summed up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from bedrock_meter import metrics, modelid
from bedrock_meter.dimensions import OTHER

BUCKETS = (metrics.INPUT_TOKENS, metrics.OUTPUT_TOKENS, metrics.CACHE_READ_TOKENS, metrics.CACHE_WRITE_TOKENS)
"""The disjoint token buckets, by the names of our metrics."""
ALL = "all models"
"""The model of a line that is of all of them."""


class Note(StrEnum):
    """Why a line may differ although nothing is wrong, each by a rule of this module."""

    CALLS_OF_FAILURES = "the calls differ by no more than the calls that failed, which AWS counts in two ways"
    ASIDE = "Bedrock publishes no metric for some of our cached tokens; they are set aside"
    OTHER_POOL = "some of it may have been metered as 'other': set BEDROCK_METER_MODELS to the models in use"
    ONLY_METERED = "Bedrock's metrics do not know it: another Region or account, or they are late"
    ESTIMATED = "some of our counts are estimates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """The calls to one model in one hour, as one side counted them."""

    model: str
    """The foundation model's id, as `model_of` gives it; `OTHER` for metered calls of unregistered models."""
    at: datetime
    """When the hour starts; UTC."""
    calls: int = 0
    """Bedrock's ``Invocations``, or ours."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    """By the names of `BUCKETS`. A bucket without a metric is absent, which is not 0."""
    failures: int = 0
    """Client and server errors."""
    estimated: int = 0
    """Calls whose counts are estimates; of our side only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One model in one hour, or in a longer time, by both sides."""

    model: str
    """The foundation model's id, `OTHER` or `ALL`."""
    at: datetime
    """When it starts; UTC."""
    metered_calls: int
    account_calls: int
    metered: Mapping[str, int]
    """Tokens by bucket, those that are set aside left out."""
    account: Mapping[str, int]
    """The same by Bedrock."""
    aside: int = 0
    """Metered tokens of buckets that Bedrock publishes no metric for."""
    notes: tuple[Note, ...] = ()
    """Sorted."""

    @property
    def metered_tokens(self) -> int:
        """What was metered in all."""
        return sum(self.metered.values())

    @property
    def account_tokens(self) -> int:
        """What Bedrock counted in all."""
        return sum(self.account.values())

    @property
    def unmetered_tokens(self) -> int:
        """What Bedrock counted and nobody metered; never below 0."""
        return max(0, self.account_tokens - self.metered_tokens)

    @property
    def unmetered_share(self) -> float | None:
        """That in percent of what Bedrock counted; None where it counted nothing."""
        return 100 * self.unmetered_tokens / self.account_tokens if self.account_tokens else None

    @property
    def drift(self) -> float | None:
        """By how many percent of Bedrock's count ours is above it; below 0 where calls went past the meter.

        None where Bedrock counted nothing: no percentage says how far from nothing something is.
        """
        difference = self.metered_tokens - self.account_tokens
        return 100 * difference / self.account_tokens if self.account_tokens else None


def model_of(model_id: str, aliases: Mapping[str, str]) -> str:
    """Give the foundation model behind an id, a profile or an ARN.

    Args:
        model_id: What a dimension ``ModelId`` says.
        aliases: The model by the id and by the ARN of each application inference profile.
    """
    if model_id in aliases:
        return aliases[model_id]
    found = modelid.parse(model_id)
    return found.base or aliases.get(found.profile or "") or found.profile or model_id


def compare(metered: Iterable[Used], account: Iterable[Used]) -> list[Line]:
    """Join both sides by model and hour; sorted by hour, then model."""
    ours, theirs = _by_key(metered), _by_key(account)
    pool = {used.at: sum(used.tokens.values()) for used in ours.values() if used.model == OTHER}
    keys = sorted({*ours, *theirs})
    return [_line(*key, ours.get(key), theirs.get(key), pool=pool.get(key[0], 0)) for key in keys]


def summed(lines: Iterable[Line]) -> list[Line]:
    """Add the hours up: one line for each model, sorted by model."""
    models: dict[str, list[Line]] = {}
    for line in lines:
        models.setdefault(line.model, []).append(line)
    return [_sum(model, models[model]) for model in sorted(models)]


def total(lines: Sequence[Line], *, at: datetime) -> Line:
    """Add all lines up. What was metered as `OTHER` is of some model, so it counts here."""
    whole = _sum(ALL, lines, at=at)
    of_one_model = {Note.OTHER_POOL, Note.ONLY_METERED}
    return replace(whole, notes=tuple(note for note in whole.notes if note not in of_one_model))


def _by_key(side: Iterable[Used]) -> dict[tuple[datetime, str], Used]:
    """Index one side; the profiles of a model become one."""
    found: dict[tuple[datetime, str], Used] = {}
    for used in side:
        key = (used.at, used.model)
        before = found.get(key)
        found[key] = used if before is None else _add(before, used)
    return found


def _add(one: Used, other: Used) -> Used:
    return Used(
        model=one.model,
        at=one.at,
        calls=one.calls + other.calls,
        tokens=_add_tokens((one.tokens, other.tokens)),
        failures=one.failures + other.failures,
        estimated=one.estimated + other.estimated,
    )


def _add_tokens(sides: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for tokens in sides:
        for name, count in tokens.items():
            found[name] = found.get(name, 0) + count
    return found


def _line(at: datetime, model: str, ours: Used | None, theirs: Used | None, *, pool: int) -> Line:
    mine, account = ours or Used(model=model, at=at), theirs or Used(model=model, at=at)
    # Input and output are always published; a cache metric appears with the first cached token, or under another name.
    silent = (
        set() if theirs is None else {metrics.CACHE_READ_TOKENS, metrics.CACHE_WRITE_TOKENS} - account.tokens.keys()
    )
    metered = {name: count for name, count in mine.tokens.items() if name not in silent}
    line = Line(
        model=model,
        at=at,
        metered_calls=mine.calls,
        account_calls=account.calls,
        metered=metered,
        account=dict(account.tokens),
        aside=sum(mine.tokens.values()) - sum(metered.values()),
    )
    apart = abs(mine.calls - account.calls)
    notes = {
        Note.CALLS_OF_FAILURES: 0 < apart <= max(mine.failures, account.failures),
        Note.ASIDE: line.aside > 0,
        Note.OTHER_POOL: pool > 0 and line.unmetered_tokens > 0,
        Note.ONLY_METERED: theirs is None and model != OTHER,
        Note.ESTIMATED: mine.estimated > 0,
    }
    return replace(line, notes=tuple(sorted(note for note, holds in notes.items() if holds)))


def _sum(model: str, lines: Sequence[Line], *, at: datetime | None = None) -> Line:
    line = Line(
        model=model,
        at=at or min(line.at for line in lines),
        metered_calls=sum(line.metered_calls for line in lines),
        account_calls=sum(line.account_calls for line in lines),
        metered=_add_tokens(line.metered for line in lines),
        account=_add_tokens(line.account for line in lines),
        aside=sum(line.aside for line in lines),
    )
    return replace(line, notes=tuple(sorted({note for each in lines for note in each.notes})))
