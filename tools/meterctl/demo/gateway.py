"""The gateway of the demo, as it is deployed: API Gateway and its authorizer in front, keys and limits in a registry.

The registry is a file, where the stack has a DynamoDB table; everything else is what runs on AWS.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import boto3

from authorizer.app import Authorizer
from bedrock_meter.adapters.fileregistry import FileRegistry, open_file
from bedrock_meter.adapters.sqlite import SqliteLimitStore
from bedrock_meter.caller import Auth
from bedrock_meter.config import Settings
from gateway.app import build, handler_for
from gateway.faultlog import StructuredFaultLog
from meterctl.certificate import LocalCertificate
from meterctl.demo.registry import Keys, register
from meterctl.lambda_front import LambdaFront

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

REGION, SERVICE = "us-east-1", "demo"
GATEWAY_ROLE = "arn:aws:iam::123456789012:role/bedrock-meter-GatewayRole"
GATEWAY_ACCESS_KEY = "DEMO-GATEWAY"
# The gateway's own credentials: no caller has them. The simulator checks none, and nothing leaves this machine.
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": GATEWAY_ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": "demo"}
ENDPOINT, BEARER, AUTHORITY = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_BEARER_TOKEN_BEDROCK", "AWS_CA_BUNDLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A running gateway."""

    url: str
    """Its endpoint, stage included."""
    authority: Path
    """What its callers have to trust, a PEM file."""
    keys: Keys
    """What opens it."""
    counters: SqliteLimitStore
    """Where its limits are counted."""

    def environment(self, key: str) -> dict[str, str]:
        """Give the variables that point an application to it."""
        return {ENDPOINT: self.url, BEARER: key, AUTHORITY: str(self.authority)}


@contextmanager
def deployed(folder: Path, *, upstream: str, lines: TextIO) -> Iterator[Deployment]:
    """Run the gateway.

    Args:
        folder: Where the registry goes.
        upstream: Where it sends calls.
        lines: Where it writes EMF lines.
    """
    path = folder / "registry.db"
    settings = Settings(service=SERVICE, auth=Auth.KEY, registry=str(path), upstream_url=upstream, region=REGION)
    with closing(open_file(path)) as file, LocalCertificate() as certificate:
        registry = FileRegistry(file)
        keys = register(registry)
        authorizer = Authorizer(registry, StructuredFaultLog(SERVICE).report)
        with (
            closing(build(settings, environ=_CREDENTIALS, lines=lines)) as gateway,
            LambdaFront(
                handler_for(gateway), certificate=certificate, authorizer=lambda event, _: authorizer(event)
            ) as front,
        ):
            counters = SqliteLimitStore(file)
            yield Deployment(url=front.url, authority=certificate.authority, keys=keys, counters=counters)


@contextmanager
def isolated(environment: Mapping[str, str]) -> Iterator[None]:
    """Leave out what this machine is set up for while the block runs: profiles, Regions, credentials, proxies."""
    before = dict(os.environ)
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "NO_PROXY": "127.0.0.1"}
    others = {name: value for name, value in before.items() if not name.startswith("AWS_")}
    os.environ.clear()
    os.environ.update({**others, **nowhere, "AWS_DEFAULT_REGION": REGION, **environment})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def application(environment: Mapping[str, str]) -> "Iterator[BedrockRuntimeClient]":
    """Make the client that any application makes, in an environment that says where it goes and as whom.

    boto3 takes the key while the client is made, and looks again for each call whether there is one in the environment.
    """
    with isolated(environment), closing(boto3.session.Session().client("bedrock-runtime")) as client:
        yield client
