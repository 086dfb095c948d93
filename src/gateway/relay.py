"""The transport-free app: ``Gateway(request) -> Response``. It authorises, meters, forwards, and hands back."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from awshttp.credentials import Credentials
from bedrock_meter import __version__
from bedrock_meter.adapters.limiting import Limiting
from bedrock_meter.caller import RECORD_ID, Auth, permit, tags_of
from bedrock_meter.config import Settings
from bedrock_meter.domain import Call, Ending, Operation, Record
from bedrock_meter.errors import (
    GatewayFault,
    InvalidRequest,
    Refusal,
    RequestTooLarge,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from bedrock_meter.limiter import Admission
from bedrock_meter.meter import Meter, Session
from bedrock_meter.modelid import parse
from bedrock_meter.ports import Clock
from bedrock_meter.request import Target, describe, match
from gateway.chat_usage import UsageHider, ask_for_usage
from gateway.deployment import Announcement
from gateway.http import FRAMING_HEADERS, REQUEST_ID_HEADER, Request, Response, error_response
from gateway.identity import Identity, named_use_case
from gateway.metadata import USE_CASE, labelled
from gateway.stream import GATEWAY_FAULT, Answer, StreamRelay, is_stream
from gateway.usage import PATH as USAGE_PATH
from gateway.usage import UsageReport, answer_of

HEALTH_PATH = "/healthz"

_QUERY = re.compile(r"(?:(?!#)[!-~])*")


class Upstream(Protocol):
    """What signs and sends; `gateway.upstream` has the real one."""

    def sign(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, credentials: Credentials | None = None
    ) -> bytes:
        """Make a request of our own from the caller's."""

    def send(self, request: bytes, deadline: float | None) -> Answer:
        """Send it and wait for the head of the answer; raise a `Refusal` when none comes."""

    def close(self) -> None:
        """Let go of what is kept between calls."""


class Attribution(Protocol):
    """Whose credentials sign a call; `gateway.attribution` has the real one."""

    def credentials(self, tags: Mapping[str, str]) -> Credentials | None:
        """Give the credentials for the labels of a call; None for the gateway's own. Must not raise."""


class Connections(Protocol):
    """What keeps connections between calls."""

    def close(self) -> None:
        """Close them; later calls make new ones."""


