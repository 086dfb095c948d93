"""Limits at work: hold the worst case before a call, settle what it used after it.

A hold that was given and never settled, because the process died, stays counted until its window ends. What a settled
counter says decides who tells of a threshold: its updates come one after the other, so each step is one call's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta, tzinfo
from decimal import Decimal

from bedrock_meter.budget import Windows, Worst, ask_of, belongs, kind_of, passed, refusal, room, spent_by
from bedrock_meter.charge import is_free, worst_case
from bedrock_meter.domain import Call, ModelKind, Record
from bedrock_meter.errors import LimitsUnavailable, UnpricedModel
from bedrock_meter.forecast import Forecast
from bedrock_meter.limits import Ask, BudgetUse, Counter, Limit, OnExceed, Settlement, Subject, Unit
from bedrock_meter.outputs import output_bound
from bedrock_meter.ports import FaultLog, Forecaster, LimitDirectory, LimitStore, Notifier, Pricer

LIMIT_FAULT = "limit_fault"
"""The limits or their counters could not be used, and the call went on without."""
NOTIFIER_FAULT = "notifier_fault"

DEFAULT_MAX_OUTPUT_TOKENS = 131_072
"""As much as the largest models on Bedrock write."""

_MAX_KINDS = 4096
_ESTIMATE_MARGIN = 10  # one part in so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a deployment decides about limits."""

    fail_open: bool = True
    """Whether calls go on while the limits or their counters cannot be used."""
    allow_unpriced: bool = False
    """Whether a call without a known price passes a limit in US dollars, which then cannot count it."""
    hold_estimate: bool = False
    """Whether the expected input is held, with a margin of a tenth, instead of the most that it can be."""
    default_max_output_tokens: int = DEFAULT_MAX_OUTPUT_TOKENS
    """The output tokens to hold for a call that does not bound them, to a model whose maximum is not known."""
    zone: tzinfo = UTC
    """Whose days and months count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What an admitted call has to settle."""

    asks: tuple[Ask, ...] = ()
    """One for each limit that counts the call; of some nothing is held."""
    usd: Decimal | None = None
    """US dollars that are held; None when no limit holds any."""
    forecast: Forecast | None = None
    """What was expected of the input, where a limit had to know."""
    faults: tuple[str, ...] = ()
    """What went wrong while the limits were looked at; the call went on all the same."""
    limiter: "Limiter"
    """Who admitted the call."""

    @property
    def limits(self) -> tuple[str, ...]:
        """The ids of the limits that count the call."""
        return tuple(ask.limit.id for ask in self.asks)

    def settle(self, record: Record) -> None:
        """Settle by the call's record, see `Limiter.settle`."""
        self.limiter.settle(self, record)

    def release(self) -> None:
        """Give back what is held, of a call that was not made after all, see `Limiter.release`."""
        self.limiter.release(self)


