"""``meterctl serve`` as a user runs it: a process of its own, boto3 in front, a Bedrock behind."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import boto3
import pytest
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded
from tests.functional.gateway.door import send

from meterctl.simulate import Simulator

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

MODEL = "amazon.nova-lite-v1:0"


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run ``meterctl serve`` on a free port; give its URL."""
    command = [sys.executable, "-m", "meterctl", "serve", "--port", "0", *arguments]
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **credentials, **environment},
    ) as process:
        try:
            assert process.stderr is not None
            process.stderr.readline()
            yield exported(process, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"), process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def exported(process: subprocess.Popen[str], variable: str) -> str:
    """Give the value of the line to paste that comes next."""
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith(f"export {variable}=")
    return line.strip().partition("=")[2]


@contextmanager
def client(url: str) -> "Iterator[BedrockRuntimeClient]":
    """Make the client that an application makes."""
    bedrock = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with closing(bedrock):
        yield bedrock


def ask(bedrock: "BedrockRuntimeClient", text: str) -> int:
    """Make one call; give its output tokens."""
    answer = bedrock.converse(modelId=MODEL, messages=[{"role": "user", "content": [{"text": text}]}])
    return answer["usage"]["outputTokens"]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Run one simulator for the module."""
    with Simulator(seed=5) as running:
        yield running


def test_calls_are_relayed_and_their_lines_appended(simulator: Simulator, tmp_path: Path) -> None:
    """Each call adds one line to the EMF file, which keeps what was in it."""
    emf_file = tmp_path / "emf.jsonl"
    emf_file.write_text("kept\n")
    arguments = "--upstream", simulator.url, "--no-auth", "--use-case", "chatbot", "--emf", str(emf_file)
    with serving(*arguments) as (url, _), client(url) as bedrock:
        output = ask(bedrock, "hello")

    kept, line = emf_file.read_text().splitlines()
    assert kept == "kept"
    assert json.loads(line)["OutputTokenCount"] == output
    assert json.loads(line)["UseCase"] == "chatbot"


def test_streams_are_relayed_and_counted(simulator: Simulator, tmp_path: Path) -> None:
    """Both stream operations of boto3 run to their end, and each leaves a line with what the last event says."""
    emf_file = tmp_path / "emf.jsonl"
    arguments = "--upstream", simulator.url, "--no-auth", "--use-case", "chatbot", "--emf", str(emf_file)
    question = {"schemaVersion": "messages-v1", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    with serving(*arguments) as (url, _), client(url) as bedrock:
        answer = bedrock.converse_stream(modelId=MODEL, messages=[{"role": "user", "content": [{"text": "hello"}]}])
        (usage,) = (event["metadata"]["usage"] for event in answer["stream"] if "metadata" in event)
        chunks = bedrock.invoke_model_with_response_stream(modelId=MODEL, body=json.dumps(question))["body"]
        last = json.loads(list(chunks)[-1]["chunk"]["bytes"])["amazon-bedrock-invocationMetrics"]

    lines = [json.loads(line) for line in emf_file.read_text().splitlines()]
    assert [line["OutputTokenCount"] for line in lines] == [usage["outputTokens"], last["outputTokenCount"]]
    assert [line["InputTokenCount"] for line in lines] == [usage["inputTokens"], last["inputTokenCount"]]


def test_calls_at_the_same_time_are_all_counted(simulator: Simulator, tmp_path: Path) -> None:
    """Sixteen callers at once get their answers, and the lines do not run into each other."""
    emf_file = tmp_path / "emf.jsonl"
    arguments = "--upstream", simulator.url, "--no-auth", "--use-case", "chatbot", "--emf", str(emf_file)
    with serving(*arguments) as (url, _), client(url) as bedrock, ThreadPoolExecutor(16) as callers:
        outputs = list(callers.map(lambda number: ask(bedrock, f"question {number}"), range(64)))

    lines = [json.loads(line) for line in emf_file.read_text().splitlines()]
    assert len(lines) == 64
    assert sum(line["OutputTokenCount"] for line in lines) == sum(outputs)


def test_it_tells_that_it_is_well(simulator: Simulator) -> None:
    """GET /healthz answers 200 and leaves no record."""
    with serving("--upstream", simulator.url, "--no-auth", "--use-case", "chatbot") as (url, process):
        with urlopen(f"{url}/healthz", timeout=10) as answer:  # noqa: S310 - our own loopback server
            assert json.load(answer)["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.read() == ""
        assert process.wait(10) == 0


def test_an_unknown_route_is_a_404_in_bedrocks_shape(simulator: Simulator) -> None:
    """What cannot be metered is not forwarded, and the answer is one that an AWS SDK understands."""
    with serving("--upstream", simulator.url, "--no-auth", "--use-case", "chatbot") as (url, _):
        request = Request(f"{url}/model/x/invoke-with-bidirectional-stream", data=b"{}", method="POST")  # noqa: S310 - the same
        with pytest.raises(HTTPError, match="404") as caught:
            urlopen(request, timeout=10)  # noqa: S310 - the same
        with caught.value as answer:
            assert answer.headers["x-amzn-errortype"] == "UnknownOperationException"


def test_callers_are_known_by_their_keys(simulator: Simulator, tmp_path: Path) -> None:
    """With a registry a key of ``meterctl keys create`` opens, any other is 403, and the line names its use case."""
    registry, emf_file = str(tmp_path / "registry.db"), tmp_path / "emf.jsonl"
    meterctl = [sys.executable, "-m", "meterctl"]
    subprocess.run([*meterctl, "usecases", "create", "search", "--registry", registry], check=True, capture_output=True)
    made = [*meterctl, "keys", "create", "--use-case", "search", "--registry", registry]
    key = subprocess.run(made, check=True, capture_output=True, text=True).stdout.strip()
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": "hello"}]}]}).encode()
    shown: list[dict[str, str]] = [{"x-api-key": key}, {"x-api-key": key[:-1]}, {}]
    with serving("--upstream", simulator.url, "--registry", registry, "--emf", str(emf_file)) as (url, _):
        answers = [send(url, "POST", f"/model/{MODEL}/converse", body, headers) for headers in shown]
        error_types = [answer.header("x-amzn-errortype") for answer in answers]

    assert [answer.status for answer in answers] == [200, 403, 403]
    assert error_types == [None, "AccessDeniedException", "AccessDeniedException"]
    lines = [json.loads(line) for line in emf_file.read_text().splitlines()]
    assert [line["UseCase"] for line in lines] == ["search", "other", "other"]
    assert lines[0]["key_id"] == key.split("-")[1]
    assert key.split("-", 2)[2] not in emf_file.read_text()


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {}, "--registry: name a registry of keys"),
        (["--use-case", "a"], {}, "--registry: name a registry of keys"),
        (["--no-auth"], {}, "--use-case: name a use case"),
        (["--registry", "r.db", "--use-case", "a"], {}, "--use-case: it goes with --no-auth"),
        (
            ["--registry", "/nowhere/r.db", "--upstream", "http://127.0.0.1:1"],
            {},
            "BEDROCK_METER_REGISTRY: the registry",
        ),
        (
            ["--upstream", "ftp://example.org", "--no-auth", "--use-case", "a"],
            {},
            "BEDROCK_METER_UPSTREAM_URL: it has to be",
        ),
        (
            ["--upstream", "http://127.0.0.1:1", "--no-auth", "--use-case", "two words"],
            {},
            "--use-case: 'two words' is no use case",
        ),
        (["--no-auth", "--use-case", "a"], {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "AWS_REGION: set a Region"),
    ],
    ids=["nothing", "no choice", "no use case", "both", "no file", "upstream", "use case", "no region"],
)
def test_a_wrong_option_is_one_sentence(arguments: list[str], environment: dict[str, str], message: str) -> None:
    """A setting that cannot be used is named on stderr, without a traceback, and the exit code is 2."""
    result = subprocess.run(
        [sys.executable, "-m", "meterctl", "serve", "--port", "0", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert result.returncode == 2
    assert result.stderr.startswith(f"meterctl: {message}")
    assert "Traceback" not in result.stderr


def test_http2_is_refused_aloud(simulator: Simulator) -> None:
    """A client that speaks HTTP/2 is told what to do, and its streams are not cut short without a word."""
    with serving("--upstream", simulator.url, "--no-auth", "--use-case", "chatbot") as (url, _):
        address = urlsplit(url)
        client = H2Connection()
        client.initiate_connection()
        client.send_headers(
            1,
            [(":method", "GET"), (":path", "/healthz"), (":scheme", "http"), (":authority", address.netloc)],
            end_stream=True,
        )
        with socket.create_connection((address.hostname, address.port), 10) as connection:
            connection.sendall(client.data_to_send())
            events: list[Any] = []
            while not any(isinstance(event, StreamEnded) for event in events):
                received = connection.recv(65536)
                assert received, "the server closed the connection without an answer"
                events += client.receive_data(received)

    (answer,) = (event for event in events if isinstance(event, ResponseReceived))
    assert dict(answer.headers)[b":status"] == b"505"
    body = b"".join(event.data for event in events if isinstance(event, DataReceived))
    assert "NodeHttpHandler" in json.loads(body)["message"]


def test_keys_travel_over_tls(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``--tls`` and the two lines that it prints, boto3 sends a gateway key, which it does over https only."""
    with serving("--upstream", simulator.url, "--no-auth", "--use-case", "chatbot", "--emf", "-", "--tls") as (
        url,
        process,
    ):
        bundle = exported(process, "AWS_CA_BUNDLE")
        assert url.startswith("https://127.0.0.1:")
        monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "any-key")
        sent: list[bytes] = []
        with closing(boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=url)) as bedrock:
            bedrock.meta.events.register(
                "before-send.bedrock-runtime", lambda request, **_: sent.append(request.headers["authorization"])
            )
            assert ask(bedrock, "over TLS") > 0
        assert sent == [b"Bearer any-key"]
    assert not Path(bundle).exists()


def test_only_http_1_is_offered(simulator: Simulator) -> None:
    """A client that would rather speak HTTP/2 is told by ALPN to speak HTTP/1.1."""
    with serving("--upstream", simulator.url, "--no-auth", "--use-case", "chatbot", "--tls") as (url, process):
        context = ssl.create_default_context(cafile=exported(process, "AWS_CA_BUNDLE"))
        context.set_alpn_protocols(["h2", "http/1.1"])
        address = ("127.0.0.1", urlsplit(url).port or 0)
        with socket.create_connection(address) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
            assert tls.selected_alpn_protocol() == "http/1.1"
