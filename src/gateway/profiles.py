"""Which model is behind an application inference profile: asked of AWS once, in the background, and remembered.

The ARN of such a profile is opaque; only ``GetInferenceProfile`` in the ARN's own Region knows its model
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetInferenceProfile.html). The question is put when a
profile is first seen and runs beside the call, which takes longer, so that nobody waits for it. A profile never changes
its model, so an answer is kept; a failure is asked again after a while.
"""

import json
import time
from collections.abc import Callable
from threading import Lock, Thread
from urllib.parse import quote

from bedrock_meter.domain import ModelKind, ModelRef
from bedrock_meter.modelid import resolve
from gateway.upstream import Upstream

RETRY_SECONDS = 60.0
MAX_PROFILES = 512
"""So many profiles are remembered. An account may have 1,000 (Service Quotas), a gateway seldom serves that many."""
_OK = 200
_LOOKUP_SECONDS = 5.0


class InferenceProfiles:
    """Resolves application inference profiles. Safe to share between threads; never raises, never waits.

    Args:
        control_plane: Gives the Bedrock control plane of a Region.
        failed: Told of each lookup that failed.
    """

    def __init__(
        self, control_plane: Callable[[str], Upstream], failed: Callable[[str, BaseException | None], None]
    ) -> None:
        self._control_plane = control_plane
        self._failed = failed
        self._known: dict[str, ModelRef] = {}
        self._asked: dict[str, float] = {}
        self._lock = Lock()

    def find(self, model: ModelRef) -> ModelRef:
        """Give the model with what is known of it by now; a profile that was never seen is asked for from here on."""
        if model.kind is not ModelKind.APPLICATION_PROFILE:
            return model
        known = self._known.get(model.raw)
        if known is None and self._may_ask(model.raw):
            Thread(target=self._ask, args=(model,), name="inference-profile", daemon=True).start()
        return known or model

    def _may_ask(self, arn: str) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._asked.get(arn, -RETRY_SECONDS) < RETRY_SECONDS or len(self._known) >= MAX_PROFILES:
                return False
            if len(self._asked) >= MAX_PROFILES:
                self._asked.clear()  # a flood of invented ARNs; the real ones are asked for again
            self._asked[arn] = now
            return True

    def _ask(self, model: ModelRef) -> None:
        try:
            found = self._lookup(model)
        except Exception as error:  # noqa: BLE001 - a thread of its own: nobody else would ever see it
            self._failed("profile_lookup_failed", error)
            return
        if found.base is None:
            self._failed("profile_not_resolved", None)
        else:
            self._known[model.raw] = found

    def _lookup(self, model: ModelRef) -> ModelRef:
        upstream = self._control_plane(model.region or "")
        try:
            request = upstream.sign("GET", f"/inference-profiles/{quote(model.raw, safe='')}", {}, b"")
            answer = upstream.send(request, time.perf_counter() + _LOOKUP_SECONDS)
            body = b"".join(answer.chunks())
        finally:
            upstream.close()
        if answer.status != _OK:
            return model
        arns = [entry["modelArn"] for entry in json.loads(body)["models"]]
        return resolve(model, arns)