class Limiter:
    """Admits calls and settles them. One per process; safe to share between threads.

    Args:
        directory: Who knows the limits.
        store: Where their counters are.
        forecaster: Who tells the size of an input.
        pricer: Who knows prices.
        faults: Where failures are reported.
        policy: What the deployment decides.
        notifiers: Who is told how far budgets are spent.
    """

    def __init__(
        self,
        *,
        directory: LimitDirectory,
        store: LimitStore,
        forecaster: Forecaster,
        pricer: Pricer | None,
        faults: FaultLog,
        policy: Policy | None = None,
        notifiers: Sequence[Notifier] = (),
    ) -> None:
        self._directory = directory
        self._store = store
        self._forecaster = forecaster
        self._pricer = pricer
        self._faults = faults
        self._policy = policy or Policy()
        self._notifiers = notifiers
        self._windows = Windows(self._policy.zone)
        # The limits that were last given, and which of them count calls of a kind: the same few come again and again.
        self._matched: tuple[Sequence[Limit], dict[object, Sequence[Limit]]] = ((), {})

    def admit(self, call: Call, body: bytes) -> Admission | None:
        """Hold what a call may use of every limit that it belongs to.

        Args:
            call: The call, its model resolved as far as it is known.
            body: Its body.

        Returns:
            What to settle when the call has ended; None when no limit counts it.

        Raises:
            BudgetExceeded: A limit has no room for it; nothing is held.
            UnpricedModel: A limit in US dollars counts it, and it has no price.
            LimitsUnavailable: The limits cannot be used, and the fail mode is closed.
        """
        limits: Sequence[Limit] = ()
        try:
            limits = self._matching(call)
            if not limits:
                return None
            worst, forecast = self._worst(limits, call, body)
            asks = self._asks(limits, call, worst)
            full = self._hold([ask for ask in asks if ask.amount])
        except (UnpricedModel, LimitsUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the fail mode says what it means for the call
            return self._broken(limits, call, error)
        if full is not None:
            raise refusal(*full, call.received_at)
        usd = max((ask.amount for ask in asks if ask.limit.unit is Unit.USD and ask.amount), default=None)
        return Admission(asks=asks, usd=usd, forecast=forecast, limiter=self)

    def _matching(self, call: Call) -> Sequence[Limit]:
        """Give the limits that count a call.

        Raises:
            LimitsUnavailable: One that denies is of models, and the call's is not known yet.
        """
        limits = self._directory.limits()
        known, matched = self._matched
        if limits is not known or len(matched) > _MAX_KINDS:
            matched = {}
            self._matched = limits, matched
        kind = kind_of(call)
        found = matched.get(kind)
        if found is None:
            if _hidden(call) and (unsure := next((limit for limit in limits if _may_belong(limit, call)), None)):
                raise _unresolved(unsure)
            found = matched[kind] = tuple(limit for limit in limits if belongs(limit, call))
        return found

    def _asks(self, limits: Sequence[Limit], call: Call, worst: Worst | None) -> tuple[Ask, ...]:
        windows = ((limit, self._windows.at(limit.period, call.received_at)) for limit in limits)
        return tuple(ask for limit, window in windows if (ask := ask_of(limit, window, worst)) is not None)

    def _hold(self, asks: Sequence[Ask]) -> tuple[Ask, Counter | None] | None:
        too_much = next((ask for ask in asks if room(ask) < 0), None)
        if too_much is not None:
            return too_much, None
        return self._store.hold(asks) if asks else None

    def _broken(self, limits: Sequence[Limit], call: Call, error: Exception) -> Admission:
        """Let a call go on without a hold, or refuse it."""
        self._faults.report(LIMIT_FAULT, error)
        if not self._policy.fail_open:
            raise LimitsUnavailable(
                "The limits of this call cannot be looked at, and this deployment lets no call pass without. Try again."
            ) from error
        # It still settles, as if nothing were held: should the hold have arrived after all, it counts beside.
        asks = self._asks(limits, call, None)
        settling = tuple(replace(ask, amount=Decimal(0), final=False) for ask in asks)
        return Admission(asks=settling, faults=(LIMIT_FAULT,), limiter=self)

    def _worst(self, limits: Sequence[Limit], call: Call, body: bytes) -> tuple[Worst | None, Forecast | None]:
        """Tell the most that the call may use, where a limit has to know."""
        units = {limit.unit: limit for limit in limits if limit.on_exceed is OnExceed.DENY}
        if units.keys() <= {Unit.REQUESTS}:
            return None, None
        if is_free(call.operation):
            return Worst(usd=Decimal(0), tokens=0), None
        forecast = self._forecaster.forecast(call, body)
        read = min(forecast.tokens + forecast.tokens // _ESTIMATE_MARGIN, forecast.most)
        read = read if self._policy.hold_estimate else forecast.most
        written = output_bound(call, self._policy.default_max_output_tokens)
        usd: Decimal | None = Decimal(0)
        if Unit.USD in units:
            usd = worst_case(
                call, input_tokens=read, output_tokens=written, cached=_may_cache(body), pricer=self._pricer
            )
            if usd is None and not self._policy.allow_unpriced:
                raise _unpriced(units[Unit.USD], call)
        return Worst(usd=usd, tokens=read + written if call.model else 0), forecast

    def settle(self, admission: Admission, record: Record) -> None:
        """Settle what an admitted call has used, and tell of the thresholds that this passes.

        A settlement that failed is not tried again: it may have arrived; if it has not, what was held stays counted.

        Raises:
            Exception: What the store raised for a counter that could not be settled; the others were.
        """
        failed: Exception | None = None
        for ask in admission.asks:
            if ask.final:
                continue
            settlement = Settlement(ask=ask, spent=spent_by(ask, record))
            if not settlement.spent and not ask.amount:
                continue
            try:
                counter = self._store.settle(settlement)
            except Exception as error:  # noqa: BLE001 - raised again when the other counters are settled
                failed = error
            else:
                self._tell(settlement, counter, record)
        if failed is not None:
            raise failed

    def release(self, admission: Admission) -> None:
        """Give back what is held of a call that was not made. A request that was counted at once stays counted.

        Raises:
            LimitStoreError: It could not be given back.
        """
        for ask in admission.asks:
            if ask.amount and not ask.final:
                self._store.settle(Settlement(ask=ask, spent=Decimal(0)))

    def _tell(self, settlement: Settlement, counter: Counter, record: Record) -> None:
        limit = settlement.ask.limit
        step = passed(limit, counter.spent - settlement.spent, counter.spent)
        if step is None:
            return
        percent, level = step
        at = record.call.received_at + timedelta(milliseconds=record.outcome.duration_ms or 0)
        use = BudgetUse(ask=settlement.ask, spent=counter.spent, percent=percent, level=level, at=at)
        for notifier in self._notifiers:
            try:
                notifier.used(use)
            except Exception as error:  # noqa: BLE001 - whatever a notifier raises, the others are told
                self._faults.report(NOTIFIER_FAULT, error)


def _may_cache(body: bytes) -> bool:
    """Tell whether a request may write to the prompt cache: only one that says so (``cachePoint``, ``cache_control``).

    The name of a member can be written with escapes, so any escape of a letter counts as well.
    """
    return b"cache" in body or rb"\u00" in body


def _hidden(call: Call) -> bool:
    """Tell whether the call's model is behind a profile and not known yet."""
    return call.model is not None and call.model.kind is ModelKind.APPLICATION_PROFILE and call.model.base is None


def _may_belong(limit: Limit, call: Call) -> bool:
    """Tell whether a limit that denies may count a call once its model is known, and does not by its ARN."""
    return limit.on_exceed is OnExceed.DENY and limit.subject is Subject.MODEL and not belongs(limit, call)


def _unresolved(limit: Limit) -> LimitsUnavailable:
    return LimitsUnavailable(
        f"The limit {limit.id} depends on the model, and it is not known yet which one is behind this inference "
        "profile. Try again in a moment; if that does not help, the gateway lacks bedrock:GetInferenceProfile."
    )


def _unpriced(limit: Limit, call: Call) -> UnpricedModel | LimitsUnavailable:
    if _hidden(call):
        return _unresolved(limit)
    return UnpricedModel(
        f"The limit {limit.id} counts US dollars, and the price book has no price for this call, so it cannot be held. "
        "Use a model with a price, or ask the owner of the gateway to add the price or to allow unpriced calls.",
        limit=limit.id,
    )
