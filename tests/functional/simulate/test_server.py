"""The sockets: keep-alive, parallel clients, clients that leave, a clean stop."""

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from meterctl.simulate import LEDGER_PATH, Simulator, fault_model_id

CANARY = "canary-91d0"
LLAMA_PATH = "/model/meta.llama3-1-8b-instruct-v1:0/invoke"
BODY = json.dumps({"prompt": CANARY}).encode()


def connect(bedrock: Simulator) -> http.client.HTTPConnection:
    """Open a connection that gives up after ten seconds."""
    return http.client.HTTPConnection("127.0.0.1", bedrock.port, timeout=10)


def post(connection: http.client.HTTPConnection, path: str = LLAMA_PATH, body: bytes = BODY) -> tuple[int, bytes]:
    """Post a body and return status and answer."""
    connection.request("POST", path, body)
    response = connection.getresponse()
    return response.status, response.read()


def get_ledger(connection: http.client.HTTPConnection) -> str:
    """Return the ledger's text."""
    connection.request("GET", LEDGER_PATH)
    return connection.getresponse().read().decode()


def test_one_connection_serves_many_calls(bedrock: Simulator) -> None:
    """Healthy answers and errors keep the connection open, and no answer waits for a delayed acknowledgement."""
    with closing(connect(bedrock)) as connection:
        post(connection)
        mine = connection.sock
        began = time.perf_counter()
        statuses = [post(connection, path)[0] for path in [LLAMA_PATH, "/nowhere"] * 50]
        assert statuses == [200, 404] * 50
        assert connection.sock is mine
        # 100 stalls of 40 ms would take 4 s.
        assert time.perf_counter() - began < 3.0


def test_the_ledger_is_served_without_content(bedrock: Simulator) -> None:
    """The ledger over HTTP is the one in Python; it does not list itself and holds no prompt."""
    with closing(connect(bedrock)) as connection:
        post(connection)
        get_ledger(connection)
        text = get_ledger(connection)
    (served,) = json.loads(text)["served"]
    assert served["request_id"] == bedrock.ledger[0].request_id
    assert CANARY not in text


def test_parallel_clients_are_all_served(bedrock: Simulator) -> None:
    """Many connections at once lose no call, and no two calls share a request id."""

    def call(number: int) -> int:
        with closing(connect(bedrock)) as connection:
            return post(connection, body=json.dumps({"prompt": f"{number % 7}"}).encode())[0]

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(call, range(96))) == {200}
    assert len({entry.request_id for entry in bedrock.ledger}) == 96


def test_a_client_that_leaves_is_noted(bedrock: Simulator) -> None:
    """An answer whose reader hung up is billed and not complete; the simulator goes on."""
    with closing(connect(bedrock)) as leaver:
        leaver.request("POST", f"/model/{fault_model_id('slow', family='llama')}/invoke", BODY)
    with closing(connect(bedrock)) as connection:
        deadline = time.monotonic() + 10
        while not bedrock.ledger and time.monotonic() < deadline:
            get_ledger(connection)
        (served,) = bedrock.ledger
        assert served.output_tokens > 0
        assert not served.complete
        assert post(connection)[0] == 200


def test_a_reset_is_a_reset(bedrock: Simulator) -> None:
    """The fault `reset` sends a TCP reset, not an orderly close without an answer."""
    with closing(connect(bedrock)) as connection, pytest.raises(ConnectionResetError):
        post(connection, f"/model/{fault_model_id('reset', family='llama')}/invoke")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Transfer-Encoding: chunked", b"411"),
        (b"Content-Length: many", b"400"),
        (b"Content-Length: 25000001", b"413"),
    ],
)
def test_a_body_that_cannot_be_read_ends_the_connection(bedrock: Simulator, header: bytes, status: bytes) -> None:
    """The simulator answers, closes and records nothing."""
    with socket.create_connection(("127.0.0.1", bedrock.port), timeout=10) as connection:
        connection.sendall(b"POST /model/x/invoke HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n")
        received = b""
        while data := connection.recv(4096):
            received += data
    assert received.startswith(b"HTTP/1.1 " + status)
    assert bedrock.ledger == ()


def test_it_stops_while_clients_are_connected() -> None:
    """Closing hangs up on idle and waiting clients at once, and leaves no thread and no port behind."""
    before = set(threading.enumerate())
    bedrock = Simulator(slow_ms=60_000)
    with closing(connect(bedrock)) as idle, closing(connect(bedrock)) as waiting:
        for connection in (idle, waiting):
            post(connection)
        waiting.request("POST", f"/model/{fault_model_id('slow', family='llama')}/invoke", BODY)
        began = time.monotonic()
        bedrock.close()
        bedrock.close()
        assert time.monotonic() - began < 5
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            waiting.getresponse().read()
    assert set(threading.enumerate()) <= before
    with Simulator(port=bedrock.port) as again:
        assert again.port == bedrock.port
