"""The registry's use cases, principals and limits as a process sees them: read again in time, kept on failure."""

import time
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from threading import Lock, Thread

from bedrock_meter.errors import RegistryError
from bedrock_meter.items import Catalogue
from bedrock_meter.limits import Limit
from bedrock_meter.ports import Principals
from bedrock_meter.principals import PrincipalMap
from bedrock_meter.registry import UseCase

MAX_AGE_SECONDS = 60.0
"""No call is answered from a reading that is older, unless a newer one failed."""
REFRESH_SECONDS = 30.0
"""From this age on it is read again beside the calls, so that none of a busy process waits for it."""
RETRY_SECONDS = 5.0
"""After a failure nobody waits for the registry again for so long."""

UNREACHABLE = "registry_unreachable"
BROKEN_ITEM = "registry_item_broken"
DOUBTFUL = "principal_doubtful"
"""A principal matches two patterns with different use cases, which were written at the same time or by another hand."""


class RegistryView:
    """Gives the newest reading. Safe to share between threads.

    Args:
        read: Reads the registry; may raise.
        failed: Told of each reading that failed and of each item that cannot be used.
        monotonic: The clock, in seconds.
    """

    def __init__(
        self,
        read: Callable[[], Catalogue],
        failed: Callable[[str, BaseException], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._failed = failed
        self._monotonic = monotonic
        self._newest: Catalogue | None = None
        self._principals = PrincipalMap({})
        self._read_at = -MAX_AGE_SECONDS
        self._tried_at = -RETRY_SECONDS
        self._reading = Lock()

    def load(self) -> None:
        """Read for the first time, while a process starts. Does not raise: a later call tries again."""
        with self._reading:
            self._refresh()

    def catalogue(self) -> Catalogue:
        """Give the newest reading.

        Raises:
            RegistryError: The registry could not be read a single time.
        """
        now = self._monotonic()
        age = now - self._read_at
        if age >= REFRESH_SECONDS and now - self._tried_at >= RETRY_SECONDS:
            if age >= MAX_AGE_SECONDS or self._newest is None:
                self._refresh_now()
            elif self._reading.acquire(blocking=False):
                Thread(target=self._refresh_beside, name="registry", daemon=True).start()
        if self._newest is None:
            raise RegistryError("the registry could not be read yet")
        return self._newest

    def limits(self) -> Sequence[Limit]:
        """Give the limits; raises as `catalogue` does."""
        return self.catalogue().limits

    def use_case(self, name: str) -> UseCase | None:
        """Give a registered use case; raises as `catalogue` does."""
        return self.catalogue().use_cases.get(name)

    def find(self, arn: str) -> tuple[str, ...] | None:
        """Give the use cases of an IAM principal, as `Principals` says; raises as `catalogue` does."""
        self.catalogue()
        return self._principals.find(arn)

    def __contains__(self, name: object) -> bool:
        """Tell whether a use case of this name stood in the newest reading; neither reads nor raises."""
        return self._newest is not None and name in self._newest.use_cases

    def _refresh_now(self) -> None:
        # Whoever comes while another thread reads takes the last reading, if there is one, and waits if there is none.
        if self._reading.acquire(blocking=self._newest is None):
            try:
                if self._monotonic() - self._tried_at >= RETRY_SECONDS:
                    self._refresh()
            finally:
                self._reading.release()

    def _refresh_beside(self) -> None:
        try:
            self._refresh()
        finally:
            self._reading.release()

    def _refresh(self) -> None:
        """Read; the caller holds the lock."""
        started = self._monotonic()
        try:
            newest = self._read()
        except Exception as error:  # noqa: BLE001 - whatever a registry raises, the last reading stays
            self._failed(UNREACHABLE, error)
            return
        finally:
            self._tried_at = self._monotonic()
        if self._newest is not None and newest.limits == self._newest.limits:
            # The same object, so that whoever prepares the limits need not do it again.
            newest = replace(newest, limits=self._newest.limits)
        if self._newest is None or newest.principals != self._newest.principals:
            self._principals = self._mapped(newest)
        self._read_at, self._newest = started, newest
        for problem in newest.broken:
            self._failed(BROKEN_ITEM, problem)

    def _mapped(self, newest: Catalogue) -> PrincipalMap:
        def doubtful(arn: str) -> None:
            self._failed(DOUBTFUL, RegistryError(f"{arn} matches two patterns with different use cases"))

        try:
            return PrincipalMap(newest.principals, doubtful=doubtful)
        except ValueError as error:
            self._failed(BROKEN_ITEM, RegistryError(str(error)))
            return self._principals


def registered(names: Container[str], view: Container[str] | None) -> Container[str]:
    """Give the use cases that may become metric dimensions: these and the registry's, as it changes."""
    return names if view is None else _Either(names, view)


class _Either:
    def __init__(self, first: Container[str], second: Container[str]) -> None:
        self._first, self._second = first, second

    def __contains__(self, name: object) -> bool:
        return name in self._first or name in self._second


class RegisteredFirst:
    """A `Principals` that asks the registry, and where that says nothing the setting.

    Args:
        view: The registry; its `find` may raise `RegistryError`.
        setting: The setting.
    """

    def __init__(self, view: Principals, setting: Principals) -> None:
        self._view, self._setting = view, setting

    def find(self, arn: str) -> tuple[str, ...] | None:
        """Give the use cases of a principal."""
        return self._view.find(arn) or self._setting.find(arn)
