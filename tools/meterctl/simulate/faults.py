"""The table of faults and the script that schedules them.

A call shows a fault when its `x-simulate` header names it, when its model id does (`anthropic.simulate-throttling`,
see `models.fault_model_id`), or when the script says so; the first of these wins. A fault is a row: an error that
answers in the model's stead, or a change to the answer that the model gave. New faults are new rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from meterctl.simulate import answer as wire
from meterctl.simulate import streamfaults
from meterctl.simulate.answer import Answer, Ending, ErrorKind, Refusal, Stream

FAULT_HEADER: Final = "x-simulate"
INPUT_COUNT_HEADER: Final = "X-Amzn-Bedrock-Input-Token-Count"
ABSURD_COUNT: Final = "99999999999999999999"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row: what goes wrong. Exactly one of `refusal`, `change`, `midway`, `slow` and `blocked` is set."""

    summary: str
    """One line for people."""
    refusal: Refusal | None = None
    """The error that is answered; the model does not run, so no token is billed."""
    change: Callable[[Answer], Answer] | None = None
    """Changes the model's answer; gives it back as it was where there is nothing to change."""
    midway: Refusal | None = None
    """The error in the middle of a stream. The input and what was said before it are billed."""
    slow: bool = False
    """The model takes longer than usual."""
    blocked: bool = False
    """A guardrail intervenes."""
    runs_model: bool = True
    """Whether tokens are billed."""


def _refuse(kind: ErrorKind, message: str, **extra: int | str) -> Fault:
    return Fault(
        summary=f"{kind.status} {kind.code}",
        refusal=Refusal(kind=kind, message=message, extra=extra),
        runs_model=False,
    )


def _end(ending: Ending, summary: str, *, runs_model: bool = True) -> Fault:
    return Fault(
        summary=summary,
        change=lambda answer: replace(answer, ending=ending),
        runs_model=runs_model,
    )


def _midway(kind: ErrorKind, message: str, **extra: int | str) -> Fault:
    return Fault(
        summary=f"{kind.code} in the middle of a stream", midway=Refusal(kind=kind, message=message, extra=extra)
    )


def _stream(change: Callable[[Stream], Stream], summary: str) -> Fault:
    def change_answer(answer: Answer) -> Answer:
        return answer if answer.stream is None else replace(answer, stream=change(answer.stream))

    return Fault(summary=summary, change=change_answer)


def _input_header(value: str) -> Fault:
    def change(answer: Answer) -> Answer:
        headers = tuple((name, value if name == INPUT_COUNT_HEADER else old) for name, old in answer.headers)
        return replace(answer, headers=headers)

    return Fault(summary=f"{INPUT_COUNT_HEADER}: {value} (InvokeModel only)", change=change)


def _without_token_headers(answer: Answer) -> Answer:
    return replace(answer, headers=tuple(item for item in answer.headers if not item[0].endswith("-Token-Count")))


