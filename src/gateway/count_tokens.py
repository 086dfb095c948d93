"""Bedrock's own count of a call's input, before the call: ``CountTokens(…).forecast(call, body) -> Forecast``.

CountTokens is free of charge and its count is the one that is billed
(https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html), but it takes a round trip with the whole
body. So it is asked only for bodies of some size, within a time limit, and whatever goes wrong means an estimate.

It knows foundation models by their bare id and refuses inference profiles, so the model behind a profile is asked for.
A model that it refuses is not asked for again for a while.
"""

import base64
import json
import time
from contextlib import closing
from urllib.parse import quote

from bedrock_meter.config import Settings
from bedrock_meter.domain import MAX_COUNT, Call, Family, Operation
from bedrock_meter.forecast import Forecast
from bedrock_meter.meter import Meter
from bedrock_meter.ports import Forecaster
from gateway.upstream import DEADLINE_MARGIN_SECONDS, Upstream

FAILED = "count_tokens_failed"
REFUSED = "count_tokens_refused"
METHOD = "count_tokens"
RETRY_SECONDS = 600.0
"""How long a model is not asked for that CountTokens has refused."""

_OK, _BAD_REQUEST, _FORBIDDEN, _NOT_FOUND = 200, 400, 403, 404
_MAX_ANSWER = 64 * 1024
_HEADERS = {"content-type": "application/json", "accept": "application/json"}
_CONVERSE = frozenset({Operation.CONVERSE, Operation.CONVERSE_STREAM})
_INVOKE = frozenset({Operation.INVOKE_MODEL, Operation.INVOKE_MODEL_STREAM})
# Of a Converse body what CountTokens takes; it refuses other members
# (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseTokensRequest.html).
_COUNTED_MEMBERS = ("messages", "system", "toolConfig", "additionalModelRequestFields")


class CountRefusedError(Exception):
    """CountTokens does not count for this model, or not for this role."""


class CountFailedError(Exception):
    """CountTokens answered something that is no count."""


def forecaster(settings: Settings, meter: Meter, upstream: Upstream) -> Forecaster | None:
    """Give who forecasts in this deployment: CountTokens for large bodies where it is switched on, else the estimate.

    Args:
        settings: The settings.
        meter: Knows the estimate; None is given where it has none. Faults go to it.
        upstream: Where calls go.
    """
    if settings.count_tokens_bytes is None or meter.forecaster is None:
        return meter.forecaster
    return CountTokens(upstream, meter, otherwise=meter.forecaster, settings=settings)


class CountTokens:
    """A `Forecaster` that asks Bedrock. Safe to share between threads; never raises.

    Args:
        upstream: Where calls go, and so does the question, over the same connections.
        meter: Counts what goes wrong.
        otherwise: Who forecasts where CountTokens is not asked or does not answer.
        settings: From which size on it is asked, and how long it may take.
    """

    def __init__(self, upstream: Upstream, meter: Meter, *, otherwise: Forecaster, settings: Settings) -> None:
        self._upstream = upstream
        self._meter = meter
        self._otherwise = otherwise
        self._least = settings.count_tokens_bytes or 0
        self._seconds = settings.count_tokens_seconds
        self._refused: dict[str, float] = {}

    def forecast(self, call: Call, body: bytes) -> Forecast:
        """Tell what the input of a call will come to; counted, it is also the most that it can come to.

        Args:
            call: The call, described.
            body: The body that will be sent.
        """
        counted = self._count(call, body) if len(body) >= self._least else None
        if counted is None:
            return self._otherwise.forecast(call, body)
        return Forecast(tokens=counted, most=counted, method=METHOD)

    def _count(self, call: Call, body: bytes) -> int | None:
        model = call.model
        # Of all models only Claude is known to be counted; one behind an opaque ARN has no id to ask for.
        if model is None or model.base is None or model.family is not Family.CLAUDE or not self._may_ask(model.base):
            return None
        try:
            question = _question(call.operation, body)
            return None if question is None else self._ask(model.base, question)
        except CountRefusedError as error:
            self._refused[model.base] = time.monotonic()
            self._meter.carry(REFUSED, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, an estimate will do
            self._meter.carry(FAILED, error)
        return None

    def _may_ask(self, model: str) -> bool:
        since = self._refused.get(model)
        return since is None or time.monotonic() - since >= RETRY_SECONDS

    def _ask(self, model: str, question: bytes) -> int:
        """Ask, and read the answer.

        Raises:
            CountRefusedError: See there.
            CountFailedError: See there.
            Refusal: There was no answer in time, or there are no credentials.
        """
        end = time.perf_counter() + self._seconds + DEADLINE_MARGIN_SECONDS
        request = self._upstream.sign("POST", f"/model/{quote(model, safe='')}/count-tokens", _HEADERS, question)
        answer = self._upstream.send(request, end)
        text = bytearray()
        with closing(answer.chunks()) as chunks:
            for chunk in chunks:
                text += chunk
                if len(text) > _MAX_ANSWER:
                    raise CountFailedError("the answer is too long")
        if answer.status in {_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND}:
            raise CountRefusedError(f"status {answer.status}")
        if answer.status != _OK:
            raise CountFailedError(f"status {answer.status}")
        return _counted(bytes(text))


def _question(operation: Operation, body: bytes) -> bytes | None:
    """Put a body into the form of CountTokens; None for an operation that it does not count.

    Raises:
        ValueError: The body of a Converse call is no JSON object.
    """
    if operation in _INVOKE:
        return b'{"input":{"invokeModel":{"body":"' + base64.b64encode(body) + b'"}}}'
    if operation not in _CONVERSE:
        return None
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("the body is no JSON object")  # noqa: TRY004 - the data is wrong, not the code
    counted = {name: document[name] for name in _COUNTED_MEMBERS if name in document}
    return json.dumps({"input": {"converse": counted}}, separators=(",", ":")).encode()


def _counted(answer: bytes) -> int:
    document = json.loads(answer)
    tokens = document.get("inputTokens") if isinstance(document, dict) else None
    if type(tokens) is not int or not 0 < tokens <= MAX_COUNT:
        raise CountFailedError("the answer has no count")
    return tokens
