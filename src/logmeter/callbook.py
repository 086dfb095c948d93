"""Who has seen a call, noted once: so that a line that is delivered twice counts once, and two witnesses are compared.

A call is noted under Bedrock's request id by up to two witnesses: the invocation log, and the line of the door that
metered it. Whoever comes second is shown what the first one said.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from random import random
from threading import Lock
from typing import Any, Protocol

from bedrock_meter.adapters.dynamodb import Send
from bedrock_meter.errors import AwsError, DynamoDbError
from bedrock_meter.tally import Tally

KEEP_SECONDS = 3 * 24 * 3600
"""How long a call is remembered. CloudWatch Logs tries a delivery again for 24 hours, Lambda an event for 6."""

MAX_REMEMBERED = 20_000
"""How many calls a process remembers by itself; some 20 MB."""

PARALLEL = 16
"""How many notes are on their way to DynamoDB at once: each waits some milliseconds and takes little CPU."""

TRIES = 4
"""How often a note is sent. It may always be sent again, whatever became of it: the same delivery changes nothing by
saying the same of a call once more, and is told the same."""

_FIRST_WAIT_SECONDS = 0.05
_REPEATED = "ConditionalCheckFailedException"
# What passes: no answer, throttles, and faults of DynamoDB itself
# (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html).
_PASSING = frozenset(
    {AwsError.UNANSWERED, "InternalServerError", "ServiceUnavailable", "Http500", "Http502", "Http503"}
    | {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"}
)


class Witness(StrEnum):
    """Who saw a call."""

    LOG = "log"
    DOOR = "door"

    @property
    def other(self) -> "Witness":
        """The other one."""
        return Witness.DOOR if self is Witness.LOG else Witness.LOG


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What one witness says of one call."""

    request_id: str
    """Bedrock's id of the call."""
    witness: Witness
    """Who says it."""
    tally: Tally
    """The counts."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What else the other witness is to know: short texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What was known before."""

    repeated: bool
    """This witness had said it before, in another delivery."""
    other: Note | None
    """What the other witness had said; None while it has said nothing."""


_UNSAID = Noted(repeated=False, other=None)


class CallBook(Protocol):
    """Where calls are noted."""

    def note(self, notes: Sequence[Note], *, delivery: str) -> Sequence[Noted | Exception]:
        """Note each call and tell what was known of it.

        Args:
            notes: No two of them of the same call by the same witness.
            delivery: The id of their delivery. The same delivery may note a call again: it is tried again as long as
                nothing of it was counted.

        Returns:
            For each note what was known, or the error that kept it from being noted.
        """


class MemoryCallBook:
    """A `CallBook` of the latest calls of this process. It does not know what other processes saw.

    Args:
        size: How many calls it remembers.
    """

    def __init__(self, size: int = MAX_REMEMBERED) -> None:
        self._size = size
        self._calls: OrderedDict[str, dict[Witness, tuple[str, Note]]] = OrderedDict()
        self._lock = Lock()

    def note(self, notes: Sequence[Note], *, delivery: str) -> Sequence[Noted | Exception]:
        """Note each call."""
        with self._lock:
            return [self._one(note, delivery) for note in notes]

    def _one(self, note: Note, delivery: str) -> Noted:
        seen = self._calls.setdefault(note.request_id, {})
        self._calls.move_to_end(note.request_id)
        if len(self._calls) > self._size:
            self._calls.popitem(last=False)
        earlier, other = seen.get(note.witness), seen.get(note.witness.other)
        if earlier is None:
            seen[note.witness] = (delivery, note)
        return Noted(repeated=earlier is not None and earlier[0] != delivery, other=None if other is None else other[1])


class DynamoCallBook:
    """A `CallBook` in DynamoDB, one item a call: exact across processes.

    One conditional write for each note, and none besides: the old item comes back with the answer to the write. Neither
    BatchWriteItem, which knows no conditions, nor TransactWriteItems, which costs twice as much and gives no old item
    of a write that went well, could take its place.

    Args:
        send: Carries out an operation of DynamoDB; safe for threads.
        table: A table with the string key ``id`` and ``expires`` as its time to live.
        now: Seconds since the epoch.
        wait: Waits so many seconds between two tries.
    """

    def __init__(
        self, send: Send, table: str, now: Callable[[], float], *, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._transport = send
        self._table = table
        self._now = now
        self._wait = wait

    def note(self, notes: Sequence[Note], *, delivery: str) -> Sequence[Noted | Exception]:
        """Note each call."""
        if not notes:
            return []
        # A share for each thread: to hand the notes over one by one would cost a fifth of what it costs to send them.
        known: list[Noted | Exception] = [_UNSAID] * len(notes)

        def share(first: int) -> None:
            for number in range(first, len(notes), PARALLEL):
                known[number] = self._told(notes[number], delivery)

        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(share, range(min(PARALLEL, len(notes)))))
        return known

    def _told(self, note: Note, delivery: str) -> Noted | Exception:
        try:
            answer = self._send(
                {
                    "TableName": self._table,
                    "Key": {"id": {"S": note.request_id}},
                    "UpdateExpression": "SET #witness = :said, expires = :expires",
                    "ConditionExpression": "attribute_not_exists(#witness) OR #witness.delivery = :delivery",
                    "ExpressionAttributeNames": {"#witness": note.witness},
                    "ExpressionAttributeValues": {
                        ":said": {"M": {"delivery": {"S": delivery}, **_attributes(note)}},
                        ":delivery": {"S": delivery},
                        ":expires": {"N": str(int(self._now()) + KEEP_SECONDS)},
                    },
                    "ReturnValues": "ALL_OLD",
                }
            )
            return Noted(repeated=False, other=_other(note, answer.get("Attributes", {})))
        except Exception as error:  # noqa: BLE001 - whatever keeps one call from being noted, the others go on
            repeated = isinstance(error, DynamoDbError) and error.code == _REPEATED
            return Noted(repeated=True, other=None) if repeated else error

    def _send(self, update: Mapping[str, Any]) -> Mapping[str, Any]:
        for attempt in range(TRIES - 1):
            try:
                return self._transport("UpdateItem", update)
            except DynamoDbError as error:
                if error.code not in _PASSING:
                    raise
            self._wait(_FIRST_WAIT_SECONDS * 2**attempt * (0.5 + random()))  # noqa: S311 - it only spreads the tries
        return self._transport("UpdateItem", update)


def _attributes(note: Note) -> dict[str, Any]:
    counts = {name: {"N": str(count)} for name, count in note.tally.items()}
    return {"tally": {"M": counts}, "facts": {"M": {name: {"S": text} for name, text in note.facts.items()}}}


def _other(note: Note, item: Mapping[str, Any]) -> Note | None:
    said = item.get(note.witness.other)
    if said is None:
        return None
    return Note(
        request_id=note.request_id,
        witness=note.witness.other,
        tally={name: int(count["N"]) for name, count in said["M"]["tally"]["M"].items()},
        facts={name: text["S"] for name, text in said["M"]["facts"]["M"].items()},
    )
