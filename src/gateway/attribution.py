"""One session of a role for each use case, so that AWS's bill tells use cases apart by the principal that called.

The bill names the session (column ``line_item_iam_principal`` of CUR 2.0) and its tags. A session is made when its use
case first calls, which waits for it; it is renewed beside the calls. When STS fails, calls are signed with the own
credentials of the gateway: the bill then does not tell them apart, and the calls are made.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from threading import Lock, Thread
from typing import Protocol

from awshttp.credentials import Credentials
from awshttp.sts import SessionCredentials

FAULT = "attribution_failed"
RENEW = timedelta(minutes=15)
"""So long before its end a session is renewed."""
SPARE = timedelta(minutes=1)
"""A session that ends sooner is not used any more: a call may take a while to be signed and sent."""
RETRY_SECONDS = 30.0
MAX_SESSIONS = 256
"""So many use cases have sessions; the calls of others are signed with the gateway's own credentials."""

_MIN_NAME = 2


class RoleAssumer(Protocol):
    """What makes sessions; `awshttp.sts` has the real one."""

    def assume_role(self, role: str, session: str, tags: Mapping[str, str]) -> SessionCredentials:
        """Make one; raise `AwsError` when that fails."""


class RoleSessions:
    """Keeps the sessions. Safe to share between threads; never raises.

    Args:
        sts: Makes sessions.
        role: The ARN of the role.
        failed: Told of each session that could not be made.
        now: The time; aware.
        monotonic: The clock, in seconds.
    """

    def __init__(
        self,
        sts: RoleAssumer,
        role: str,
        failed: Callable[[str, BaseException], None],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sts = sts
        self._role = role
        self._failed = failed
        self._now = now
        self._monotonic = monotonic
        self._sessions: dict[tuple[str, str | None], _Session] = {}
        self._lock = Lock()

    def credentials(self, tags: Mapping[str, str]) -> Credentials | None:
        """Give the credentials of a use case; None when there are none and the gateway's own have to do.

        Args:
            tags: The labels of the call.
        """
        name, team = tags["use_case"], tags.get("team")
        with self._lock:
            session = self._sessions.get((name, team))
            if session is None:
                if len(self._sessions) >= MAX_SESSIONS:
                    return None
                session = self._sessions[name, team] = _Session()
        left = session.left(self._now())
        if left < RENEW and self._monotonic() - session.tried_at >= RETRY_SECONDS:
            if left < SPARE:
                with session.lock:
                    self._renew(session, name, team)
            elif session.lock.acquire(blocking=False):
                Thread(target=self._renew_beside, args=(session, name, team), name="attribution", daemon=True).start()
        return session.credentials if session.left(self._now()) >= SPARE else None

    def _renew_beside(self, session: "_Session", name: str, team: str | None) -> None:
        try:
            self._renew(session, name, team)
        finally:
            session.lock.release()

    def _renew(self, session: "_Session", name: str, team: str | None) -> None:
        """Make a session anew, unless another thread has just done or tried so; the caller holds its lock."""
        if self._monotonic() - session.tried_at < RETRY_SECONDS:
            return
        tags = {"use_case": name} | ({"team": team} if team else {})
        try:
            session.credentials = self._sts.assume_role(self._role, name.ljust(_MIN_NAME, "-"), tags)
        except Exception as error:  # noqa: BLE001 - whatever STS or the network does, the call goes on
            self._failed(FAULT, error)
        session.tried_at = self._monotonic()


class _Session:
    """The session of one use case; its lock is held by whoever renews it."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.credentials: SessionCredentials | None = None
        self.tried_at = -RETRY_SECONDS

    def left(self, now: datetime) -> timedelta:
        return self.credentials.expires_at - now if self.credentials else timedelta(0)