def _cut_json(answer: Answer) -> Answer:
    return answer if answer.stream else replace(answer, body=answer.body[: len(answer.body) // 2])


FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "validation": _refuse(wire.VALIDATION, "Malformed input request, please reformat your input and try again."),
        "access-denied": _refuse(wire.ACCESS_DENIED, "You don't have access to the model with the specified model ID."),
        "bad-key": _refuse(wire.BAD_KEY, "Authentication failed: Please make sure your API Key is valid."),
        "not-found": _refuse(wire.NOT_FOUND, "The specified model was not found."),
        "model-timeout": _refuse(wire.MODEL_TIMEOUT, "The model took too long to answer."),
        "model-error": _refuse(
            wire.MODEL_ERROR, "The model failed to answer.", originalStatusCode=500, resourceName="simulator"
        ),
        "throttling": _refuse(wire.THROTTLING, "Too many requests, please wait before trying again."),
        "not-ready": _refuse(wire.NOT_READY, "The model is not ready to serve requests."),
        "internal": _refuse(wire.INTERNAL, "The server had an internal error."),
        "unavailable": _refuse(wire.UNAVAILABLE, "The service is unavailable, please try again."),
        "slow": Fault(summary="the answer is late by --slow-ms", slow=True),
        "reset": _end(Ending.RESET_BEFORE, "TCP reset before the first byte; the model does not run", runs_model=False),
        "reset-mid-body": _end(Ending.RESET_MIDWAY, "headers and half of the body, then a TCP reset"),
        "truncated": _end(Ending.CLOSE_MIDWAY, "headers and half of the body, then an orderly close"),
        "silence": _end(Ending.SILENT_MIDWAY, "headers and half of the body, then nothing until the client goes"),
        "bad-token-header": _input_header("many"),
        "negative-token-header": _input_header("-1"),
        "absurd-token-header": _input_header(ABSURD_COUNT),
        "no-token-headers": Fault(summary="no X-Amzn-Bedrock-*-Token-Count header", change=_without_token_headers),
        "stream-throttling": _midway(wire.THROTTLING, "Too many requests, please wait before trying again."),
        "stream-validation": _midway(wire.VALIDATION, "The model cannot go on with this input."),
        "stream-internal": _midway(wire.INTERNAL, "The server had an internal error."),
        "stream-unavailable": _midway(wire.UNAVAILABLE, "The service is unavailable, please try again."),
        "stream-model-timeout": _midway(wire.MODEL_TIMEOUT, "The model took too long to go on."),
        "stream-model-error": _midway(
            wire.MODEL_STREAM_ERROR,
            "The model failed while it answered.",
            originalStatusCode=500,
            originalMessage="simulated",
        ),
        "stream-cut": _stream(streamfaults.cut, "the stream ends orderly inside a frame"),
        "stream-short": _stream(streamfaults.shorten, "the stream ends orderly after half of its frames"),
        "corrupt-crc": _stream(streamfaults.corrupt, "one event-stream frame has a wrong checksum"),
        "corrupt-prelude": _stream(streamfaults.corrupt_prelude, "one event-stream frame has a wrong prelude"),
        "oversized-frame": _stream(streamfaults.oversize, "one event-stream frame claims 2 GiB"),
        "unknown-event": _stream(streamfaults.add_unknown, "an event of unknown type in the middle"),
        "broken-event": _stream(streamfaults.add_broken, "an event with cut JSON in the middle"),
        "garbage-after": _stream(streamfaults.add_garbage, "bytes that are no frame after the last one"),
        "endless-line": _stream(streamfaults.add_endless_line, "a line of 2 MiB without end (server-sent events)"),
        "guardrail-blocked": Fault(summary="a guardrail intervenes; no usage on invoke streams", blocked=True),
        "broken-json": Fault(summary="200 with the first half of the JSON", change=_cut_json),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """One rule of a script: every `nth` call shows `fault`."""

    nth: int
    """1 for every call, 2 for every other one, and so on."""
    fault: str
    """A name in `FAULTS`."""
    last: int | None = None
    """The last call that may show it; None for no end."""

    def __post_init__(self) -> None:
        if self.nth < 1:
            raise ValueError(f"nth is {self.nth}, it counts from 1")
        if self.fault not in FAULTS:
            raise ValueError(f"no fault is called {self.fault!r}")

    def shows(self, ordinal: int) -> bool:
        """Tell whether the call with this ordinal shows the fault."""
        return ordinal % self.nth == 0 and (self.last is None or ordinal <= self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Faults by the ordinal of the call, the same on every run of the same calls in the same order."""

    rules: tuple[Every, ...] = ()
    """Where several rules meet, the first one wins."""

    def fault_for(self, ordinal: int) -> str | None:
        """Return the fault of the call with this ordinal; the first call to a model operation is number 1."""
        return next((rule.fault for rule in self.rules if rule.shows(ordinal)), None)
