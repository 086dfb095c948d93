"""A Bedrock that sends what a test scripts, and waits where the test says so."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self, cast

from meterctl.simulate.frames import event, exception

if TYPE_CHECKING:
    from collections.abc import Sequence

CUT = "cut"
"""In a script: the connection ends here, in the middle of the answer."""

Step = bytes | threading.Event | str


def converse_event(name: str, **members: Any) -> bytes:
    """Encode one event of ConverseStream."""
    return event(name, json.dumps(members).encode())


OPENING = (
    converse_event("messageStart", role="assistant"),
    converse_event("contentBlockDelta", contentBlockIndex=0, delta={"text": "Hello"}),
    converse_event("contentBlockDelta", contentBlockIndex=0, delta={"text": " there"}),
    converse_event("contentBlockStop", contentBlockIndex=0),
)
STOP = converse_event("messageStop", stopReason="end_turn")
METADATA = converse_event(
    "metadata", usage={"inputTokens": 11, "outputTokens": 22, "totalTokens": 33}, metrics={"latencyMs": 44}
)
THROTTLED = exception("throttlingException", {"message": "slow down"})


class Scripted(ThreadingHTTPServer):
    """An HTTP server on a free port; one script is played per request, the last one again and again.

    Attributes:
        scripts: What is played.
        statuses: Error statuses with which the next requests are answered before that.
        connections: How many connections were opened.
        requests: How many requests were answered.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scripts: list[Sequence[Step]] = [(*OPENING, STOP, METADATA)]
        self.statuses: list[int] = []
        self.connections = 0
        self.requests = 0
        self._gates: list[threading.Event] = []

    @property
    def url(self) -> str:
        """The endpoint URL."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def play(self, *steps: Step) -> None:
        """Set the script of the next requests."""
        self.scripts = [steps]

    def gate(self) -> threading.Event:
        """Make a step at which the answer waits until the test sets it; it opens at the end in any case."""
        gate = threading.Event()
        self._gates.append(gate)
        return gate

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for gate in self._gates:
            gate.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0

    @property
    def scripted(self) -> Scripted:
        return cast("Scripted", self.server)

    def setup(self) -> None:
        super().setup()
        self.scripted.connections += 1

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.scripted.requests += 1
        if self.scripted.statuses:
            self._refuse(self.scripted.statuses.pop(0))
            return
        self._head(200, {"content-type": "application/vnd.amazon.eventstream", "transfer-encoding": "chunked"})
        scripts = self.scripted.scripts
        for step in scripts.pop(0) if len(scripts) > 1 else scripts[0]:
            if not self._take(step):
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def _take(self, step: Step) -> bool:
        """Do one step; False when the connection ends here."""
        if isinstance(step, threading.Event):
            return step.wait(30)
        if isinstance(step, str):
            return False
        try:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(step), step))
        except OSError:
            return False
        return True

    def _refuse(self, status: int) -> None:
        body = b'{"message":"try again"}'
        self._head(status, {"x-amzn-errortype": "ServiceUnavailableException", "content-length": str(len(body))})
        self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("x-amzn-requestid", f"scripted-{self.scripted.requests}")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass
