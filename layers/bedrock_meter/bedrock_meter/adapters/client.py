"""The layer door: ``instrument(client, use_case="…")`` meters a boto3 client in place, by botocore's own hooks.

``before-call`` sees the request as it will be sent, ``after-call`` the answer after all retries, ``after-call-error`` a
call that got none; the three share botocore's request context, where the session waits in between. Nothing is patched:
the client, its results and its exceptions stay what they were. The one thing that is put in another's place is the body
of InvokeModel, by a ``StreamingBody`` that reads the same bytes and shows them to the meter.

Hooks: https://botocore.amazonaws.com/v1/documentation/api/latest/topics/events.html
botocore is not imported here: whoever has a client has imported it.
"""

import os
import weakref
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, cast
from uuid import uuid4

from bedrock_meter.adapters.clock import SystemClock
from bedrock_meter.adapters.faultlog import OnceLog
from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.config import Settings, check_use_case
from bedrock_meter.domain import Ending
from bedrock_meter.errors import ConfigError, Refusal
from bedrock_meter.meter import Meter, Session
from bedrock_meter.ports import Clock, Sink
from bedrock_meter.request import describe, match

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.client import BaseClient
    from botocore.model import OperationModel

HOOK_FAULT = "hook_fault"

_CONTEXT_KEY = "bedrock_meter_session"
_SERVICE = "bedrock-runtime"

_not_yet_started = [True]
"""Taken by the first client that is instrumented: only its first call can be the first of the process."""


def instrument[C: "BaseClient"](
    client: C, *, use_case: str, settings: Settings | None = None, sink: Sink | None = None
) -> C:
    """Meter every InvokeModel, Converse and CountTokens call of a client. Its results and exceptions do not change.

    Args:
        client: A boto3 or botocore ``bedrock-runtime`` client. Instrumenting it again replaces the first time.
        use_case: What its calls are for; it becomes the ``UseCase`` dimension.
        settings: The settings; None reads them from the environment.
        sink: Where records go; None writes EMF lines to stdout.

    Returns:
        The same client.

    Raises:
        ConfigError: It is a client of another service, or the use case or a setting cannot be used.
    """
    service = client.meta.service_model.service_name
    if service != _SERVICE:
        raise ConfigError("client", f"it has to be a {_SERVICE} client, not a {service} client")
    check_use_case(use_case, setting="use_case")
    settings = settings or Settings.from_env(os.environ)
    settings = replace(settings, use_cases=settings.use_cases | {use_case})
    clock = SystemClock()
    meter = Meter(
        sink=sink or StreamSink.for_settings(settings),
        clock=clock,
        faults=OnceLog(),
        cold_start=bool(_not_yet_started and _not_yet_started.pop()),
    )
    hooks = _Hooks(meter, use_case=use_case, region=client.meta.region_name, clock=clock)
    for event, hook in hooks.by_event():
        name, hook_id = f"{event}.{_SERVICE}", f"bedrock-meter-{event}"
        client.meta.events.unregister(name, unique_id=hook_id)
        client.meta.events.register(name, hook, unique_id=hook_id)
    return client


