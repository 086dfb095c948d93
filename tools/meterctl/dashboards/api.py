"""The part of Grafana's HTTP API that push and annotate need, on urllib3.

https://grafana.com/docs/grafana/latest/developers/http_api/. Every failure is a `GrafanaError` of one sentence that
says what to do; the token is in none.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import urllib3

from meterctl.dashboards.errors import GrafanaError

OLDEST = 11
"""The oldest major version that the dashboards and the alerting API are written for."""
_TIMEOUT = urllib3.Timeout(connect=5, read=30)
_NOT_FOUND = 404
_SUCCESS = range(200, 300)
_REASON_LENGTH = 200


class Grafana:
    """A Grafana server, self-hosted or Amazon Managed.

    Args:
        url: Its address, with the path below which it is served, if there is one.
        token: The token of a service account.

    Raises:
        GrafanaError: The address is none.
    """

    def __init__(self, url: str, token: str) -> None:
        if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", url):
            raise GrafanaError(f"{url!r} is no address of a Grafana, such as https://grafana.example.com")
        self.url = url.rstrip("/")
        # One attempt: a push is looked at by a person, and a POST that is repeated may be done twice. A redirect would
        # lead a POST to a login page, or the token to another host.
        self._pool = urllib3.PoolManager(
            timeout=_TIMEOUT, retries=urllib3.Retry(0, redirect=False, raise_on_redirect=False)
        )
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def get(self, path: str) -> Any:
        """Read something; None when it is not there."""
        status, answer = self._ask("GET", path)
        return None if status == _NOT_FOUND else self._checked("read", path, status, answer)

    def write(self, method: str, path: str, body: Mapping[str, Any], *, what: str) -> Any:
        """Write something, such that a person may still edit it in Grafana.

        Args:
            method: POST or PUT.
            path: Below the address.
            body: What is sent as JSON.
            what: What it is, for a person.
        """
        status, answer = self._ask(method, path, body)
        return self._checked(f"write {what}", path, status, answer)

    def check_version(self) -> str:
        """Give the version.

        Raises:
            GrafanaError: It is older than the dashboards need, or there is no Grafana.
        """
        health = self.get("/api/health")
        version = str(health.get("version", "")) if isinstance(health, dict) else ""
        if not version:
            # Amazon Managed Grafana hides the version from those who are not signed in.
            settings = self.get("/api/frontend/settings") or {}
            version = str(settings.get("buildInfo", {}).get("version", "")) if isinstance(settings, dict) else ""
        major = re.match(r"\d+", version)
        if major is None:
            raise GrafanaError(f"{self.url} does not say which version of Grafana it is; is it a Grafana?")
        if int(major[0]) < OLDEST:
            raise GrafanaError(f"{self.url} is Grafana {version}; the dashboards need {OLDEST} or later: update it")
        return version

    def check_token(self) -> None:
        """Ask for something that needs a valid token.

        Raises:
            GrafanaError: The token does not hold.
        """
        status, answer = self._ask("GET", "/api/folders?limit=1")
        self._checked("list folders", "/api/folders", status, answer)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        headers = dict(self._headers)
        if body is not None:
            headers |= {"Content-Type": "application/json", "X-Disable-Provenance": "true"}
        try:
            answer = self._pool.request(
                method, self.url + path, headers=headers, body=None if body is None else json.dumps(body).encode()
            )
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise GrafanaError(
                f"{self.url} cannot be reached ({type(reason).__name__}): check the address and the network"
            ) from error
        try:
            return answer.status, json.loads(answer.data or b"null")
        except ValueError:
            return answer.status, None

    def _checked(self, doing: str, path: str, status: int, answer: Any) -> Any:
        if status in _SUCCESS:
            return answer
        said = answer.get("message", "") if isinstance(answer, dict) else ""
        reason = f", it says {str(said)[:_REASON_LENGTH]!r}" if said else ""
        raise GrafanaError(
            _SENTENCES.get(status, _OTHER).format(url=self.url, doing=doing, path=path, status=status) + reason
        )


_MOVED = "{url} sends on to another address, a login page perhaps: give the address at which Grafana itself answers"
_OTHER = "{url} answered {status} when asked to {doing} ({path})"
_SENTENCES: Mapping[int, str] = {
    **dict.fromkeys((301, 302, 303, 307, 308), _MOVED),
    401: "{url} does not take the token: it is wrong, expired or of another Grafana; make one for a service account",
    403: "the token may not {doing} on {url}: give its service account the role Editor, or rights on that folder",
    412: "{url} refused to {doing}: somebody changed it at the same time; run the command again",
}


def segment(text: str) -> str:
    """Give a text as one segment of a path."""
    return quote(text, safe="")
