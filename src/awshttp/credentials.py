"""AWS credentials for signing: the environment's when they stand there, else botocore's whole chain.

In Lambda they always stand in the environment, and reading them there saves the start of a botocore session
(docs/decisions/0004-gateway-start-up.md has the figures).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from bedrock_meter.errors import GatewayFault


class Credentials(Protocol):
    """What botocore's signer reads."""

    @property
    def access_key(self) -> str | None:
        """The access key id."""

    @property
    def secret_key(self) -> str | None:
        """The secret key."""

    @property
    def token(self) -> str | None:
        """The session token, or None."""


class EnvironmentCredentials(NamedTuple):
    """The credentials of the environment, fixed for the life of a Lambda environment."""

    access_key: str
    secret_key: str
    token: str | None


type Provider = Callable[[], Credentials]
"""Gives credentials that are valid now."""


def provider(environ: Mapping[str, str]) -> Provider:
    """Choose where credentials come from.

    Args:
        environ: The environment variables.

    Returns:
        A function to call for each request. It raises `GatewayFault` when there are no credentials anywhere.
    """
    access_key, secret_key = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if access_key and secret_key:
        fixed = EnvironmentCredentials(access_key, secret_key, environ.get("AWS_SESSION_TOKEN") or None)
        return lambda: fixed
    return _chain()


def _chain() -> Provider:
    from botocore.session import Session  # noqa: PLC0415 - slow to import, and not needed in Lambda

    credentials = Session().get_credentials()

    def current() -> Credentials:
        if credentials is None:
            raise GatewayFault(
                "The gateway has no AWS credentials to sign with. Give its role, or this shell, credentials that may "
                "call bedrock:InvokeModel."
            )
        frozen: Credentials = credentials.get_frozen_credentials()
        return frozen

    return current
