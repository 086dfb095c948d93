"""The layer door: ``instrument(client, use_case="…")`` meters a boto3 client in place, by botocore's own hooks.

``before-call`` sees the request as it will be sent, ``before-send`` every attempt, ``after-call`` the answer after all
retries, ``after-call-error`` a call that got none; they share botocore's request context, where the session waits in
between. Nothing is patched: the client, its results and its exceptions stay what they were. What is put under a result
is in `body` (InvokeModel) and `stream` (event streams).

Hooks: https://botocore.amazonaws.com/v1/documentation/api/latest/topics/events.html
botocore is not imported here: whoever has a client has imported it.
"""

import os
import weakref
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bedrock_meter.adapters.answer import Answer
from bedrock_meter.adapters.body import metered_body
from bedrock_meter.adapters.botofacts import as_bytes, attempts, event_stream, unsent
from bedrock_meter.adapters.clock import SystemClock
from bedrock_meter.adapters.faultlog import OnceLog
from bedrock_meter.adapters.gate import Gate, boto_services
from bedrock_meter.adapters.label import current_use_case
from bedrock_meter.adapters.limiting import Limits, limiting
from bedrock_meter.adapters.pricebook import PriceBookFile
from bedrock_meter.adapters.registryview import registered
from bedrock_meter.adapters.sharedtable import SharedTable, shared_table
from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.adapters.stream import watch
from bedrock_meter.adapters.tokenizer import estimator
from bedrock_meter.config import Settings
from bedrock_meter.domain import Ending
from bedrock_meter.errors import ConfigError, Refusal
from bedrock_meter.forecaster import EstimateForecaster
from bedrock_meter.meter import Meter, Session
from bedrock_meter.ports import Clock, Sink
from bedrock_meter.request import describe, match
from bedrock_meter.settingvalues import check_use_case

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.client import BaseClient
    from botocore.model import OperationModel

HOOK_FAULT = "hook_fault"

_CONTEXT_KEY = "bedrock_meter"
_SERVICE = "bedrock-runtime"

_not_yet_started = [True]
"""Taken by the first client that is instrumented: only its first call can be the first of the process."""


def instrument[C: "BaseClient"](
    client: C,
    *,
    use_case: str,
    settings: Settings | None = None,
    sink: Sink | None = None,
    limits: Limits | None = None,
) -> C:
    """Meter every call of a client that Bedrock may bill, streams included. Its results and exceptions do not change.

    Args:
        client: A boto3 or botocore ``bedrock-runtime`` client. Instrumenting it again replaces the first time.
        use_case: What its calls are for; it becomes the ``UseCase`` dimension. A `bedrock_meter.use_case` block around
            a call comes before it.
        settings: The settings; None reads them from the environment.
        sink: Where records go; None writes EMF lines to stdout.
        limits: Which limits its calls have. One that has no room makes a call raise `bedrock_meter.BudgetExceeded`,
            which is a botocore ``ClientError`` too; nothing is sent then. None for those of the table in the settings,
            which is read now; without a table there are none.

    Returns:
        The same client.

    Raises:
        ConfigError: It is a client of another service or of aiobotocore, or the use case or a setting cannot be used.
    """
    service = client.meta.service_model.service_name
    if service != _SERVICE:
        raise ConfigError("client", f"it has to be a {_SERVICE} client, not a {service} client")
    if is_asynchronous(client):
        raise ConfigError("client", "asynchronous clients (aiobotocore, aioboto3) cannot be metered; use the gateway")
    check_use_case(use_case, setting="use_case")
    settings = settings or Settings.from_env(os.environ)
    settings = replace(settings, use_cases=settings.use_cases | {use_case})
    region = client.meta.region_name
    table = shared_table(settings, region) if limits is None else None
    clock, faults = SystemClock(), OnceLog()
    sink = sink or StreamSink.for_settings(
        settings, use_cases=registered(settings.use_cases, None if table is None else table.view)
    )
    estimate = estimator(lambda code, error: meter.carry(code, error))  # noqa: PLW0108 - there is no meter yet
    meter = Meter(
        sink=sink,
        clock=clock,
        faults=faults,
        estimator=estimate,
        estimate_sample=settings.estimate_sample,
        cold_start=bool(_not_yet_started and _not_yet_started.pop()),
        pricer=PriceBookFile(settings.prices, lambda code, error: meter.carry(code, error)),  # noqa: PLW0108 - the same
    )
    if table is not None:
        table.attend(meter.carry)
        limits = table.limits
    gate = None
    if limits is not None:
        made = limiting(
            limits,
            settings,
            transport=boto_services(settings.region or region),
            forecaster=EstimateForecaster(estimate),
            pricer=meter.pricer,
            faults=faults,
            sink=sink,
        )
        gate = Gate(made.limiter, client.exceptions)
    hooks = _Hooks(meter, use_case=use_case, region=region, settings=settings, clock=clock, gate=gate, table=table)
    for event, hook in hooks.by_event():
        name, hook_id = f"{event}.{_SERVICE}", f"bedrock-meter-{event}"
        client.meta.events.unregister(name, unique_id=hook_id)
        client.meta.events.register(name, hook, unique_id=hook_id)
    return client


def is_asynchronous(client: object) -> bool:
    """Tell aiobotocore's clients, which are asynchronous context managers, from botocore's."""
    return hasattr(type(client), "__aenter__")


