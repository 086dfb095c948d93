"""One exchange with Bedrock, metered: what `Meter.open` gives, and the books that its ``close`` closes once.

None of its methods raises: a fault of the meter is kept as a code, counted on the record, and reported once. The
transport's answer never depends on them.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from bedrock_meter.charge import charge
from bedrock_meter.cutoff import with_estimate
from bedrock_meter.domain import Call, Certainty, Ending, Outcome, Record, Usage
from bedrock_meter.errors import BudgetExceeded, LimitsUnavailable, Refusal, UnpricedModel
from bedrock_meter.estimate import Estimator
from bedrock_meter.forecast import Forecast
from bedrock_meter.forecaster import EstimateForecaster, Expectation, sampled
from bedrock_meter.limiter import LIMIT_FAULT, Admission
from bedrock_meter.ports import Pricer
from bedrock_meter.usage import Reading, UsageReader, reader_for
from bedrock_meter.usage.buffered import ANSWER_NOT_JSON
from bedrock_meter.usage.headers import REQUEST_ID
from bedrock_meter.verdict import certainty_of, status_of

READER_FAULT = "reader_fault"
PRICING_FAULT = "pricing_fault"
FORECAST_FAULT = "forecast_fault"
CUT_SHORT = "stream_cut_short"
"""A stream ended in the middle of a message although the transport saw it end well."""


class Desk(Protocol):
    """What a session needs of the meter that opened it; `Meter` has it."""

    pricer: Pricer | None
    estimator: Estimator | None
    forecaster: EstimateForecaster | None
    estimate_sample: float

    def monotonic(self) -> float:
        """Give the clock's reading."""

    def resolved(self, call: Call) -> Call:
        """Give the call with its model resolved, as far as that is known by now."""

    def report(self, code: str, error: BaseException) -> None:
        """Tell a person of a fault that the record counts."""

    def take_carried(self) -> tuple[str, ...]:
        """Take the faults that no record carries yet."""

    def first(self) -> bool:
        """Tell, once, that this is the first record of the process."""

    def settle(self, record: Record, admission: Admission | None) -> None:
        """Hand the record on, and settle what limits held for the call."""


