"""``meterctl dashboards``: build the files, or push everything to a Grafana.

The modules that write dashboards need the extra ``dashboards``, so they are loaded by the command that needs them.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click

from bedrock_meter.config import Settings
from meterctl.dashboards.errors import DashboardError

if TYPE_CHECKING:
    from meterctl.dashboards.build import Target

GRAFANA = Path(__file__).parents[3] / "grafana"
"""The folder of the generated files, in a checkout of the repository."""
_DEFAULTS = Settings()


def _build() -> ModuleType:
    try:
        from meterctl.dashboards import build  # noqa: PLC0415 - needs an extra that other commands do without
    except ModuleNotFoundError as error:
        raise DashboardError([f"{error.name} is missing: pip install 'bedrock-meter[dashboards]'"]) from error
    return build


def _target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which deployment is shown and watched."""
    options = (
        click.option("--namespace", default=_DEFAULTS.namespace, show_default=True, help="Namespace of the metrics."),
        click.option(
            "--service", default=_DEFAULTS.service, show_default=True, help="The deployment that alerts watch."
        ),
        click.option("--api", default="", help="Name of its API, where it is not that of the deployment."),
        click.option("--runbook", default="docs/runbook.md", show_default=True, help="Address of the runbook."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _target(**options: str) -> "Target":
    build = _build()
    target: Target = build.target(**options)
    return target


@click.group("dashboards")
def command() -> None:
    """Build the Grafana dashboards and alert rules, or push them."""


@command.command("build")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; fail when a file would change.")
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), default=GRAFANA, help="Folder; grafana/ if left out."
)
@_target_options
def build_command(only_check: bool, output: Path, **options: str) -> None:
    """Write the dashboards and the alert rules, unless something in them would not work."""
    found = _build().files(_target(**options))
    changed = [path for path, text in found.items() if not _is(output / path, text)]
    if only_check and changed:
        raise DashboardError([f"{path} would change; run `meterctl dashboards build`" for path in changed])
    for path in changed:
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        (output / path).write_text(found[path], encoding="utf-8")
    click.echo(f"{len(found)} files; {', '.join(map(str, changed)) or 'nothing'} changed")


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


@command.command("render")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default=Path("docs/img"), show_default=True)
@click.option(
    "--emf",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="EMF lines; a made-up month if left out.",
)
@click.option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M"]), help="When they are looked at, in UTC; now if left out.")
@click.option("--theme", type=click.Choice(["dark", "light"]), default="dark", show_default=True)
@click.option("--only", multiple=True, metavar="NAME", help="Only this dashboard; may be given several times.")
def render_command(output: Path, emf: Path | None, at: datetime | None, theme: str, only: tuple[str, ...]) -> None:
    """Draw the dashboards into PNG files, with Grafana's own libraries and without a Grafana server."""
    _build()
    from meterctl.dashboards import render  # noqa: PLC0415 - needs the same extra

    now = datetime.now(UTC) if at is None else at.replace(tzinfo=UTC)
    for path in render.draw(folder=GRAFANA, output=output, emf=emf, now=now, theme=theme, only=only):
        click.echo(path)
