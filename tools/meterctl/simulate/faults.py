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
from meterctl.simulate.answer import Answer, Ending, ErrorKind, Refusal

FAULT_HEADER: Final = "x-simulate"
INPUT_COUNT_HEADER: Final = "X-Amzn-Bedrock-Input-Token-Count"
ABSURD_COUNT: Final = "99999999999999999999"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row: what goes wrong. Exactly one of `refusal`, `change` and `slow` is set."""

    summary: str
    """One line for people."""
    refusal: Refusal | None = None
    """The error that is answered; the model does not run, so no token is billed."""
    change: Callable[[Answer], Answer] | None = None
    """Changes the model's answer."""
    slow: bool = False
    """The model takes longer than usual."""
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


def _input_header(value: str) -> Fault:
    def change(answer: Answer) -> Answer:
        headers = tuple((name, value if name == INPUT_COUNT_HEADER else old) for name, old in answer.headers)
        return replace(answer, headers=headers)

    return Fault(summary=f"{INPUT_COUNT_HEADER}: {value} (InvokeModel only)", change=change)


def _without_token_headers(answer: Answer) -> Answer:
    return replace(answer, headers=tuple(item for item in answer.headers if not item[0].endswith("-Token-Count")))


def _cut_json(answer: Answer) -> Answer:
    return replace(answer, body=answer.body[: len(answer.body) // 2])


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
        "bad-token-header": _input_header("many"),
        "negative-token-header": _input_header("-1"),
        "absurd-token-header": _input_header(ABSURD_COUNT),
        "no-token-headers": Fault(summary="no X-Amzn-Bedrock-*-Token-Count header", change=_without_token_headers),
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

    def __post_init__(self) -> None:
        if self.nth < 1:
            raise ValueError(f"nth is {self.nth}, it counts from 1")
        if self.fault not in FAULTS:
            raise ValueError(f"no fault is called {self.fault!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Faults by the ordinal of the call, the same on every run of the same calls in the same order."""

    rules: tuple[Every, ...] = ()
    """Where several rules meet, the first one wins."""

    def fault_for(self, ordinal: int) -> str | None:
        """Return the fault of the call with this ordinal; the first call to a model operation is number 1."""
        return next((rule.fault for rule in self.rules if ordinal % rule.nth == 0), None)
