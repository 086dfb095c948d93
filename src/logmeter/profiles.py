"""Which model is behind an inference profile that a log entry names by an opaque ARN: asked once, then known."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bedrock_meter.domain import ModelKind, ModelRef
from bedrock_meter.modelid import resolve

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

MAX_KNOWN = 1000
RETRY_SECONDS = 900.0
"""How long a question that failed is not asked again: the profile is deleted, or of another account."""

_PROFILES = frozenset({ModelKind.PROFILE, ModelKind.APPLICATION_PROFILE})


class InferenceProfiles:
    """A `ModelResolver` that asks Bedrock's control plane and waits for the answer; nobody waits for the log door.

    Args:
        client_for: Gives the client of a Region.
        monotonic: Seconds from an arbitrary start.
    """

    def __init__(
        self, client_for: Callable[[str | None], "BedrockClient"], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client_for = client_for
        self._monotonic = monotonic
        self._known: dict[str, tuple[ModelRef, float | None]] = {}

    def find(self, model: ModelRef) -> ModelRef:
        """Give the model with what the control plane says of it; as it is where that says nothing."""
        if model.kind not in _PROFILES:
            return model
        found, until = self._known.get(model.raw, (None, None))
        if found is not None and (until is None or self._monotonic() < until):
            return found
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        answered = self._asked(model)
        self._known[model.raw] = answered, None if answered.base else self._monotonic() + RETRY_SECONDS
        return answered

    def _asked(self, model: ModelRef) -> ModelRef:
        try:
            answer = self._client_for(model.region).get_inference_profile(inferenceProfileIdentifier=model.raw)
        except Exception:  # noqa: BLE001 - no answer, of whatever kind, leaves the model opaque and its call unpriced
            return model
        return resolve(model, [one["modelArn"] for one in answer["models"] if "modelArn" in one])
