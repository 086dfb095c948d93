"""Run the demo: start everything, play the scenes, show what was metered, prove it."""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bedrock_meter.dimensions import OTHER
from meterctl.cloudwatch.server import MissingExtraError
from meterctl.demo import account, keys, limits, traffic
from meterctl.demo.gateway import AUTHORITY, BEARER, ENDPOINT, Deployment, application, deployed
from meterctl.demo.proof import BUCKETS, differences
from meterctl.demo.registry import CHATBOT, SUMMARIZER
from meterctl.report import page, sources, terminal
from meterctl.simulate import Every, InvocationLog, Script, Served, Simulator
from meterctl.summary import read_lines, summarise

THROTTLE_EVERY, FAIL_EVERY = 12, 25
LOG_WIDTH = 104
"""Columns where the output is no terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that runs."""

    console: Console
    simulator: Simulator
    deployment: Deployment
    emf: Path
    """Where the gateway writes EMF lines."""
    log: Path
    """Where the simulator writes Bedrock's invocation log."""
    began: datetime
    """When it was set up."""

    def lines(self) -> list[str]:
        """Give the EMF lines so far."""
        return self.emf.read_text(encoding="utf-8").splitlines()


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
    """Meter real boto3 calls through the real Lambda handlers, on a simulated Bedrock; no AWS account is needed.

    Exit code 1: something that was metered does not agree with its witnesses.
    """
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    with tempfile.TemporaryDirectory() as scratch, _stage(console, Path(scratch), seed, emf_file) as stage:
        problems = [*_metered(stage), *_guarded(stage), *_reconciled(stage)]
        report = sources.from_lines(read_lines(stage.lines()), source="the demo's EMF lines")
    html.write_text(page.page(report), encoding="utf-8")
    console.print(f"\nA report with plots is in {html}.")
    if emf_file:
        console.print(f"The EMF lines are in {emf_file}.")
    if problems:
        console.print(f"[red]{len(problems)} differences:[/red]")
        for sentence in problems[:20]:
            console.print(f"  {sentence}")
        raise SystemExit(1)


@contextmanager
def _stage(console: Console, folder: Path, seed: int, emf_file: Path | None) -> Iterator[Stage]:
    """Start the simulator and the gateway."""
    emf, log = emf_file or folder / "emf.jsonl", folder / "invocations.ndjson"
    emf.write_text("", encoding="utf-8")
    # Faults end with the applications' traffic: what comes after is about the gateway's own refusals.
    last = len(list(traffic.script()))
    faults = {"throttling": THROTTLE_EVERY, "internal": FAIL_EVERY}
    script = Script(rules=tuple(Every(nth=nth, fault=fault, last=last) for fault, nth in faults.items()))
    with (
        Simulator(
            seed=seed,
            latency_ms=15,
            script=script,
            invocation_log=InvocationLog(path=log, identities=account.IDENTITIES),
        ) as simulator,
        emf.open("a", encoding="utf-8", buffering=1) as lines,
        deployed(folder, upstream=simulator.url, lines=lines) as deployment,
    ):
        yield Stage(
            console=console,
            simulator=simulator,
            deployment=deployment,
            emf=emf,
            log=log,
            began=datetime.now(UTC),
        )


def _metered(stage: Stage) -> list[str]:
    """Send the traffic of two applications; show what was metered, and hold it against the simulator's ledger."""
    console = stage.console
    rhythm = f"throttles every {THROTTLE_EVERY}th call, fails every {FAIL_EVERY}th"
    console.print(f"Bedrock       {stage.simulator.url} (a simulator; {rhythm})")
    console.print(f"Gateway       {stage.deployment.url} (the Lambda handlers behind API Gateway)")
    console.print(f"Applications  boto3 as it is, with {ENDPOINT},")
    console.print(f"              {BEARER} (a gateway key) and {AUTHORITY} set\n")
    started = time.perf_counter()
    errors = _send(console, stage.deployment)
    seconds = time.perf_counter() - started
    lines, ledger = read_lines(stage.lines()), stage.simulator.ledger
    rows = summarise(lines)
    console.print("\n[bold]1. What was used[/bold], from the EMF lines alone (tokens; US dollars; latency in ms)")
    console.print(terminal.table(rows))
    console.print(terminal.total(rows))
    seen = ", ".join(f"{count} {name}" for name, count in sorted(errors.items())) or "none"
    console.print(f"{OTHER}: an invented model id; Bedrock refused it, so it becomes no metric of its own.")
    console.print(f"The applications took {seconds:.1f} s. Errors left after boto3's own retries: {seen}.")
    return _proven(console, lines, ledger)


def _send(console: Console, deployment: Deployment) -> Counter[str]:
    """Send the traffic from a few threads; count the errors that the applications saw."""
    work = list(traffic.script())
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    good = deployment.keys.good
    with (
        application(deployment.environment(good[CHATBOT])) as chatbot,
        application(deployment.environment(good[SUMMARIZER])) as summarizer,
        Progress(*columns, console=console) as progress,
        ThreadPoolExecutor(4) as applications,
    ):
        clients = {CHATBOT: chatbot, SUMMARIZER: summarizer}
        task = progress.add_task("Calling Bedrock", total=len(work))
        errors: Counter[str] = Counter()
        for error in applications.map(lambda item: traffic.attempt(item.call, clients[item.use_case]), work):
            progress.advance(task)
            if error is not None:
                errors[type(error).__name__] += 1
    return errors


def _proven(console: Console, lines: Sequence[Mapping[str, Any]], ledger: Sequence[Served]) -> list[str]:
    served = sum(getattr(entry, name) for entry in ledger for name in BUCKETS)
    metered = sum(line.get(name, 0) for line in lines for name in BUCKETS)
    console.print(f"\nSimulator  served   {len(ledger):>6,} requests  {served:>9,} tokens")
    console.print(f"EMF lines  metered  {len(lines):>6,} calls     {metered:>9,} tokens")
    found = differences(lines, ledger)
    if not found:
        console.print("[green]Every request has its record, and every token bucket of every record is equal.[/green]")
    return found


def _guarded(stage: Stage) -> list[str]:
    """Try keys that open nothing, and limits until they refuse."""
    console, deployment = stage.console, stage.deployment
    console.print("\n[bold]2. Who may call, and how much[/bold]")
    tried = keys.run(deployment)
    keys.show(console, tried)
    budget, rate = limits.exhaust(deployment), limits.rush(deployment)
    books = limits.books(read_lines(stage.lines()))
    console.print()
    limits.show(console, budget, rate, books)
    found = [*keys.problems(tried), *limits.problems(budget, rate, books)]
    if not found:
        console.print(
            "[green]Records, counter and GET /usage agree to the last digit, and none is above the limit.[/green]"
        )
    return found


def _reconciled(stage: Stage) -> list[str]:
    """Go past the gateway, and ask the account."""
    console = stage.console
    account.go_past(stage.simulator.url)
    console.print("\n[bold]3. Was that all?[/bold] Somebody has called Bedrock itself. What the account knows of it:")
    logged = stage.log.read_text(encoding="utf-8").splitlines()
    try:
        found = account.compare(stage.lines(), logged, stage.simulator.ledger, since=stage.began)
    except (MissingExtraError, ModuleNotFoundError) as error:
        console.print(f"It is not asked: {error}")
        return []
    account.show(console, found)
    wrong = list(account.problems(found))
    if not wrong:
        console.print(
            "[green]Gateway, invocation log and AWS/Bedrock agree to the token, and the bypass has a name.[/green]"
        )
    return wrong