class _Hooks:
    """The three hooks of one client. botocore passes everything by keyword, and more with every version."""

    def __init__(self, meter: Meter, *, use_case: str, region: str | None, clock: Clock) -> None:
        self._meter = meter
        self._tags: Mapping[str, str] = {"use_case": use_case}
        self._region = region
        self._clock = clock

    def by_event(self) -> tuple[tuple[str, Callable[..., None]], ...]:
        """Give the hooks by the botocore event that they listen to."""
        return (
            ("before-call", self._harmless(self._before_call)),
            ("after-call", self._harmless(self._after_call)),
            ("after-call-error", self._harmless(self._after_call_error)),
        )

    def _harmless(self, hook: Callable[..., None]) -> Callable[..., None]:
        """Keep every failure of a hook away from the call that it watches."""

        def guarded(**kwargs: Any) -> None:
            try:
                hook(**kwargs)
            except Exception as error:  # noqa: BLE001 - a fault of the meter must not reach the application
                self._meter.carry(HOOK_FAULT, error)

        return guarded

    def _before_call(self, params: Mapping[str, Any], context: MutableMapping[str, Any], **_: Any) -> None:
        """Open a session for a request that is about to be signed and sent."""
        started = self._clock.monotonic()
        headers = {name.lower(): str(value) for name, value in params["headers"].items()}
        try:
            target = match(params["method"], params["url_path"])
        except Refusal:
            return  # an operation that this version does not meter; the layer refuses nothing
        call = describe(
            target,
            headers,
            _as_bytes(params["body"]),
            call_id=str(uuid4()),
            received_at=self._clock.now(),
            tags=self._tags,
            region=self._region,
            strict=False,
        )
        session = self._meter.open(call, started=started)
        context[_CONTEXT_KEY] = session
        session.sending()

    def _after_call(
        self,
        http_response: "AWSResponse",
        parsed: MutableMapping[str, Any],
        model: "OperationModel",
        context: MutableMapping[str, Any],
        **_: Any,
    ) -> None:
        """Meter an answer, whatever its status."""
        session: Session | None = context.pop(_CONTEXT_KEY, None)
        if session is None:
            return
        session.head(http_response.status_code, {name.lower(): value for name, value in http_response.headers.items()})
        attempts = int(parsed.get("ResponseMetadata", {}).get("RetryAttempts", 0)) + 1
        if model.has_streaming_output and "Error" not in parsed:
            parsed["body"] = _metered_body(http_response, session, attempts)
        else:
            session.feed(http_response.content)
            session.close(Ending.COMPLETE, attempts=attempts)

    def _after_call_error(self, context: MutableMapping[str, Any], exception: BaseException, **_: Any) -> None:
        """Record a call that got no answer: no connection, no credentials, no time."""
        from botocore.exceptions import ReadTimeoutError  # noqa: PLC0415 - see the head of this module

        session: Session | None = context.pop(_CONTEXT_KEY, None)
        if session is not None:
            session.close(Ending.TIMED_OUT if isinstance(exception, ReadTimeoutError) else Ending.UNREACHABLE)


def _as_bytes(body: Any) -> bytes:
    """Take the serialised body; a file-like one belongs to the caller and is not read here."""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else b""


def _metered_body(http_response: "AWSResponse", session: Session, attempts: int) -> Any:
    from botocore.response import StreamingBody  # noqa: PLC0415 - see the head of this module

    length = http_response.headers.get("content-length")
    watched = _Watched(http_response.raw, int(length) if length else None, session, attempts)
    # The stubs know less than the class: botocore itself hands it the header as it is, or None.
    return StreamingBody(cast("IO[bytes]", watched), cast("int", length))


class _Watched:
    """The raw stream of an InvokeModel body: shows the session what is read, and closes the books at its end.

    A body that is dropped unread is recorded when it is collected or the interpreter ends: its counts were in the
    headers. Whatever is asked of it besides reading and closing is the raw stream's own.
    """

    def __init__(self, raw: Any, length: int | None, session: Session, attempts: int) -> None:
        self._raw = raw
        self._missing = length
        self._session = session
        self._attempts = attempts
        weakref.finalize(self, session.close, Ending.CLIENT_GONE, attempts=attempts)

    def read(self, amt: int | None = None) -> bytes:
        """Read as the raw stream does."""
        chunk: bytes = self._watch(lambda: self._raw.read(amt))
        self._see(chunk, at_end=amt is None or (not chunk and amt != 0))
        return chunk

    def readinto(self, buffer: Any) -> int:
        """Read as the raw stream does."""
        count: int = self._watch(lambda: self._raw.readinto(buffer))
        self._see(bytes(memoryview(buffer)[:count]), at_end=count == 0 and len(buffer) > 0)
        return count

    def readlines(self) -> list[bytes]:
        """Read as the raw stream does."""
        lines: list[bytes] = self._watch(self._raw.readlines)
        self._see(b"".join(lines), at_end=True)
        return lines

    def close(self) -> None:
        """Close the raw stream."""
        self._raw.close()
        self._session.close(Ending.CLIENT_GONE, attempts=self._attempts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def _watch[T](self, read: Callable[[], T]) -> T:
        try:
            return read()
        except BaseException:
            self._session.close(Ending.TRUNCATED, attempts=self._attempts)
            raise

    def _see(self, chunk: bytes, *, at_end: bool) -> None:
        if chunk:
            self._session.feed(chunk)
        if self._missing is not None:
            self._missing -= len(chunk)
        if at_end and self._missing:
            self._session.close(Ending.TRUNCATED, attempts=self._attempts)
        elif at_end or self._missing == 0:
            self._session.close(Ending.COMPLETE, attempts=self._attempts)