class _Pending:
    """A session on its way from one hook to the next.

    Once its request has been sent, a call that never comes back was interrupted by something that is no `Exception`,
    such as Ctrl-C; then nothing refers to this any more, and that closes the session.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._interrupted: weakref.finalize[[Ending], _Pending] | None = None

    def sent(self) -> None:
        """Note that the request leaves."""
        if self._interrupted is None:
            self._interrupted = weakref.finalize(self, self.session.close, Ending.CLIENT_GONE)

    def back(self) -> Session:
        """Give the session, now that the call has returned."""
        if self._interrupted is not None:
            self._interrupted.detach()
        return self.session


class _Hooks:
    """The hooks of one client. botocore passes everything by keyword, and more with every version."""

    def __init__(
        self,
        meter: Meter,
        *,
        use_case: str,
        region: str | None,
        settings: Settings,
        clock: Clock,
        gate: Gate | None,
        table: SharedTable | None,
    ) -> None:
        self._meter = meter
        self._gate = gate
        self._table = table
        self._use_case = use_case
        self._region = region
        self._settings = settings
        self._clock = clock

    def by_event(self) -> tuple[tuple[str, Callable[..., None]], ...]:
        """Give the hooks by the botocore event that they listen to."""
        return (
            ("before-call", self._harmless(self._before_call)),
            ("before-send", self._harmless(self._before_send)),
            ("after-call", self._harmless(self._after_call)),
            ("after-call-error", self._harmless(self._after_call_error)),
        )

    def _harmless(self, hook: Callable[..., None]) -> Callable[..., None]:
        """Keep every failure of a hook away from the call that it watches; only a limit may stop it."""

        def guarded(**kwargs: Any) -> None:
            try:
                hook(**kwargs)
            except Refusal:
                raise
            except Exception as error:  # noqa: BLE001 - a fault of the meter must not reach the application
                self._meter.carry(HOOK_FAULT, error)

        return guarded

    def _before_call(
        self, model: "OperationModel", params: Mapping[str, Any], context: MutableMapping[str, Any], **_: Any
    ) -> None:
        """Open a session for a request that is about to be signed and sent, or raise what refuses it."""
        started = self._clock.monotonic()
        headers = {name.lower(): str(value) for name, value in params["headers"].items()}
        try:
            target = match(params["method"], params["url_path"])
        except Refusal:
            return  # an operation that this version does not meter; the layer refuses nothing
        body = as_bytes(params["body"])
        use_case = current_use_case() or self._use_case
        call = describe(
            target,
            headers,
            body,
            call_id=str(uuid4()),
            received_at=self._clock.now(),
            tags={"use_case": use_case} if self._table is None else self._table.labels(use_case),
            region=self._region,
            strict=False,
        )
        admission = None
        if self._gate is not None:
            try:
                admission = self._gate.admit(self._meter.resolved(call), body, operation=model.name)
            except Refusal as refusal:
                self._meter.open(call, started=started).close(Ending.REFUSED, answered=refusal)
                raise
        session = self._meter.open(call, started=started, body=body, admission=admission)
        context[_CONTEXT_KEY] = _Pending(session)
        session.sending()

    def _before_send(self, request: "AWSPreparedRequest", **_: Any) -> None:
        """Note that an attempt leaves."""
        context: Mapping[str, Any] = vars(request)["context"]  # which the stubs do not know
        pending: _Pending | None = context.get(_CONTEXT_KEY)
        if pending is not None:
            pending.sent()

    def _after_call(
        self,
        http_response: "AWSResponse",
        parsed: MutableMapping[str, Any],
        model: "OperationModel",
        context: MutableMapping[str, Any],
        **_: Any,
    ) -> None:
        """Meter an answer, whatever its status."""
        pending: _Pending | None = context.pop(_CONTEXT_KEY, None)
        if pending is None:
            return
        session = pending.back()
        if http_response.raw is None:
            session.drop()  # botocore's Stubber answered, and nothing was sent
            return
        tries = attempts(context)
        try:
            self._meter_answer(http_response, parsed, model, session, tries)
        except Exception:
            session.close(Ending.TRUNCATED, attempts=tries)
            raise

    def _meter_answer(
        self,
        http_response: "AWSResponse",
        parsed: MutableMapping[str, Any],
        model: "OperationModel",
        session: Session,
        tries: int | None,
    ) -> None:
        session.head(http_response.status_code, {name.lower(): value for name, value in http_response.headers.items()})
        streamed = "Error" not in parsed and (model.has_streaming_output or model.has_event_stream_output)
        if not streamed:
            session.feed(http_response.content)
            session.close(Ending.COMPLETE, attempts=tries)
            return
        length = http_response.headers.get("content-length")
        answer = Answer(
            session,
            attempts=tries,
            length=int(length) if length else None,
            settings=self._settings,
            clock=self._clock,
        )
        if model.has_event_stream_output:
            watch(event_stream(parsed), http_response.raw, answer)
        else:
            parsed["body"] = metered_body(http_response.raw, length, answer)

    def _after_call_error(self, context: MutableMapping[str, Any], exception: BaseException, **_: Any) -> None:
        """Record a call that got no answer: no connection, no credentials, no time."""
        from botocore.exceptions import ReadTimeoutError  # noqa: PLC0415 - see the head of this module

        pending: _Pending | None = context.pop(_CONTEXT_KEY, None)
        if pending is not None:
            ending = Ending.TIMED_OUT if isinstance(exception, ReadTimeoutError) else Ending.UNREACHABLE
            tries = attempts(context)
            pending.back().close(ending, attempts=tries, unsent=unsent(exception, tries))
