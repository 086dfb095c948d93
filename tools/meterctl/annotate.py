"""``meterctl annotate``: mark a moment on every dashboard, from a pipeline."""

from contextlib import closing
from datetime import UTC, datetime

import click

from meterctl.dashboards.api import Grafana

TAG, DEPLOY_TAG = "bedrock-meter", "deploy"
"""The tags by which the dashboards find what this marks."""


class Moment(click.ParamType[datetime]):
    """A time in ISO 8601; without an offset it is UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-11-23T12:00:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def now() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


@click.command("annotate")
@click.argument("text")
@click.option("--url", envvar="GRAFANA_URL", required=True, help="Address of Grafana; GRAFANA_URL if left out.")
@click.option(
    "--token",
    envvar="GRAFANA_TOKEN",
    required=True,
    help="Token of a service account; GRAFANA_TOKEN if left out, which other users of the machine cannot see.",
)
@click.option("--tag", "tags", multiple=True, help="A further tag, such as the stage; may be given several times.")
@click.option("--at", "moment", type=Moment(), default=now, help="When it began; now when left out.")
@click.option("--until", type=Moment(), help="When it ended; makes a region of it.")
def annotate(text: str, url: str, token: str, tags: tuple[str, ...], moment: datetime, until: datetime | None) -> None:
    """Mark a moment with TEXT, such as "v1.4.0 to prod", on every dashboard of bedrock-meter."""
    if until is not None and until < moment:
        raise click.BadParameter("it is before --at", param_hint="--until")
    body: dict[str, object] = {"time": _milliseconds(moment), "tags": [TAG, DEPLOY_TAG, *tags], "text": text}
    if until is not None:
        body["timeEnd"] = _milliseconds(until)
    with closing(Grafana(url, token)) as grafana:
        answer = grafana.write("POST", "/api/annotations", body, what="an annotation")
    click.echo(f"annotation {answer['id']} at {moment.isoformat()}")


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
