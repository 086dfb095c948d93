"""From call to record: ``Meter.open(call) -> Session``; the session reads the answer and closes the books once.

A session belongs to one exchange with Bedrock. Its caller is a transport (the gateway, the layer) and tells it, in
this order: ``sending()``, ``head(status, headers)``, ``feed(chunk)`` for each chunk *before* handing it on,
``close(ending)``. Any of them may be missing when the exchange fails; only ``close`` must come, and a second one is
ignored.

None of these raises: a fault of the meter is kept as a code, counted on the record, and reported once. The transport's
answer never depends on them.
"""

from dataclasses import replace

from bedrock_meter.domain import Call, Record
from bedrock_meter.estimate import Estimator
from bedrock_meter.forecast import Forecast
from bedrock_meter.forecaster import EstimateForecaster, Expectation
from bedrock_meter.limiter import LIMIT_FAULT, Admission
from bedrock_meter.ports import Clock, FaultLog, ModelResolver, Pricer, Sink
from bedrock_meter.session import Session

__all__ = ["SINK_FAULT", "Meter", "Session"]

SINK_FAULT = "sink_fault"


class Meter:
    """Opens sessions. One per process; safe to share between threads.

    Args:
        sink: Where records go.
        clock: The time.
        faults: Where the meter's own failures are reported.
        cold_start: Whether the first record is the first of its process.
        models: Who knows the models behind opaque ARNs; None leaves them opaque.
        pricer: Who knows prices; without one every call is unpriced.
        estimator: Counts what a stream had consumed that ended before its counts; None leaves that unknown.
        estimate_sample: The share of calls, from 0 to 1, whose input is estimated although nobody needs it, to be held
            against the count that Bedrock gives.
    """

    def __init__(
        self,
        *,
        sink: Sink,
        clock: Clock,
        faults: FaultLog,
        cold_start: bool = True,
        models: ModelResolver | None = None,
        pricer: Pricer | None = None,
        estimator: Estimator | None = None,
        estimate_sample: float = 0.0,
    ) -> None:
        self._sink = sink
        self.pricer = pricer
        self.estimator = estimator
        self.forecaster = EstimateForecaster(estimator) if estimator else None
        self.estimate_sample = estimate_sample
        self._models = models
        self._clock = clock
        self._faults = faults
        # Taken by the first record that closes; a list because pop() is atomic.
        self._cold = [True] if cold_start else []
        # Faults whose own record is lost, or that have none; the next one carries them.
        self._carried: list[str] = []

    def open(
        self,
        call: Call,
        *,
        started: float | None = None,
        forecast: Forecast | None = None,
        body: bytes | None = None,
        admission: Admission | None = None,
    ) -> Session:
        """Begin to meter a call.

        Args:
            call: What is asked.
            started: The clock's ``monotonic()`` when the request arrived, if that was earlier than now; the time
                between is our own and counts as overhead.
            forecast: What is expected of the input, where somebody had to know.
            body: The request's body, from which the session works that out if it turns out to need it. The session
                holds it until it closes; None leaves the input of a cut-off stream unknown.
            admission: What limits hold for the call, as `Limiter.admit` gave it; it brings its forecast. The session
                settles it when it closes.
        """
        if admission is not None:
            forecast = admission.forecast
        started = self._clock.monotonic() if started is None else started
        return Session(self, self.resolved(call), started, Expectation(forecast, body), admission)

    def resolved(self, call: Call) -> Call:
        """Give the call with its model resolved, as far as that is known by now."""
        if self._models is None or call.model is None or call.model.base is not None:
            return call
        return replace(call, model=self._models.find(call.model))

    def monotonic(self) -> float:
        """Give the clock's reading, for sessions and for transports that arrive before their session."""
        return self._clock.monotonic()

    def report(self, code: str, error: BaseException) -> None:
        """Tell a person of a fault that a record counts."""
        self._faults.report(code, error)

    def carry(self, code: str, error: BaseException) -> None:
        """Tell a person of a fault that belongs to no record, and let the next record count it."""
        self._carried.append(code)
        self._faults.report(code, error)

    def settle(self, record: Record, admission: Admission | None = None) -> None:
        """Hand a finished record on, then settle what limits held for the call. Does not raise."""
        try:
            self._sink.emit(record)
        except Exception as error:  # noqa: BLE001 - whatever a sink raises, the caller's answer comes first
            self._carried.extend(record.faults)
            self.carry(SINK_FAULT, error)
        if admission is not None:
            try:
                admission.settle(record)
            except Exception as error:  # noqa: BLE001 - the same, for a store
                self.carry(LIMIT_FAULT, error)

    def first(self) -> bool:
        """Tell, once, that this is the first record of the process."""
        try:
            return self._cold.pop()
        except IndexError:
            return False

    def take_carried(self) -> tuple[str, ...]:
        """Take the faults that no record carries yet."""
        taken = []
        while self._carried:
            taken.append(self._carried.pop())
        return tuple(taken)
