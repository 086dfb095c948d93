"""The deployed program, in a process of its own, between the Runtime API and a Bedrock."""

import base64
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.functional.gateway.stub import Reply, StubUpstream, sends
from tests.functional.runtime.emulator import PATIENCE, Emulator
from tests.functional.runtime.runtimes import ROOT, WRAPPER, deployed, lambda_environment

from meterctl.simulate import Simulator

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1%3A0"
PROMPT = "canary: name three rivers of Europe."
BODY = json.dumps({"messages": [{"role": "user", "content": [{"text": PROMPT}]}]})
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n"
    b"x-amzn-RequestId: bedrock-1\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def event_for(operation: str) -> dict[str, Any]:
    """Make the event of a call, as API Gateway makes it without binary media types."""
    return {
        "resource": "/{proxy+}",
        "path": f"/model/{MODEL}/{operation}",
        "httpMethod": "POST",
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "requestContext": {"requestId": f"api-{operation}"},
        "body": BODY,
        "isBase64Encoded": False,
    }


def lines_of(log: Path) -> list[dict[str, Any]]:
    """Give the metric lines that the runtime has printed so far."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if '"_aws"' in line]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the runtime prints."""
    file = tmp_path / "stdout.log"
    file.touch()
    return file


def test_streams_and_plain_answers_are_relayed_and_metered(log: Path) -> None:
    """A stream and a plain answer in a row reach Lambda in form, and each leaves a line with what Bedrock served."""
    emulator = Emulator(observe=lambda: len(lines_of(log)))
    with Simulator(seed=1) as bedrock, deployed(emulator, bedrock.url, log):
        stream = emulator.invoke(event_for("converse-stream")).posted()
        plain = emulator.invoke(event_for("converse")).posted()
        emulator.wait_for("next", 3)
        served = bedrock.ledger
    assert stream.head()["statusCode"] == plain.head()["statusCode"] == 200
    assert stream.head()["headers"]["Content-Type"] == "application/vnd.amazon.eventstream"
    assert stream.head()["headers"]["x-bedrock-meter-request-id"] == "api-converse-stream"
    assert "content-length" not in {name.lower() for name in plain.head()["headers"]}
    assert b"messageStop" in stream.payload()
    assert json.loads(plain.payload())["usage"]["outputTokens"] == served[1].output_tokens
    lines = lines_of(log)
    assert [line["output_tokens"] for line in lines] == [one.output_tokens for one in served]
    assert [line["bedrock_request_id"] for line in lines] == [one.request_id for one in served]
    assert "canary" not in log.read_text(encoding="utf-8")


def test_a_record_is_written_after_the_answer_and_before_the_next_invocation(log: Path) -> None:
    """No line is there when the end of an answer arrives; it is there when the next invocation is asked for."""
    emulator = Emulator(observe=lambda: len(lines_of(log)))
    with Simulator(seed=1) as bedrock, deployed(emulator, bedrock.url, log):
        for operation in ("converse-stream", "converse"):
            emulator.invoke(event_for(operation)).posted()
        emulator.wait_for("next", 3)
    seen = [(event.kind, event.seen) for event in emulator.events]
    assert seen == [
        ("next", 0),
        ("response", 0),
        ("response-end", 0),
        ("next", 1),
        ("response", 1),
        ("response-end", 1),
        ("next", 2),
    ]


def stops_in_the_middle(first: bytes, go_on: threading.Event, rest: bytes) -> Reply:
    """Make a Bedrock that sends the first chunk, and the rest when it is told."""

    def reply(connection: socket.socket) -> None:
        connection.sendall(STREAM_HEAD + b"%x\r\n%b\r\n" % (len(first), first))
        assert go_on.wait(PATIENCE)
        connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest))

    return reply


def test_the_first_byte_leaves_before_bedrock_has_produced_the_last(log: Path) -> None:
    """Bedrock goes on only after its first chunk has reached Lambda; a runtime that collects would never get there."""
    go_on = threading.Event()
    with StubUpstream(stops_in_the_middle(b"first frame", go_on, b"last frame")) as bedrock:
        emulator = Emulator()
        with deployed(emulator, bedrock.url, log):
            exchange = emulator.invoke(event_for("converse-stream"))
            head, first = exchange.chunk(), exchange.chunk()
            assert json.loads(head.partition(bytes(8))[0])["statusCode"] == 200
            assert first == b"first frame"
            go_on.set()
            assert exchange.posted().payload() == b"first framelast frame"


