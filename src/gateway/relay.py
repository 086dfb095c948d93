"""The transport-free app: ``Gateway(request) -> Response``. It authorises, meters, forwards, and hands back."""

import json
from collections.abc import Iterable, Mapping

from bedrock_meter import __version__
from bedrock_meter.config import Settings
from bedrock_meter.domain import Call, Ending, Operation, Record
from bedrock_meter.errors import GatewayFault, Refusal, RequestTooLarge, UpstreamTimeout
from bedrock_meter.meter import Meter, Session
from bedrock_meter.modelid import parse
from bedrock_meter.ports import Clock
from bedrock_meter.request import Target, describe, match
from gateway.http import FRAMING_HEADERS, REQUEST_ID_HEADER, Request, Response, error_response
from gateway.identity import identify
from gateway.upstream import Upstream

GATEWAY_FAULT = "gateway_fault"
HEALTH_PATH = "/healthz"


class Gateway:
    """The app behind every transport. Never raises; safe to share between threads.

    Args:
        settings: The deployment's settings.
        meter: Opens a session for each call.
        upstream: Where calls go.
        clock: The time.
    """

    def __init__(self, *, settings: Settings, meter: Meter, upstream: Upstream, clock: Clock) -> None:
        self._settings = settings
        self._meter = meter
        self._upstream = upstream
        self._clock = clock

    def __call__(self, request: Request) -> Response:
        """Answer one request, and leave one record of it (none for the health check)."""
        if request.path == HEALTH_PATH and request.method == "GET":
            return _health(request)
        started = self._clock.monotonic()
        target: Target | None = None
        tags: Mapping[str, str] = {}
        try:
            target = match(request.method, request.path)
            tags = identify(request.headers, self._settings)
            call = self._describe(request, target, tags)
            signed = self._upstream.sign(request.method, target.path, request.headers, request.body)
        except Exception as error:  # noqa: BLE001 - whatever fails here, the caller gets an answer and we get a record
            refusal = self._refusal(error)
            session = self._meter.open(self._outline(request, target, tags), started=started)
            session.close(Ending.REFUSED, answered=refusal)
            return error_response(refusal, request.id)
        return self._relay(self._meter.open(call, started=started), signed, request)

    def close(self) -> None:
        """Let go of the connections to Bedrock, for a process that goes on without the gateway."""
        self._upstream.close()

    def _describe(self, request: Request, target: Target, tags: Mapping[str, str]) -> Call:
        if request.unreadable is not None:
            raise request.unreadable
        limit = self._settings.max_body_bytes
        if len(request.body) > limit:
            raise RequestTooLarge(size=len(request.body), limit=limit)
        return describe(
            target,
            request.headers,
            request.body,
            call_id=request.id,
            received_at=self._clock.now(),
            tags=tags,
            region=self._settings.region,
        )

    def _outline(self, request: Request, target: Target | None, tags: Mapping[str, str]) -> Call:
        """Say what is known of a call that is refused; it may be no more than that there was one."""
        return Call(
            id=request.id,
            operation=target.operation if target else Operation.UNKNOWN,
            model=parse(target.model, self._settings.region) if target else None,
            tags=tags,
            input_bytes=len(request.body),
            received_at=self._clock.now(),
        )

    def _relay(self, session: Session, signed: bytes, request: Request) -> Response:
        """Send the call and read the whole answer, so that its counts can go into the response headers."""
        ending_if_broken = Ending.UNREACHABLE
        body: list[bytes] = []
        session.sending()
        try:
            answer = self._upstream.send(signed, request.deadline)
            ending_if_broken = Ending.TRUNCATED
            session.head(answer.status, _by_name(answer.headers))
            for chunk in answer.chunks():
                session.feed(chunk)
                body.append(chunk)
        except Exception as error:  # noqa: BLE001 - the same
            refusal = self._refusal(error)
            session.close(
                Ending.TIMED_OUT if isinstance(refusal, UpstreamTimeout) else ending_if_broken, answered=refusal
            )
            return error_response(refusal, request.id)
        record = session.close(Ending.COMPLETE)
        kept = tuple((name, value) for name, value in answer.headers if name.lower() not in FRAMING_HEADERS)
        return Response(status=answer.status, headers=(*kept, *_meter_headers(request.id, record)), body=body)

    def _refusal(self, error: Exception) -> Refusal:
        if isinstance(error, Refusal):
            return error
        self._meter.carry(GATEWAY_FAULT, error)
        return GatewayFault("The gateway failed before it could send the call to Bedrock. Its log names the fault.")


def _health(request: Request) -> Response:
    body = json.dumps({"status": "ok", "version": __version__}).encode()
    return Response(
        status=200, headers=(("content-type", "application/json"), (REQUEST_ID_HEADER, request.id)), body=(body,)
    )


def _by_name(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def _meter_headers(request_id: str, record: Record | None) -> Iterable[tuple[str, str]]:
    """Give what the meter adds to a buffered answer; what is unknown is left out."""
    yield REQUEST_ID_HEADER, request_id
    if record is None or record.usage is None:
        return
    facts = {
        "cost-usd": record.cost,
        "input-tokens": record.usage.input,
        "output-tokens": record.usage.output,
        "usage-source": record.usage.source.value,
    }
    for name, value in facts.items():
        if value is not None:
            yield f"x-bedrock-meter-{name}", str(value)