class Gateway:
    """The app behind every transport. Never raises; safe to share between threads.

    The body of its answer is a list of chunks, or for an answer that streams the generator of `gateway.stream`, which
    raises when Bedrock breaks off. A transport that stops iterating has to call the answer's ``close()``.

    Args:
        settings: The deployment's settings.
        meter: Opens a session for each call.
        upstream: Where calls go.
        clock: The time.
        identity: Finds out who calls.
        usage: Tells a caller how far its limits are spent.
        limiting: Admits calls; None admits all of them.
        announcement: Tells of a new deployment beside the first call; None tells of none.
        attribution: Whose credentials sign; None for the gateway's own.
        connections: What else is kept between calls and closed with the gateway.
    """

    def __init__(  # noqa: PLR0913 - the parts that it is put together of
        self,
        *,
        settings: Settings,
        meter: Meter,
        upstream: Upstream,
        clock: Clock,
        identity: Identity,
        usage: UsageReport,
        limiting: Limiting | None = None,
        announcement: Announcement | None = None,
        attribution: Attribution | None = None,
        connections: Sequence[Connections] = (),
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._usage = usage
        self._attribution = attribution
        self._connections = connections
        # Where nobody may name a use case, a label of that name is the caller's own business.
        self._by_metadata = settings.auth is not Auth.NONE or settings.use_case_header
        self._meter = meter
        self._limiting = limiting
        self._announcement = announcement
        self._upstream = upstream
        self._clock = clock
        self._streams = StreamRelay(settings=settings, meter=meter, clock=clock)

    def __call__(self, request: Request) -> Response:
        """Answer one request, and leave one record of it (none for what is no call: the health check and the usage)."""
        if request.path == HEALTH_PATH and request.method == "GET":
            return _health(request)
        if request.path == USAGE_PATH and request.method == "GET":
            return self._tell_usage(request)
        started = self._clock.monotonic()
        target: Target | None = None
        tags: Mapping[str, str] = {}
        call: Call | None = None
        try:
            target = match(request.method, request.path)
            caller = self._identity(request)
            use_case = caller.choose(named_use_case(request, target.operation, by_metadata=self._by_metadata))
            tags = tags_of(caller, use_case)
            call = self._describe(request, target, tags)
            permit(use_case, call.model)
            asking = ask_for_usage(call, request.body)
            body = request.body if asking is None else asking
            signed = self._sign(request, target, tags, body)
            # Last, so that nothing is held for a call that cannot be sent.
            admission = self._admit(call, body)
        except Exception as error:  # noqa: BLE001 - whatever fails here, the caller gets an answer and we get a record
            refusal = self._refusal(error)
            session = self._meter.open(call or self._outline(request, target, tags), started=started)
            session.close(Ending.REFUSED, answered=refusal)
            return error_response(refusal, request.id, request.path)
        hider = None if asking is None else UsageHider()
        session = self._meter.open(call, started=started, body=request.body, admission=admission)
        return self._relay(session, signed, request, hider)

    def _tell_usage(self, request: Request) -> Response:
        try:
            return answer_of(request, self._usage.of(self._identity(request), self._clock.now()))
        except Exception as error:  # noqa: BLE001 - the same
            return error_response(self._refusal(error), request.id, request.path)

    def close(self) -> None:
        """Let go of the connections that are kept, for a process that goes on without the gateway."""
        self._upstream.close()
        for connections in self._connections:
            connections.close()

    def finish(self) -> None:
        """Wait for what goes on beside the calls, before the environment may be frozen."""
        if self._limiting is not None:
            self._limiting.finish()
        if self._announcement is not None:
            self._announcement.finish()

    def _admit(self, call: Call, body: bytes) -> Admission | None:
        return None if self._limiting is None else self._limiting.limiter.admit(self._meter.resolved(call), body)

    def _sign(self, request: Request, target: Target, tags: Mapping[str, str], body: bytes) -> bytes:
        headers = request.headers
        if self._settings.propagate_metadata:
            labels = {USE_CASE: tags[USE_CASE], RECORD_ID: request.id}
            headers, body = labelled(target.operation, headers, body, labels)
        credentials = None if self._attribution is None else self._attribution.credentials(tags)
        return self._upstream.sign(request.method, _with_query(target, request), headers, body, credentials)

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
        named = target.model if target else None
        return Call(
            id=request.id,
            operation=target.operation if target else Operation.UNKNOWN,
            model=None if named is None else parse(named, self._settings.region),
            tags=tags,
            input_bytes=len(request.body),
            received_at=self._clock.now(),
        )

    def _relay(self, session: Session, signed: bytes, request: Request, hider: UsageHider | None) -> Response:
        session.sending()
        if self._announcement is not None:
            self._announcement.begin()
        try:
            answer = self._upstream.send(signed, request.deadline)
        except Exception as error:  # noqa: BLE001 - the same
            return self._broken(session, error, Ending.UNREACHABLE, request)
        headers = _by_name(answer.headers)
        session.head(answer.status, headers)
        if not is_stream(headers):
            hider = None
        elif not request.buffered:
            added = ((REQUEST_ID_HEADER, request.id),)
            return Response(
                status=answer.status,
                headers=(*_kept(answer), *added),
                body=self._streams.start(answer, session, hider),
            )
        return self._whole(session, answer, request, hider)

    def _whole(self, session: Session, answer: Answer, request: Request, hider: UsageHider | None) -> Response:
        """Read the whole answer, so that its counts can go into the response headers."""
        body: list[bytes] = []
        try:
            for chunk in answer.chunks():
                session.feed(chunk)
                body.append(chunk)
        except Exception as error:  # noqa: BLE001 - the same
            return self._broken(session, error, Ending.TRUNCATED, request)
        record = session.close(Ending.COMPLETE)
        if hider is not None:
            body = [hider.feed(b"".join(body)), hider.rest()]
        return Response(status=answer.status, headers=(*_kept(answer), *_meter_headers(request.id, record)), body=body)

    def _broken(self, session: Session, error: Exception, ending: Ending, request: Request) -> Response:
        refusal = self._refusal(error)
        unsent = isinstance(refusal, UpstreamUnavailable) and not refusal.sent
        ended = Ending.TIMED_OUT if isinstance(refusal, UpstreamTimeout) else ending
        session.close(ended, answered=refusal, unsent=unsent)
        return error_response(refusal, request.id, request.path)

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


def _with_query(target: Target, request: Request) -> str:
    if not request.query:
        return target.path
    if not _QUERY.fullmatch(request.query):
        raise InvalidRequest("The query holds a character that has to be percent-encoded. Encode it.")
    return f"{target.path}?{request.query}"


def _kept(answer: Answer) -> Iterable[tuple[str, str]]:
    return ((name, value) for name, value in answer.headers if name.lower() not in FRAMING_HEADERS)


def _by_name(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def _meter_headers(request_id: str, record: Record | None) -> Iterable[tuple[str, str]]:
    """Give what the meter adds to a buffered answer; what is unknown is left out."""
    yield REQUEST_ID_HEADER, request_id
    if record is None or record.usage is None:
        return
    facts = {
        "cost-usd": None if record.cost is None else f"{record.cost:f}",
        "input-tokens": record.usage.input,
        "output-tokens": record.usage.output,
        "usage-source": record.usage.source.value,
    }
    for name, value in facts.items():
        if value is not None:
            yield f"x-bedrock-meter-{name}", str(value)
