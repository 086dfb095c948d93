"""STS's AssumeRole, for whoever must not wait for botocore.

STS speaks AWS's query protocol: a form goes in, XML comes out
(https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from awshttp.credentials import Provider
from awshttp.endpoint import Endpoint, NotConnected
from awshttp.http1 import BrokenAnswer
from bedrock_meter.endpoints import service_url
from bedrock_meter.errors import AwsError

TIMEOUT_SECONDS = 2.0
"""STS answers within some fifty milliseconds; the first call of a use case waits for it."""
SESSION_SECONDS = 3600
"""A role that assumes another gets no longer sessions than an hour."""

_OK = 200
_NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"


class SessionCredentials(NamedTuple):
    """The credentials of an assumed role."""

    access_key: str
    secret_key: str
    token: str
    expires_at: datetime


class Sts:
    """STS in one Region. Safe to share between threads.

    Args:
        region: The Region.
        credentials: Whose role assumes.
        url: The endpoint; None for AWS's own in the Region.
        timeout: How long a request may take in all, in seconds.
    """

    def __init__(
        self, *, region: str, credentials: Provider, url: str | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self._endpoint = Endpoint(
            url=url or service_url("sts", region), service="sts", region=region, credentials=credentials
        )
        self._timeout = timeout

    def assume_role(self, role: str, session: str, tags: Mapping[str, str]) -> SessionCredentials:
        """Assume a role.

        Args:
            role: Its ARN.
            session: The name of the session, 2 to 64 of ``A-Za-z0-9_+=,.@-``.
            tags: The tags of the session; the role has to allow ``sts:TagSession`` when there are any.

        Raises:
            AwsError: STS refused, or gave no answer.
            GatewayFault: There are no credentials.
        """
        form = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": role, "RoleSessionName": session}
        form["DurationSeconds"] = str(SESSION_SECONDS)
        for number, (name, value) in enumerate(tags.items(), start=1):
            form |= {f"Tags.member.{number}.Key": name, f"Tags.member.{number}.Value": value}
        headers = {
            "accept": "application/xml",
            "accept-encoding": "identity",
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        }
        try:
            status, body = self._endpoint.exchange(
                "POST", "/", headers, urlencode(form).encode(), timeout=self._timeout
            )
            answer = ET.fromstring(body)  # noqa: S314 - the answer of AWS itself, over a connection that TLS has checked
            if status != _OK:
                raise AwsError(answer.findtext(f".//{_NAMESPACE}Code") or f"Http{status}")
            return _credentials(answer)
        except (OSError, NotConnected, BrokenAnswer, ET.ParseError, ValueError) as error:
            raise AwsError(AwsError.UNANSWERED) from error

    def close(self) -> None:
        """Close the connections that are kept for later requests."""
        self._endpoint.close()


def _credentials(answer: ET.Element) -> SessionCredentials:
    values = [
        answer.findtext(f"./{_NAMESPACE}AssumeRoleResult/{_NAMESPACE}Credentials/{_NAMESPACE}{name}") or ""
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    ]
    if not all(values):
        raise ValueError("it has no credentials")
    access_key, secret_key, token, expiration = values
    return SessionCredentials(access_key, secret_key, token, datetime.fromisoformat(expiration))