class Session:
    """One exchange with Bedrock. Made by `Meter.open`."""

    def __init__(
        self, meter: Desk, call: Call, started: float, expected: Expectation, admission: Admission | None
    ) -> None:
        self.call = call
        self._admission = admission
        self._expected = expected
        self._meter = meter
        self._started = started
        self._sent: float | None = None
        self._first_byte: float | None = None
        self._feeding = 0.0
        self._http_status: int | None = None
        self._headers: Mapping[str, str] = {}
        self._reader: UsageReader | None = None
        self._faults: list[str] = [] if admission is None else [*admission.faults]
        self._open = [True]

    def sending(self) -> None:
        """Note that the request leaves now; what was before is our overhead."""
        self._sent = self._meter.monotonic()

    def head(self, http_status: int, headers: Mapping[str, str]) -> None:
        """Take the head of Bedrock's answer.

        Args:
            http_status: Its status.
            headers: Its headers with lower-case names.
        """
        self._http_status = http_status
        self._headers = headers
        try:
            self.call = self._meter.resolved(self.call)
            self._reader = reader_for(self.call, http_status, headers)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not reach the transport
            self._fault(READER_FAULT, error)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the answer's body, exactly as they arrived."""
        entered = self._meter.monotonic()
        if self._reader is not None:
            try:
                self._reader.feed(chunk)
                if self._first_byte is None and self._reader.content_started:
                    self._first_byte = entered
            except Exception as error:  # noqa: BLE001 - the same
                self._reader = None
                self._fault(READER_FAULT, error)
        self._feeding += self._meter.monotonic() - entered

    def close(
        self, ending: Ending, *, answered: Refusal | None = None, attempts: int | None = None, unsent: bool = False
    ) -> Record | None:
        """Close the books: count, record, emit, settle.

        Args:
            ending: How the exchange ended.
            answered: What the caller was told instead of Bedrock's answer, where that was so.
            attempts: How many requests the SDK sent for this call, where the door can see it.
            unsent: Whether it is certain that nothing of the call has reached Bedrock.

        Returns:
            The record; None when the session was closed before.
        """
        try:
            self._open.pop()
        except IndexError:
            return None
        entered = self._meter.monotonic()
        reading = self._read()
        whole = ending is Ending.COMPLETE
        # An answer that broke off is no JSON for a reason that the ending already tells.
        found = (fault for fault in reading.faults if whole or fault != ANSWER_NOT_JSON)
        cut_short = (CUT_SHORT,) if whole and reading.cut else ()
        call = self._meter.resolved(self.call)
        cost, price_row = self._price(call, reading)
        certainty = certainty_of(ending, reading, self._http_status, unsent=unsent)
        self._compare(reading.usage, certainty)
        self._expected.end()
        unlooked = (LIMIT_FAULT,) if isinstance(answered, LimitsUnavailable) else ()
        faults = *self._faults, *found, *cut_short, *unlooked, *self._meter.take_carried()
        record = Record(
            call=call,
            usage=reading.usage,
            outcome=self._outcome(ending, certainty, reading, answered, attempts, entered),
            cost=cost,
            price_row=price_row,
            forecast=self._expected.told,
            held=None if self._admission is None else self._admission.usd,
            limits=() if self._admission is None else self._admission.limits,
            refused_by=answered.limit if isinstance(answered, BudgetExceeded | UnpricedModel) else None,
            disagreement=reading.disagreement,
            cold_start=self._meter.first(),
            faults=faults,
        )
        self._meter.settle(record, self._admission)
        return record

    def drop(self) -> None:
        """Close without a record: the call was answered by somebody on this side, and what was held is given back."""
        if self._open and self._admission is not None:
            self._open.clear()
            try:
                self._admission.release()
            except Exception as error:  # noqa: BLE001 - the same
                self._meter.report(LIMIT_FAULT, error)

    def _read(self) -> Reading:
        found = Reading()
        if self._reader is None:
            return found
        try:
            found = self._reader.result()
            if self._meter.estimator is not None:
                found = with_estimate(found, self.call, self._meter.estimator, self._expect)
        except Exception as error:  # noqa: BLE001 - the same
            self._fault(READER_FAULT, error)
        return found

    def _expect(self) -> Forecast | None:
        return self._expected.of(self.call, self._meter.forecaster)

    def _compare(self, usage: Usage | None, certainty: Certainty) -> None:
        """Estimate the input of a sample of the calls whose real one is known, so that the record holds both."""
        known = certainty is Certainty.EXACT and usage is not None and usage.input is not None
        if known and sampled(self.call.id, self._meter.estimate_sample):
            try:
                self._expect()
            except Exception as error:  # noqa: BLE001 - the same
                self._fault(FORECAST_FAULT, error)

    def _price(self, call: Call, reading: Reading) -> tuple[Decimal | None, str | None]:
        try:
            return charge(call, reading, self._headers, self._meter.pricer)
        except Exception as error:  # noqa: BLE001 - the same
            self._fault(PRICING_FAULT, error)
            return None, None

    def _outcome(
        self,
        ending: Ending,
        certainty: Certainty,
        reading: Reading,
        answered: Refusal | None,
        attempts: int | None,
        ended: float,
    ) -> Outcome:
        http_status = answered.http_status if answered else self._http_status
        error_code = reading.error_code or (answered.code if answered else None)
        prepared = (ended if self._sent is None else self._sent) - self._started
        return Outcome(
            status=status_of(ending, reading.error_status or http_status, error_code),
            ending=ending,
            http_status=http_status,
            bedrock_status=self._http_status,
            error_code=error_code,
            stop_reason=reading.stop_reason,
            duration_ms=_milliseconds(self._sent, ended),
            first_byte_ms=_milliseconds(self._sent, self._first_byte),
            overhead_ms=(prepared + self._feeding + self._meter.monotonic() - ended) * 1000,
            certainty=certainty,
            upstream_request_id=self._headers.get(REQUEST_ID),
            upstream_latency_ms=reading.latency_ms,
            attempts=attempts,
            invoked_model=reading.invoked_model,
        )

    def _fault(self, code: str, error: BaseException) -> None:
        self._faults.append(code)
        self._meter.report(code, error)


def _milliseconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else (end - start) * 1000
