"""Keys that were read a short while ago, so that a busy caller does not cost a read for each call."""

import time
from collections.abc import Callable
from threading import Lock

from bedrock_meter.registry import Key

MAX_AGE_SECONDS = 60.0
"""So long a key is good after its revocation, at most; API Gateway's own cache comes on top."""
MAX_KEYS = 4096


class RecentKeys:
    """Remembers keys. Safe to share between threads.

    An unknown id is not remembered: it may be made in the next moment, and invented ones would push the real ones out.
    A failure passes through: without the registry nobody is let in.

    Args:
        find: Gives a key by its id from the registry; None when there is none.
        monotonic: The clock, in seconds.
    """

    def __init__(self, find: Callable[[str], Key | None], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._find = find
        self._monotonic = monotonic
        self._recent: dict[str, tuple[Key, float]] = {}
        self._lock = Lock()

    def find(self, key_id: str) -> Key | None:
        """Give a key; raises what the registry raises."""
        now = self._monotonic()
        with self._lock:
            kept = self._recent.get(key_id)
        if kept is not None and now - kept[1] < MAX_AGE_SECONDS:
            return kept[0]
        key = self._find(key_id)
        with self._lock:
            self._recent.pop(key_id, None)
            if key is not None:
                if len(self._recent) >= MAX_KEYS:
                    self._recent.clear()
                self._recent[key_id] = key, now
        return key
