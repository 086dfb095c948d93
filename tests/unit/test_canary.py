"""No content leaves: a prompt, a completion, a key and a header's secret, planted in calls through the gateway."""

import gc
import io
import json
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.builders import CLAUDE, a_limit
from tests.unit.emf_schema import problems

import bedrock_meter.session
from bedrock_meter.adapters.fileregistry import FileRegistry, open_file
from bedrock_meter.adapters.limiting import Limits
from bedrock_meter.adapters.memory import FixedLimits, MemoryLimitStore
from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.caller import Auth
from bedrock_meter.config import Settings
from bedrock_meter.domain import Record
from bedrock_meter.gatekeys import SEED_BYTES, digest, mint, text_of
from bedrock_meter.limits import Ask, Counter, Settlement
from bedrock_meter.registry import Key, UseCase
from gateway.app import build
from gateway.http import Request

PROMPT = "canary prompt 5e1d"
COMPLETION = "canary completion 77b0"
KEY = "canary/secret+key/9c2f"
HEADER = "canary header 41aa"
CANARIES = (PROMPT, COMPLETION, KEY, HEADER)

# Everything that a canary begins with: an extract or a word of one is caught too.
TRACE = "canary"

_numbers = count(1)

ASK = {"max_tokens": 10, "messages": [{"role": "user", "content": PROMPT}], "metadata": {"user_id": PROMPT}}
ANSWER = {
    "content": [{"type": "text", "text": COMPLETION}],
    "stop_reason": COMPLETION,
    "stop_sequence": COMPLETION,
    "usage": {"input_tokens": 10, "output_tokens": COMPLETION},
}


@dataclass(slots=True)
class Stub:
    """A Bedrock that gives one fixed answer and keeps what it was sent."""

    url: str
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    missing: int = 0
    """How many bytes of the body are announced and never sent."""
    seen: list[tuple[str, bytes]] = field(default_factory=list)


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Serve a stub on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.seen.append((str(self.headers), body))
            self.send_response(state.status)
            self.send_header("content-length", str(len(state.body) + state.missing))
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(state.body)
            self.close_connection = bool(state.missing)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state = Stub(url=f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield state
        server.shutdown()
        thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What one call left behind."""

    status: int
    body: bytes
    headers: str
    lines: list[str]


class BrokenSink:
    """A sink that quotes content when it fails."""

    def emit(self, record: Record) -> None:
        """Fail."""
        del record
        raise OSError(PROMPT, COMPLETION)


class BrokenStore(MemoryLimitStore):
    """A `LimitStore` that quotes content when it fails."""

    def hold(self, asks: Sequence[Ask]) -> tuple[Ask, Counter] | None:
        """Fail."""
        raise OSError(PROMPT, len(asks))

    def settle(self, settlement: Settlement) -> Counter:
        """Fail."""
        raise OSError(COMPLETION, settlement.ask.window)


def call(url: str, body: bytes | None = None, *, broken_sink: bool = False, limits: Limits | None = None) -> Exchange:
    """Send one call with every canary in it through a gateway that is put together as the deployed one is."""
    # A logger of Powertools keeps the stdout of its first use; a service of its own gives each call the captured one.
    settings = Settings(
        service=f"meter-{next(_numbers)}",
        use_case="chatbot",
        use_cases=frozenset({"chatbot"}),
        upstream_url=url,
        read_timeout_seconds=5,
    )
    stream = io.StringIO()
    sink = BrokenSink() if broken_sink else StreamSink.for_settings(settings, stream)
    environ = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": KEY, "AWS_SESSION_TOKEN": "session"}
    headers = dict.fromkeys(("authorization", "cookie", "x-api-key", "x-amz-security-token", "x-anything"), HEADER)
    request = Request(
        id="req-1",
        method="POST",
        path=f"/model/{CLAUDE}/invoke",
        headers=headers,
        body=json.dumps(ASK).encode() if body is None else body,
    )
    gateway = build(settings, environ=environ, sink=sink, limits=limits)
    response = gateway(request)
    gateway.close()
    gc.collect()  # a socket that was left open is told now, in the test that left it
    return Exchange(
        status=response.status,
        body=b"".join(response.body),
        headers=repr(response.headers),
        lines=stream.getvalue().splitlines(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Everything that the process wrote."""

    capsys: pytest.CaptureFixture[str]
    caplog: pytest.LogCaptureFixture

    def assert_clean(self, exchange: Exchange) -> str:
        """Find no canary in lines, headers and logs; give what was logged."""
        captured = self.capsys.readouterr()
        logged = captured.out + captured.err + self.caplog.text
        for line in exchange.lines:
            assert problems(line) == []
        for place in (*exchange.lines, exchange.headers, logged):
            assert TRACE not in place.lower()
        return logged


@pytest.fixture
def watch(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Watch:
    """Watch stdout, stderr and every logger at the level that Lambda writes."""
    caplog.set_level(logging.INFO)
    return Watch(capsys=capsys, caplog=caplog)


def test_a_good_call(stub: Stub, watch: Watch) -> None:
    """Prompt and completion pass through, the caller's secrets stop at the gateway, and the line has neither."""
    stub.body = json.dumps(ANSWER).encode()
    stub.headers = {"x-amzn-bedrock-input-token-count": "10"}
    exchange = call(stub.url)
    assert (exchange.status, exchange.body) == (200, stub.body)
    ((sent_headers, sent_body),) = stub.seen
    assert PROMPT.encode() in sent_body
    assert TRACE not in sent_headers
    assert len(exchange.lines) == 1
    watch.assert_clean(exchange)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(json.dumps({"message": PROMPT, "__type": PROMPT}).encode(), {}, id="error quotes the prompt"),
        pytest.param(PROMPT.encode(), {"x-amzn-errortype": PROMPT}, id="error type is a sentence"),
    ],
)
def test_an_error_of_bedrock(stub: Stub, watch: Watch, body: bytes, headers: dict[str, str]) -> None:
    """Bedrock's own error goes to the caller as it is; the line keeps nothing that is not a name."""
    stub.status, stub.body = 400, body
    stub.headers = headers
    exchange = call(stub.url)
    assert (exchange.status, exchange.body) == (400, body)
    assert len(exchange.lines) == 1
    assert TRACE not in exchange.lines[0]
    assert "error_code" not in json.loads(exchange.lines[0])
    if not headers:
        watch.assert_clean(exchange)


