"""One answer of Bedrock on its way through a client: shown to the session as it is read, and recorded once.

Bedrock bills an answer whole. When the caller leaves before its end, the rest is read here: in a thread of its own, so
that the caller waits for `PATIENCE` at most, and within the bounds of the settings.
"""

import atexit
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bedrock_meter.config import Settings
from bedrock_meter.domain import Ending
from bedrock_meter.meter import Session
from bedrock_meter.ports import Clock

PATIENCE = 1.0
"""How long a caller that leaves, or a process that ends, is held up at most, in seconds."""


class Answer:
    """The books of one answer.

    Args:
        session: The session of the call; its head has been given.
        attempts: How many requests were sent for it.
        length: The body's length in bytes, where the head told it.
        settings: The bounds on what is read after the caller.
        clock: The time.
    """

    def __init__(
        self, session: Session, *, attempts: int | None, length: int | None, settings: Settings, clock: Clock
    ) -> None:
        self._session = session
        self._attempts = attempts
        self._missing = length
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._here = [True]  # taken when the caller leaves; a list because pop() is atomic
        self.closed = False

    def see(self, chunk: bytes) -> None:
        """Take the next bytes, before the caller gets them."""
        with self._lock:
            if chunk and not self.closed:
                self._session.feed(chunk)
            if self._missing is not None:
                self._missing -= len(chunk)

    def whole(self) -> bool:
        """Tell whether the length that the head told has been reached."""
        return self._missing == 0

    def ended(self) -> None:
        """Close the books at the end of the bytes."""
        self.close(Ending.TRUNCATED if self._missing else Ending.COMPLETE)

    def broke(self, error: BaseException) -> None:
        """Close the books after an error in reading; one that is no `Exception` was thrown at the caller."""
        if not isinstance(error, Exception):
            self.close(Ending.CLIENT_GONE)
        else:
            self.close(Ending.TIMED_OUT if _is_timeout(error) else Ending.TRUNCATED)

    def close(self, ending: Ending) -> None:
        """Close the books; only the first time counts."""
        with self._lock:
            self.closed = True
            self._session.close(ending, attempts=self._attempts)

    def leave(self, pull: Callable[[], bytes | None], limit: Callable[[float], None], done: Callable[[], None]) -> None:
        """Read what the caller did not, then close the books. Only the first time counts. Does not raise.

        Args:
            pull: Gives the next bytes; None at the end.
            limit: Sets how long ``pull`` may wait, in seconds.
            done: Is called at last.
        """
        try:
            self._here.pop()
        except IndexError:
            return

        def drain(seconds: float) -> None:
            if not self.closed:
                self._drain(pull, limit, seconds)
            with suppress(Exception):  # a response that cannot be closed is none of the caller's troubles any more
                done()

        if self.closed:
            drain(0)
            return

        thread = threading.Thread(
            target=drain, args=(self._settings.drain_seconds,), name="bedrock-meter-drain", daemon=True
        )
        _draining[thread] = self
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending, and starts no more threads
            del _draining[thread]
            drain(min(PATIENCE, self._settings.drain_seconds))
            return
        thread.join(PATIENCE)
        if _process_ends:  # and `_give_up` may have been
            self.close(Ending.CLIENT_GONE)

    def _drain(self, pull: Callable[[], bytes | None], limit: Callable[[float], None], seconds: float) -> None:
        ending = Ending.CLIENT_GONE
        until, read = self._clock.monotonic() + seconds, 0
        try:
            while not self.closed and read < self._settings.drain_bytes:
                remaining = until - self._clock.monotonic()
                if remaining <= 0:
                    break
                limit(remaining)
                chunk = pull()
                if chunk is None:
                    # The caller had everything but the end itself, so it did not leave early.
                    ending = ending if read or self._missing else Ending.COMPLETE
                    break
                read += len(chunk)
                self.see(chunk)
        except Exception:  # noqa: BLE001, S110 - the caller has gone, and the record says how much was read
            pass
        finally:
            self.close(ending)
            _draining.pop(threading.current_thread(), None)


def set_timeout(raw: Any, seconds: float) -> None:
    """Bound how long a read of a response may wait; botocore knows the way to its socket."""
    from botocore.compat import set_socket_timeout  # noqa: PLC0415 - as in client.py

    with suppress(AttributeError, OSError):  # a response that some other hook made, or whose socket is closed
        set_socket_timeout(raw, seconds)


def _is_timeout(error: Exception) -> bool:
    # urllib3's, which is no TimeoutError; by name, because nobody has to have urllib3 to import this module.
    return isinstance(error, TimeoutError) or type(error).__name__ == "ReadTimeoutError"


_draining: dict[threading.Thread, Answer] = {}
_process_ends: list[bool] = []


@atexit.register
def _give_up() -> None:
    """Close the books of the answers that are still being read when the process ends: a thread does not outlive it."""
    _process_ends.append(True)
    patience = PATIENCE
    for thread, answer in list(_draining.items()):
        thread.join(patience)
        patience = 0.0
        answer.close(Ending.CLIENT_GONE)