def test_a_stream_that_bedrock_breaks_off_ends_with_the_error_in_trailers(log: Path) -> None:
    """What arrived stands, the trailers name the failure, and the record says that the answer was cut."""

    def breaks_off(connection: socket.socket) -> None:
        connection.sendall(STREAM_HEAD + b"5\r\nhello\r\n")
        connection.close()

    with StubUpstream(breaks_off) as bedrock:
        emulator = Emulator()
        with deployed(emulator, bedrock.url, log):
            posted = emulator.invoke(event_for("converse-stream")).posted()
            emulator.wait_for("next", 2)
    assert posted.payload() == b"hello"
    assert posted.trailers["lambda-runtime-function-error-type"] == "Runtime.UpstreamUnavailable"
    fact = json.loads(base64.b64decode(posted.trailers["lambda-runtime-function-error-body"]))
    assert fact["errorType"] == "Runtime.UpstreamUnavailable"
    assert "Try again" in fact["errorMessage"]
    (line,) = lines_of(log)
    assert line["ending"] == "truncated"


def test_the_answer_is_read_to_its_end_when_lambda_hangs_up(log: Path) -> None:
    """When the post breaks, Bedrock's answer is still read to the usage that comes last: the counts are exact."""
    emulator = Emulator()
    with Simulator(seed=1, chunk_bytes=64) as bedrock, deployed(emulator, bedrock.url, log):
        emulator.invoke(event_for("converse-stream"), hang_up_after=2)
        emulator.wait_for("next", 2)
        (served,) = bedrock.ledger
    (line,) = lines_of(log)
    assert (line["input_tokens"], line["output_tokens"]) == (served.input_tokens, served.output_tokens)
    assert line["certainty"] == "exact"


def test_the_deadline_of_the_invocation_bounds_a_silent_bedrock(log: Path) -> None:
    """A Bedrock that falls silent is given up in time to end the answer in form and to write the line."""

    def falls_silent(connection: socket.socket) -> None:
        connection.sendall(STREAM_HEAD + b"5\r\nhello\r\n")
        connection.recv(1)
        connection.close()

    with StubUpstream(falls_silent) as bedrock:
        emulator = Emulator(observe=lambda: len(lines_of(log)))
        with deployed(emulator, bedrock.url, log):
            posted = emulator.invoke(event_for("converse-stream"), seconds=2.0).posted()
            assert emulator.wait_for("next", 2).seen == 1
    assert posted.trailers["lambda-runtime-function-error-type"] == "Runtime.UpstreamTimeout"


def test_a_refused_call_is_an_answer_and_no_error(log: Path) -> None:
    """What the gateway refuses is an HTTP answer to the caller, in the same form as every other."""
    with StubUpstream(sends(b"")) as bedrock:
        emulator = Emulator()
        with deployed(emulator, bedrock.url, log):
            posted = emulator.invoke(event_for("no-such-operation")).posted()
            assert bedrock.connections == 0
    assert posted.head()["statusCode"] == 404
    assert posted.head()["headers"]["x-amzn-errortype"] == "UnknownOperationException"


def test_a_wrong_setting_is_an_init_error(log: Path) -> None:
    """A start that fails is reported to Lambda with the name of the setting, and the process ends."""
    emulator = Emulator()
    with deployed(emulator, "http://127.0.0.1:1", log, environment={"BEDROCK_METER_DRAIN_SECONDS": "soon"}) as process:
        assert process.wait(PATIENCE) == 1
    assert emulator.kinds() == ["init-error"]
    report = emulator.reports["/init/error"]
    assert report.all("lambda-runtime-function-error-type") == ["Runtime.ConfigError"]
    assert "BEDROCK_METER_DRAIN_SECONDS" in json.loads(report.body)["errorMessage"]


SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
HOOKS = """
import sys

def note(what):
    print(what, flush=True)

def fail(what):
    raise RuntimeError(what)

before = [(note, ("before 1",), {{}}), ({before}, ("before 2",), {{}})]
after = [(note, ("after 1",), {{}}), ({after}, ("after 2",), {{}})]
get_before_snapshot = lambda: before
get_after_restore = lambda: after
"""