def test_a_body_that_is_no_json(stub: Stub, watch: Watch) -> None:
    """The refusal does not quote the prompt."""
    exchange = call(stub.url, json.dumps(ASK).encode()[:-1])
    assert (exchange.status, len(exchange.lines), stub.seen) == (400, 1, [])
    assert TRACE not in exchange.body.decode()
    watch.assert_clean(exchange)


def test_an_answer_that_is_no_json(stub: Stub, watch: Watch) -> None:
    """An answer that cannot be read is a fault by name."""
    stub.body = json.dumps(ANSWER).encode()[:-1]
    exchange = call(stub.url)
    assert exchange.body == stub.body
    assert json.loads(exchange.lines[0])["meter_faults"] == ["answer_not_json"]
    watch.assert_clean(exchange)


def test_an_answer_that_breaks_off(stub: Stub, watch: Watch) -> None:
    """The error that the caller gets has nothing of the half answer."""
    stub.body, stub.missing = json.dumps(ANSWER).encode(), 10
    exchange = call(stub.url)
    assert (exchange.status, len(exchange.lines)) == (503, 1)
    assert TRACE not in exchange.body.decode()
    watch.assert_clean(exchange)


def test_nobody_listens(stub: Stub, watch: Watch) -> None:
    """The error names the kind of the failure and no address."""
    exchange = call("http://127.0.0.1:1")
    assert (exchange.status, len(exchange.lines), stub.seen) == (503, 1, [])
    assert TRACE not in exchange.body.decode()
    assert "127.0.0.1" not in exchange.body.decode()
    watch.assert_clean(exchange)


def test_a_full_limit(stub: Stub, watch: Watch) -> None:
    """What refuses a call knows its size and its model, and nothing of what it says."""
    exchange = call(stub.url, limits=Limits(directory=FixedLimits([a_limit("0.000001")]), store=MemoryLimitStore()))
    assert (exchange.status, len(exchange.lines), stub.seen) == (400, 1, [])
    assert "all-day" in exchange.body.decode()
    assert TRACE not in exchange.body.decode()
    watch.assert_clean(exchange)


