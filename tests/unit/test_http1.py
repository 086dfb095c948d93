"""The connection to Bedrock, against bytes that arrive in any pieces over a real socket pair."""

import itertools
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awshttp.http1 import MAX_HEAD, BrokenAnswer, Connection, Head

BODY = b'{"answer": "' + b"x" * 300 + b'"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Two:  a \r\nx-two: b\r\n"
WITH_LENGTH = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = (
    HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:200], BODY[200:]))
    + b"0\r\nTrailer: t\r\n\r\n"
)
UNTIL_CLOSE = HEAD + b"\r\n" + BODY


def soon() -> float:
    """Give the time that a wait may last; nothing here should come near it."""
    return 5.0


@contextmanager
def answering(*pieces: bytes) -> Iterator[Connection]:
    """Connect to a server that sends these pieces, one by one, and closes."""

    def serve() -> None:
        peer, _ = server.accept()
        with peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.recv(65536)
            for piece in pieces:
                peer.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve)
        thread.start()
        connection = Connection("127.0.0.1", server.getsockname()[1], tls=None)
        connection.connect(5)
        try:
            connection.send(b"GET / HTTP/1.1\r\n\r\n", 5)
            yield connection
        finally:
            connection.close()
            thread.join(5)


def read_all(connection: Connection) -> tuple[Head, bytes]:
    """Read a whole answer."""
    head = connection.head(soon)
    body = b""
    while chunk := connection.read(soon):
        body += chunk
    return head, body


def split(text: bytes, cuts: list[int]) -> list[bytes]:
    """Cut a text at the given places."""
    places = sorted({0, len(text), *(cut % len(text) for cut in cuts)})
    return [text[start:end] for start, end in itertools.pairwise(places)]


@pytest.mark.parametrize("answer", [WITH_LENGTH, CHUNKED, UNTIL_CLOSE], ids=["length", "chunked", "until close"])
def test_an_answer_is_read_whole(answer: bytes) -> None:
    """Every framing gives the same head and the same body; a header keeps its order, name and every value."""
    with answering(answer) as connection:
        head, body = read_all(connection)
    assert head.status == 200
    assert head.headers[:3] == (("Content-Type", "application/json"), ("X-Two", "a"), ("x-two", "b"))
    assert body == BODY


@given(cuts=st.lists(st.integers(0, 10_000), max_size=8), answer=st.sampled_from([WITH_LENGTH, CHUNKED, UNTIL_CLOSE]))
def test_any_pieces_give_the_same_answer(cuts: list[int], answer: bytes) -> None:
    """However the network cuts the bytes, head and body are the same."""
    with answering(*split(answer, cuts)) as connection:
        assert read_all(connection)[1] == BODY


@pytest.mark.parametrize("answer", [WITH_LENGTH, CHUNKED], ids=["length", "chunked"])
@given(cut=st.integers(0, 10_000))
def test_an_answer_that_ends_early_is_broken(answer: bytes, cut: int) -> None:
    """Wherever the peer stops before the end, that is an error, and never a short body."""
    with answering(answer[: cut % len(answer)]) as connection, pytest.raises(BrokenAnswer):
        read_all(connection)


def test_two_answers_on_one_connection() -> None:
    """After a whole answer the connection serves the next one."""
    with answering(WITH_LENGTH + CHUNKED) as connection:
        assert read_all(connection)[1] == BODY
        assert read_all(connection)[1] == BODY


@pytest.mark.parametrize(
    ("answer", "reusable"),
    [
        (WITH_LENGTH, True),
        (CHUNKED, True),
        (UNTIL_CLOSE, False),
        (WITH_LENGTH.replace(b"X-Two:  a", b"Connection: close"), False),
        (WITH_LENGTH.replace(b"HTTP/1.1", b"HTTP/1.0"), False),
        (WITH_LENGTH + b"unasked", False),
        (CHUNKED.replace(b"X-Two:  a", b"Content-Length: 3"), False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    ],
)
def test_when_a_connection_may_be_used_again(answer: bytes, reusable: bool) -> None:
    """Only a whole answer, of known length, from a peer that keeps the connection, leaves it fit for another call."""
    with answering(answer) as connection:
        read_all(connection)
        assert connection.reusable is reusable


def test_an_interim_answer_is_passed_over() -> None:
    """100 Continue and its like are not the answer."""
    with answering(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + WITH_LENGTH) as connection:
        head, body = read_all(connection)
    assert (head.status, body) == (200, BODY)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 5000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * (MAX_HEAD + 70_000) + b"\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_broken(answer: bytes) -> None:
    """Bytes that are no HTTP/1.1 answer raise, and nothing is guessed."""
    with answering(answer) as connection, pytest.raises((BrokenAnswer, ConnectionError)):
        read_all(connection)


def test_a_silent_peer_times_out() -> None:
    """A wait lasts as long as it may, and not longer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = Connection("127.0.0.1", server.getsockname()[1], tls=None)
        connection.connect(5)
        with pytest.raises(TimeoutError):
            connection.head(lambda: 0.01)
        connection.close()


def test_a_peer_that_hung_up_is_noticed_before_use() -> None:
    """A kept connection that the peer has closed says so, without a byte being risked on it."""
    with answering(WITH_LENGTH) as connection:
        read_all(connection)
    assert connection.hung_up()


def test_a_closed_connection_raises() -> None:
    """Using a connection that is not open is an OSError like any other failure of the network."""
    with pytest.raises(OSError, match="closed"):
        Connection("127.0.0.1", 9, tls=None).head(soon)
