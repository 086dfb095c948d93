"""``meterctl dashboards``: build the files, or push everything to a Grafana.

The modules that write dashboards need the extra ``dashboards``, so they are loaded by the command that needs them.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click

from bedrock_meter.config import Settings
from meterctl.dashboards.api import Grafana
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
        sentence = "`meterctl dashboards` needs Grafana's SDK and PyYAML: pip install '.[cli,dashboards]' in a checkout"
        raise DashboardError([sentence]) from error
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


@command.command("push")
@click.option("--url", envvar="GRAFANA_URL", required=True, help="Address of Grafana; GRAFANA_URL if left out.")
@click.option(
    "--token",
    envvar="GRAFANA_TOKEN",
    required=True,
    help="Token of a service account with the role Editor; GRAFANA_TOKEN if left out, which other users cannot see.",
)
@click.option("--folder", default="Bedrock", show_default=True, help="Title of the folder, where there is none yet.")
@click.option("--datasource", help="Uid of the CloudWatch data source that alerts ask, where there are several.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@_target_options
def push_command(url: str, token: str, folder: str, datasource: str | None, dry_run: bool, **options: str) -> None:
    """Write everything to a Grafana, self-hosted or Amazon Managed; a second time changes nothing."""
    target = _target(**options)
    from meterctl.dashboards import push  # noqa: PLC0415 - as in _build

    with closing(Grafana(url, token)) as grafana:
        found = push.plan(grafana, target, folder=folder, datasource=datasource)
        if dry_run:
            for line in found.diff():
                click.echo(line)
        else:
            push.apply(grafana, found)
        names = ", ".join(change.what for change in found.changes) or "nothing"
        click.echo(f"Grafana {found.version}: {names} {'would change' if dry_run else 'changed'}")


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