def test_limits_that_cannot_be_counted(stub: Stub, watch: Watch) -> None:
    """A store that fails is a fault by name, before the call and after it."""
    stub.body = json.dumps(ANSWER).encode()
    exchange = call(stub.url, limits=Limits(directory=FixedLimits([a_limit()]), store=BrokenStore()))
    assert (exchange.status, len(exchange.lines)) == (200, 1)
    assert "limit_fault" in json.loads(exchange.lines[0])["meter_faults"]
    assert "limit_fault" in watch.assert_clean(exchange)


GATEWAY_KEY = mint(bytes(range(SEED_BYTES)))
"""Id and secret. The id may stand in a record; the secret may stand nowhere."""


@pytest.mark.parametrize("shown", ["good", "wrong secret", "malformed"])
def test_a_gateway_key(stub: Stub, watch: Watch, tmp_path: Path, shown: str) -> None:
    """Of a gateway key, good or bad, nothing but the id is in a record, a log, an answer or at Bedrock."""
    key_id, secret = GATEWAY_KEY
    with closing(open_file(tmp_path / "registry.db")) as file:
        registry = FileRegistry(file)
        registry.add(UseCase(name="chatbot"))
        names = ("chatbot",)
        made = datetime(2026, 11, 23, tzinfo=UTC)
        stored = secret if shown == "good" else "another"
        registry.add(
            Key(id=key_id, secret_sha256=digest(stored), use_cases=names, default_use_case="chatbot", created_at=made)
        )
        kept = repr(list(registry.keys()[0]))
    stub.body = json.dumps(ANSWER).encode()
    text = text_of(key_id, secret) + ("x" if shown == "malformed" else "")
    stream = io.StringIO()
    settings = Settings(
        service=f"meter-{next(_numbers)}", upstream_url=stub.url, auth=Auth.KEY, registry=str(tmp_path / "registry.db")
    )
    environ = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": KEY}
    gateway = build(settings, environ=environ, lines=stream, checks_keys=True)
    for headers in ({"authorization": f"Bearer {text}"}, {"x-api-key": text}):
        request = Request(
            id="req-1", method="POST", path=f"/model/{CLAUDE}/invoke", headers=headers, body=json.dumps(ASK).encode()
        )
        response = gateway(request)
        assert response.status == (200 if shown == "good" else 403)
        answered = repr((response.headers, b"".join(response.body)))
        assert secret not in answered
    gateway.close()
    gc.collect()
    captured = watch.capsys.readouterr()
    lines = stream.getvalue()
    for place in (lines, captured.out, captured.err, watch.caplog.text, repr(stub.seen), kept):
        assert secret not in place
    assert [json.loads(line).get("key_id") for line in lines.splitlines()] == [key_id if shown == "good" else None] * 2


def test_a_meter_with_a_bug(stub: Stub, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault is logged by its kind, without the text of the exception; the answer is untouched."""

    def broken(*_: object) -> None:
        raise KeyError(PROMPT, COMPLETION, KEY)

    monkeypatch.setattr(bedrock_meter.session, "reader_for", broken)
    stub.body = json.dumps(ANSWER).encode()
    exchange = call(stub.url)
    assert (exchange.status, exchange.body, len(exchange.lines)) == (200, stub.body, 1)
    logged = watch.assert_clean(exchange)
    assert "reader_fault" in logged
    assert "KeyError" in logged


def test_a_sink_that_quotes_content(stub: Stub, watch: Watch) -> None:
    """A failing sink is logged by its kind too."""
    stub.body = json.dumps(ANSWER).encode()
    exchange = call(stub.url, broken_sink=True)
    assert (exchange.status, exchange.body) == (200, stub.body)
    assert "sink_fault" in watch.assert_clean(exchange)


def test_a_gateway_with_a_bug(stub: Stub, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unforeseen exception becomes a 500 without its text."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(PROMPT, KEY, HEADER)

    monkeypatch.setattr("gateway.relay.describe", broken)
    exchange = call(stub.url)
    assert (exchange.status, len(exchange.lines), stub.seen) == (500, 1, [])
    assert TRACE not in exchange.body.decode()
    logged = watch.assert_clean(exchange)
    assert "gateway_fault" in logged
    assert "RuntimeError" in logged
