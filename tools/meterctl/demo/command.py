"""Run the demo: start everything, send the traffic, show the table, prove it."""

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bedrock_meter.config import Settings
from bedrock_meter.dimensions import OTHER
from gateway.app import build, handler_for
from meterctl.cloudwatch.server import MissingExtraError
from meterctl.demo import bypass, traffic
from meterctl.demo.proof import BUCKETS, differences
from meterctl.lambda_front import LambdaFront
from meterctl.reconcile.show import show
from meterctl.report import page, sources, terminal
from meterctl.simulate import Every, Script, Served, Simulator
from meterctl.summary import Row, read_lines, summarise

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

# Any credentials do: the simulator checks none, and nothing leaves this machine.
LOCAL_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_DEFAULT_REGION": "us-east-1",
}
ENDPOINT = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"
THROTTLE_EVERY, FAIL_EVERY = 12, 25
LOG_WIDTH = 104
"""Columns where the output is no terminal."""


@click.command()
@click.option("--seed", default=1, show_default=True, help="Another seed gives other answers and token counts.")
@click.option("--emf", "emf_file", type=click.Path(path_type=Path), help="Keep the EMF lines in this file.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    default="demo-report.html",
    show_default=True,
    help="Where the report goes.",
)
def demo(seed: int, emf_file: Path | None, html: Path) -> None:
    """Meter real boto3 calls through the real Lambda handler, on a simulated Bedrock; no AWS account is needed."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    with tempfile.TemporaryDirectory() as scratch:
        path = emf_file or Path(scratch) / "emf.jsonl"
        path.write_text("", encoding="utf-8")
        began, started = datetime.now(UTC), time.perf_counter()
        ledger, past, errors = _run(console, path, seed)
        seconds = time.perf_counter() - started
        text = path.read_text(encoding="utf-8").splitlines()
    lines = read_lines(text)
    _show(console, summarise(lines), errors, seconds)
    found = differences(lines, ledger)
    _verdict(console, lines, ledger, found)
    _reconcile(console, text, [*ledger, *past], began)
    report = sources.from_lines(lines, source="the demo's EMF lines")
    html.write_text(page.page(report), encoding="utf-8")
    console.print(f"A report with plots is in {html}.")
    if emf_file:
        console.print(f"The EMF lines are in {emf_file}.")
    if found:
        raise SystemExit(1)


def _run(console: Console, path: Path, seed: int) -> tuple[Sequence[Served], Sequence[Served], Counter[str]]:
    """Send the traffic; give what was served through the gateways, what past them, and the errors."""
    script = Script(rules=(Every(nth=THROTTLE_EVERY, fault="throttling"), Every(nth=FAIL_EVERY, fault="internal")))
    with (
        Simulator(seed=seed, latency_ms=15, script=script) as simulator,
        path.open("a", encoding="utf-8", buffering=1) as lines,
        _gateway(traffic.CHATBOT, simulator.url, lines) as chatbot,
        _gateway(traffic.SUMMARIZER, simulator.url, lines) as summarizer,
    ):
        rhythm = f"throttles every {THROTTLE_EVERY}th call, fails every {FAIL_EVERY}th"
        console.print(f"Bedrock simulator       {simulator.url} ({rhythm})")
        gateways = {traffic.CHATBOT: chatbot.url, traffic.SUMMARIZER: summarizer.url}
        for use_case, url in gateways.items():
            console.print(f"Gateway for {use_case:<11} {url} (the Lambda handler)")
        console.print(f"Applications            boto3 as it is, with {ENDPOINT} set\n")
        with _client(chatbot.url) as for_chatbot, _client(summarizer.url) as for_summarizer:
            errors = _send(console, {traffic.CHATBOT: for_chatbot, traffic.SUMMARIZER: for_summarizer})
        served = simulator.ledger
        with _client(simulator.url) as stray:
            bypass.go_past(stray)
        return served, simulator.ledger[len(served) :], errors


@contextmanager
def _gateway(use_case: str, upstream: str, lines: TextIO) -> Iterator[LambdaFront]:
    """Run one deployment of the gateway: its stage setting names the use case."""
    settings = Settings(
        service="demo", use_case=use_case, use_cases=frozenset({use_case}), upstream_url=upstream, region="us-east-1"
    )
    gateway = build(settings, environ=LOCAL_CREDENTIALS, lines=lines)
    with closing(gateway), LambdaFront(handler_for(gateway)) as front:
        yield front


@contextmanager
def _client(endpoint: str) -> "Iterator[BedrockRuntimeClient]":
    """Make an application's client in the environment that points it to its gateway."""
    before = dict(os.environ)
    os.environ.update(LOCAL_CREDENTIALS, **{ENDPOINT: endpoint})
    try:
        client = traffic.client()
    finally:
        os.environ.clear()
        os.environ.update(before)
    with closing(client):
        yield client


def _send(console: Console, clients: "Mapping[str, BedrockRuntimeClient]") -> Counter[str]:
    """Send the traffic from a few threads; count the errors that the applications saw."""
    work = list(traffic.script())
    errors: Counter[str] = Counter()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(4) as applications:
        task = progress.add_task("Calling Bedrock", total=len(work))
        for error in applications.map(lambda item: traffic.perform(item, clients[item.use_case]), work):
            progress.advance(task)
            if error is not None:
                errors[error] += 1
    return errors


def _show(console: Console, rows: Sequence[Row], errors: Mapping[str, int], seconds: float) -> None:
    console.print("\n[bold]Metered, from the EMF lines alone[/bold] (tokens; US dollars; latency percentiles in ms)")
    console.print(terminal.table(rows))
    console.print(terminal.total(rows))
    seen = ", ".join(f"{count} {name}" for name, count in sorted(errors.items())) or "none"
    console.print(f"{OTHER}: an invented model id; Bedrock refused it, so it becomes no metric of its own.")
    console.print(f"The applications took {seconds:.1f} s. Errors left after boto3's own retries: {seen}.")


def _verdict(
    console: Console, lines: Sequence[Mapping[str, Any]], ledger: Sequence[Served], found: Sequence[str]
) -> None:
    served = sum(getattr(entry, name) for entry in ledger for name in BUCKETS)
    metered = sum(line.get(name, 0) for line in lines for name in BUCKETS)
    console.print(f"\nSimulator  served   {len(ledger):>6,} requests  {served:>9,} tokens")
    console.print(f"EMF lines  metered  {len(lines):>6,} calls     {metered:>9,} tokens")
    if not found:
        console.print("[green]Every request has its record, and every token bucket of every record is equal.[/green]")
        return
    console.print(f"[red]{len(found)} differences:[/red]")
    for sentence in found[:20]:
        console.print(f"  {sentence}")


def _reconcile(console: Console, text: Sequence[str], ledger: Sequence[Served], began: datetime) -> None:
    console.print(f"\nThen {bypass.TIMES} calls went to the simulator itself, past the gateways.")
    try:
        show(console, bypass.compare(text, ledger, since=began, credentials=LOCAL_CREDENTIALS))
    except MissingExtraError as error:
        console.print(f"They are not compared: {error}")
