"""`meterctl simulate`: the Bedrock simulator on the command line."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from meterctl.simulate.accountmetrics import put_requests
from meterctl.simulate.faults import FAULTS, Every, Script
from meterctl.simulate.invocationlog import InvocationLog
from meterctl.simulate.models import fault_model_id
from meterctl.simulate.server import DEFAULT_SLOW_MS, LEDGER_PATH, Simulator

_EPILOG = "\n".join(
    [
        "\b",
        "A fault is shown by a call whose x-simulate header names it, or whose model id does:",
        f"  {fault_model_id('throttling')}, {fault_model_id('reset', family='nova')}, ...",
        "Faults:",
        *(f"  {name:<22} {fault.summary}" for name, fault in FAULTS.items()),
        f"What was served, as JSON: GET {LEDGER_PATH}",
    ]
)


@click.command("simulate", epilog=_EPILOG)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="TCP port; 0: a free one.")
@click.option("--seed", type=int, default=1, show_default=True, help="Other seeds give other answers.")
@click.option("--latency-ms", type=click.IntRange(0), default=0, show_default=True, help="How long a model takes.")
@click.option(
    "--slow-ms",
    type=click.IntRange(0),
    default=DEFAULT_SLOW_MS,
    show_default=True,
    help="How much longer under the fault 'slow'.",
)
@click.option("--tokens-per-second", type=click.FloatRange(0, min_open=True), help="How fast a streamed answer comes.")
@click.option(
    "--first-token-ms",
    type=click.FloatRange(0),
    default=0,
    show_default=True,
    help="From the head of a stream to its first text.",
)
@click.option(
    "--chunk-bytes", type=click.IntRange(1), help="The size of the HTTP chunks of a stream; else one a frame."
)
@click.option("--data-first", is_flag=True, help="Events of responses have their data line first, as bedrock-mantle's.")
@click.option(
    "--every",
    "rules",
    type=(click.IntRange(1), click.Choice(list(FAULTS))),
    multiple=True,
    metavar="N FAULT",
    help="Every n-th call shows this fault. May be given more than once; the first that fits wins.",
)
@click.option(
    "--cloudwatch-metrics",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="On the end, write AWS/Bedrock's metrics of what was served: one PutMetricData request a line.",
)
@click.option(
    "--invocation-log",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Append what Bedrock's model invocation log would have of each call.",
)
@click.option("--log-bodies", is_flag=True, help="With prompts and answers in that log.")
@click.option(
    "--identity",
    "identities",
    type=(str, str),
    multiple=True,
    metavar="KEY ARN",
    help="Who calls with this access key id, in that log. May be given more than once.",
)
def command(
    *,
    rules: tuple[tuple[int, str], ...],
    cloudwatch_metrics: Path | None,
    invocation_log: Path | None,
    log_bodies: bool,
    identities: tuple[tuple[str, str], ...],
    **options: Any,
) -> None:
    """Serve bedrock-runtime on 127.0.0.1, without an AWS account, until Ctrl-C.

    Answers every operation but the bidirectional stream, and the OpenAI- and Anthropic-compatible routes, for the text,
    embedding, rerank and image models of Bedrock. The same seed gives the same answers and token counts.
    """
    script = Script(rules=tuple(Every(nth=nth, fault=fault) for nth, fault in rules))
    log = None
    if invocation_log is not None:
        log = InvocationLog(path=invocation_log, bodies=log_bodies, identities=dict(identities))
    with _stop_signal() as stopped:
        try:
            # The names of the options are those of the simulator's arguments.
            simulator = Simulator(**options, script=script, invocation_log=log)
        except OSError as error:
            message = f"cannot listen on 127.0.0.1:{options['port']}: {error.strerror}"
            raise click.ClickException(message) from error
        with simulator:
            click.echo(f"Bedrock simulator on {simulator.url}, seed {options['seed']}. Ctrl-C ends it.")
            click.echo(f"export AWS_ENDPOINT_URL_BEDROCK_RUNTIME={simulator.url}")
            stopped.wait()
    if cloudwatch_metrics is not None:
        requests = [json.dumps(request) + "\n" for request in put_requests(simulator.ledger)]
        cloudwatch_metrics.write_text("".join(requests), encoding="utf-8")


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set, and put the old handlers back afterwards."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
