"""``meterctl serve``: the gateway on this machine, in front of a Bedrock or of a simulator of it."""

import os
import sys
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import click

from bedrock_meter.caller import Auth
from bedrock_meter.config import AUTH, REGISTRY, TABLE, UPSTREAM_URL, Settings
from bedrock_meter.errors import ConfigError
from bedrock_meter.settingvalues import check_use_case
from gateway.app import build
from meterctl.asgi import GatewayAsgi
from meterctl.certificate import LocalCertificate
from meterctl.server import LocalServer, wait_for_signal


@click.command()
@click.option("--port", default=8400, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--upstream", metavar="URL", help="Where calls go; Bedrock in AWS_REGION when it is left out.")
@click.option("--registry", metavar="FILE", envvar=REGISTRY, help="Take callers by the gateway keys of this registry.")
@click.option("--table", metavar="NAME", envvar=TABLE, help="The same, with the registry in a DynamoDB table.")
@click.option("--no-auth", is_flag=True, help="Take every caller; needs --use-case.")
@click.option("--use-case", metavar="NAME", help="What the calls are for, with --no-auth.")
@click.option(
    "--tls", is_flag=True, help="Serve https with a certificate of its own; boto3 sends keys over https only."
)
@click.option("--emf", default="-", show_default=True, metavar="FILE", help="Append EMF lines to FILE; - is stdout.")
def serve(
    *,
    port: int,
    upstream: str | None,
    registry: str | None,
    table: str | None,
    no_auth: bool,
    use_case: str | None,
    tls: bool,
    emf: str,
) -> None:
    """Run the gateway locally. It listens on 127.0.0.1 only.

    With a registry it takes callers by their gateway keys, as on AWS, and with --no-auth every caller that reaches it.
    Other settings come from the same BEDROCK_METER_… variables as in Lambda, credentials from the usual AWS chain.
    """
    given = {UPSTREAM_URL: upstream, REGISTRY: registry, TABLE: table, AUTH: Auth.NONE if no_auth else Auth.KEY}
    settings = Settings.from_env({**os.environ, **{name: value for name, value in given.items() if value}})
    if no_auth:
        if use_case is None:
            raise ConfigError("--use-case", "name a use case; with --no-auth all calls count for it")
        check_use_case(use_case, setting="--use-case")
        settings = replace(settings, use_case=use_case, use_cases=settings.use_cases | {use_case})
    elif registry is None and table is None:
        raise ConfigError("--registry", "name a registry of keys (or a --table), or take every caller with --no-auth")
    elif use_case is not None:
        raise ConfigError("--use-case", "it goes with --no-auth; with a registry the gateway key says the use case")
    with _lines(emf) as lines, LocalCertificate() if tls else nullcontext() as certificate:
        gateway = build(settings, environ=os.environ, lines=lines, checks_keys=not no_auth)
        with (
            closing(gateway),
            GatewayAsgi(gateway) as app,
            LocalServer(app, port=port, certificate=certificate) as server,
        ):
            click.echo(f"bedrock-meter gateway on {server.url}, forwarding to {settings.endpoint}", err=True)
            click.echo(f"export AWS_ENDPOINT_URL_BEDROCK_RUNTIME={server.url}", err=True)
            if certificate is not None:
                click.echo(f"export AWS_CA_BUNDLE={certificate.authority}", err=True)
            wait_for_signal()


def _lines(emf: str) -> "nullcontext[TextIO] | TextIO":
    # Line buffering: a reader of the file sees every record as soon as its call has ended.
    return nullcontext(sys.stdout) if emf == "-" else Path(emf).open("a", encoding="utf-8", buffering=1)