def with_hooks(directory: Path, *, before: str = "note", after: str = "note") -> dict[str, str]:
    """Lay a stand-in for AWS's registry of hooks on the path; give the environment of a SnapStart function."""
    (directory / "snapshot_restore_py.py").write_text(HOOKS.format(before=before, after=after), encoding="utf-8")
    paths = [directory, ROOT / "layers" / "bedrock_meter", ROOT / "src"]
    return {"PYTHONPATH": ":".join(map(str, paths)), **SNAP_START}


def test_snapstart_waits_for_the_restore_between_its_hooks(log: Path) -> None:
    """The hooks before the snapshot run backwards, then the restore is waited for, then the others run in order."""
    emulator = Emulator(observe=lambda: log.read_text(encoding="utf-8").splitlines())
    with Simulator(seed=1) as bedrock, deployed(emulator, bedrock.url, log, environment=with_hooks(log.parent)):
        assert emulator.invoke(event_for("converse")).posted().head()["statusCode"] == 200
    assert emulator.kinds()[:3] == ["restore-next", "next", "response"]
    assert emulator.events[0].seen == ["before 2", "before 1"]
    assert emulator.events[1].seen == ["before 2", "before 1", "after 1", "after 2"]


def test_a_runtime_without_the_registry_of_hooks_still_restores(log: Path) -> None:
    """Where AWS's registry is missing there are no hooks to run, and the restore is waited for all the same."""
    emulator = Emulator()
    with deployed(emulator, "http://127.0.0.1:1", log, environment=SNAP_START):
        emulator.wait_for("next")
    assert emulator.kinds() == ["restore-next", "next"]


def test_without_snapstart_there_is_no_restore(log: Path) -> None:
    """An ordinary start asks for an invocation and runs no hooks."""
    emulator = Emulator()
    hooks = {**with_hooks(log.parent), "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
    with deployed(emulator, "http://127.0.0.1:1", log, environment=hooks):
        emulator.wait_for("next")
    assert emulator.kinds() == ["next"]
    assert log.read_text(encoding="utf-8") == ""


@pytest.mark.parametrize(
    ("hooks", "status", "events", "path", "kind"),
    [
        ({"before": "fail"}, 64, ["init-error"], "/init/error", "Runtime.BeforeSnapshotError"),
        ({"after": "fail"}, 65, ["restore-next", "restore-error"], "/restore/error", "Runtime.AfterRestoreError"),
    ],
)
def test_a_hook_that_fails_ends_the_runtime(
    hooks: dict[str, str], status: int, events: list[str], path: str, kind: str, log: Path
) -> None:
    """Lambda is told which side of the snapshot failed, and the process ends as AWS's own runtime client does."""
    emulator = Emulator()
    with deployed(emulator, "http://127.0.0.1:1", log, environment=with_hooks(log.parent, **hooks)) as process:
        assert process.wait(PATIENCE) == status
    assert emulator.kinds() == events
    assert emulator.reports[path].all("lambda-runtime-function-error-type") == [kind]


def test_the_wrapper_starts_the_loop_with_lambdas_interpreter(log: Path) -> None:
    """Started as Lambda starts a wrapper, it runs the loop and not the program that it was given."""
    emulator = Emulator()
    command = (str(WRAPPER), sys.executable, "-c", "raise SystemExit('the managed client ran')")
    # The function lies where LAMBDA_TASK_ROOT says; only the layer is on the path already.
    place = {"LAMBDA_TASK_ROOT": str(ROOT / "src"), "PYTHONPATH": str(ROOT / "layers" / "bedrock_meter")}
    with Simulator(seed=1) as bedrock, deployed(emulator, bedrock.url, log, command=command, environment=place):
        assert emulator.invoke(event_for("converse")).posted().head()["statusCode"] == 200


def test_under_sam_the_wrapper_starts_what_it_was_given() -> None:
    """`sam local` cannot stream, so there the wrapper steps aside, with every argument as it was."""
    program = "import sys; print(sys.argv[1:])"
    with Emulator() as emulator:
        run = subprocess.run(
            [str(WRAPPER), sys.executable, "-c", program, "gateway.app.lambda_handler", "a b", "$HOME"],
            env=lambda_environment(emulator, "http://127.0.0.1:1", {"AWS_SAM_LOCAL": "true"}),
            capture_output=True,
            text=True,
            check=True,
        )
        assert emulator.kinds() == []
    assert run.stdout.strip() == "['gateway.app.lambda_handler', 'a b', '$HOME']"
