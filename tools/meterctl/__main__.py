"""The entry point of ``meterctl``; every command lives in its own module, which is loaded when the command is run."""

from collections.abc import Mapping
from importlib import import_module

import click

from bedrock_meter import MeterError, __version__

COMMANDS: Mapping[str, str] = {
    "account": "meterctl.account.command:command",
    "annotate": "meterctl.annotate:annotate",
    "backfill": "meterctl.backfill.command:command",
    "cloudwatch": "meterctl.cloudwatch.command:cloudwatch",
    "cost": "meterctl.cost:cost",
    "dashboards": "meterctl.dashboards.command:command",
    "demo": "meterctl.demo.command:demo",
    "doctor": "meterctl.doctor.command:command",
    "emf": "meterctl.cloudwatch.command:emf_group",
    "keys": "meterctl.registry.keys:command",
    "limits": "meterctl.registry.limits:command",
    "principals": "meterctl.registry.principals:command",
    "prices": "meterctl.prices.command:command",
    "reconcile": "meterctl.reconcile.command:command",
    "report": "meterctl.report.command:command",
    "series": "meterctl.series:series",
    "serve": "meterctl.serve:serve",
    "simulate": "meterctl.simulate.command:command",
    "usecases": "meterctl.registry.usecases:command",
}
"""Where each command is. All of them together take a second to load, and hardly any needs what the others need."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found: click.Command = getattr(import_module(module), name)
        return found


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="meterctl")
def cli() -> None:
    """Exact token metering for Amazon Bedrock."""


def main() -> None:
    """Run a command; what bedrock-meter itself refuses is one sentence and not a traceback."""
    try:
        cli()
    except MeterError as error:
        click.echo(f"meterctl: {error}", err=True)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
