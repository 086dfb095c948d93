"""Run the demo: start everything, send the traffic, show the table, prove it."""

import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bedrock_meter import metrics
from bedrock_meter.config import Settings
from bedrock_meter.dimensions import OTHER
from gateway.app import build, handler_for
from meterctl.demo import traffic
from meterctl.demo.proof import BUCKETS, differences
from meterctl.lambda_front import LambdaFront
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
def demo(seed: int, emf_file: Path | None) -> None:
    """Meter real boto3 calls through the real Lambda handler, on a simulated Bedrock; no AWS account is needed."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    with tempfile.TemporaryDirectory() as scratch:
        path = emf_file or Path(scratch) / "emf.jsonl"
        path.write_text("", encoding="utf-8")
        started = time.perf_counter()
        ledger, errors = _run(console, path, seed)
        seconds = time.perf_counter() - started
        lines = read_lines(path.read_text(encoding="utf-8").splitlines())
    _show(console, summarise(lines), errors, seconds)
    found = differences(lines, ledger)
    _verdict(console, lines, ledger, found)
    if emf_file:
        console.print(f"The EMF lines are in {emf_file}.")
    if found:
        raise SystemExit(1)


def _run(console: Console, path: Path, seed: int) -> tuple[Sequence[Served], Counter[str]]:
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
        return simulator.ledger, errors


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
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("use case / model", overflow="fold")
    for name in ("calls", "errs", "input", "output", "cache r", "cache w", "USD", "p50", "p90", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    use_case = None
    for row in rows:
        if row.use_case != use_case:
            use_case = row.use_case
            table.add_row(f"[bold]{use_case}[/bold]")
        table.add_row(
            f"  {_short(row.model)}",
            f"{row.calls:,}",
            f"{row.errors:,}",
            *_tokens(row),
            _dollars(row),
            *_latencies(row),
        )
    console.print("\n[bold]Metered, from the EMF lines alone[/bold] (tokens; US dollars; latency percentiles in ms)")
    console.print(table)
    total, unpriced = sum((row.cost for row in rows), Decimal(0)), sum(row.unpriced for row in rows)
    console.print(f"Together {total:.4f} USD at the list prices of the price book; {unpriced} calls without a price.")
    seen = ", ".join(f"{count} {name}" for name, count in sorted(errors.items())) or "none"
    console.print(f"{OTHER}: an invented model id; Bedrock refused it, so it becomes no metric of its own.")
    console.print(f"The applications took {seconds:.1f} s. Errors left after boto3's own retries: {seen}.")


def _short(model: str) -> str:
    """Leave the release date and version of a model id out, for the eye."""
    return re.sub(r"(-\d{8})?-v\d+(:\d+)?$", "", model)


def _tokens(row: Row) -> Iterator[str]:
    for name in (metrics.INPUT_TOKENS, metrics.OUTPUT_TOKENS, metrics.CACHE_READ_TOKENS, metrics.CACHE_WRITE_TOKENS):
        yield f"{row.tokens[name]:,}"


def _dollars(row: Row) -> str:
    """Give what is known of the cost; a mark says that calls are missing in it."""
    if not row.cost and not row.unpriced:
        return "-"
    return f"{row.cost:.4f}{'+' if row.unpriced else ''}"


def _latencies(row: Row) -> Iterator[str]:
    for percent in (50, 90, 99):
        value = row.percentile(percent)
        yield "-" if value is None else f"{value:.0f}"


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
