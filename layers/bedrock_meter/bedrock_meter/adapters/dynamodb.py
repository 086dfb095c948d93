"""The counters of limits in DynamoDB: an item for each limit and window, changed by conditional updates alone.

DynamoDB cannot add within a condition, so a hold of ``ask`` is ``ADD used :ask`` on the condition that ``used`` is at
most the amount less the ask. A settlement is one unconditional ``ADD``. Numbers are decimal from end to end.

It speaks through ``send(operation, parameters)``, which our light client fulfils (``awshttp.dynamodb``) and, by
`boto_transport`, a botocore client. Operations: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from bedrock_meter.budget import change, expires, held, place, room
from bedrock_meter.errors import AwsError, DynamoDbError, LimitStoreError
from bedrock_meter.limits import Ask, Counter, Settlement

if TYPE_CHECKING:
    from botocore.client import BaseClient

type Send = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Carries out one operation of DynamoDB; raises `DynamoDbError`."""

TRIES = 4
"""So often a request is sent that DynamoDB has certainly not carried out. Each counter takes about a thousand writes a
second; what is still refused then is the fail mode's business."""

_NAMES = {"#used": "used", "#spent": "spent", "#expires": "expires"}
_FIRST_WAIT_SECONDS = 0.02

_NO_ROOM = "ConditionalCheckFailedException"
_CANCELED = "TransactionCanceledException"
_NO_ROOM_IN_TRANSACTION = "ConditionalCheckFailed"
# A conflict with another call's transaction, and throttles, as errors and as reasons of a cancelled transaction.
_NOT_DONE = frozenset(
    {"TransactionConflictException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"}
    | {"ThrottlingException", "TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"}
)
_FINE = "None"


class DynamoLimitStore:
    """A `LimitStore` in a DynamoDB table with the keys ``pk`` and ``sk`` and the TTL attribute ``expires``.

    Args:
        send: Carries out an operation.
        table: The table's name.
        wait: Waits so many seconds between two tries.
    """

    def __init__(self, send: Send, table: str, *, wait: Callable[[float], None] = time.sleep) -> None:
        self._transport = send
        self._table = table
        self._wait = wait

    def hold(self, asks: Sequence[Ask]) -> tuple[Ask, Counter] | None:
        """Add every ask to its counter, or none, see `LimitStore`: one update, or one transaction of several."""
        updates = [self._hold_update(ask) for ask in asks]
        try:
            if len(updates) == 1:
                self._send("UpdateItem", updates[0])
            else:
                self._send("TransactWriteItems", {"TransactItems": [{"Update": update} for update in updates]})
        except DynamoDbError as error:
            for ask, item in zip(asks, _full(error), strict=False):
                if item is not None:
                    return ask, _full_counter(item, ask)
            raise _unusable(error) from error
        return None

    def settle(self, settlement: Settlement) -> Counter:
        """Settle one counter, see `LimitStore`."""
        update = {
            **self._place(settlement.ask),
            "UpdateExpression": "SET #expires = :expires ADD #used :change, #spent :spent",
            "ExpressionAttributeNames": _NAMES,
            "ExpressionAttributeValues": {
                ":expires": _number(expires(settlement.ask)),
                ":change": _number(change(settlement)),
                ":spent": _number(settlement.spent),
            },
            "ReturnValues": "UPDATED_NEW",
        }
        try:
            answer = self._send("UpdateItem", update)
        except DynamoDbError as error:
            raise _unusable(error) from error
        return _counter(answer.get("Attributes", {}))

    def read(self, asks: Sequence[Ask]) -> Sequence[Counter]:
        """Give what each counter says."""
        try:
            answers = [self._send("GetItem", {**self._place(ask), "ConsistentRead": True}) for ask in asks]
        except DynamoDbError as error:
            raise _unusable(error) from error
        return [_counter(answer.get("Item", {})) for answer in answers]

    def _hold_update(self, ask: Ask) -> dict[str, Any]:
        return {
            **self._place(ask),
            "UpdateExpression": f"SET #expires = :expires ADD #used :ask{', #spent :ask' if ask.final else ''}",
            "ConditionExpression": "attribute_not_exists(#used) OR #used <= :room",
            "ExpressionAttributeNames": {
                name: attribute for name, attribute in _NAMES.items() if ask.final or name != "#spent"
            },
            "ExpressionAttributeValues": {
                ":expires": _number(expires(ask)),
                ":ask": _number(ask.amount),
                ":room": _number(room(ask)),
            },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _place(self, ask: Ask) -> dict[str, Any]:
        pk, sk = place(ask)
        return {"TableName": self._table, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}}

    def _send(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a request, and once more what DynamoDB has certainly not carried out."""
        for attempt in range(TRIES - 1):
            try:
                return self._transport(operation, parameters)
            except DynamoDbError as error:
                if not _may_be_sent_again(error):
                    raise
            # Half to one and a half times as long, so that callers who collided do not collide again. The random module
            # would take longer to import than all of this.
            share = 0.5 + os.urandom(1)[0] / 256
            self._wait(share * _FIRST_WAIT_SECONDS * 2**attempt)
        return self._transport(operation, parameters)


def _reasons(error: DynamoDbError) -> Sequence[Mapping[str, Any]]:
    if error.code != _CANCELED:
        return ()
    return error.fields.get("CancellationReasons") or ()


def _may_be_sent_again(error: DynamoDbError) -> bool:
    if error.code in _NOT_DONE:
        return True
    codes = {reason.get("Code", _FINE) for reason in _reasons(error)} - {_FINE}
    return bool(codes) and codes <= _NOT_DONE


def _full(error: DynamoDbError) -> Sequence[Mapping[str, Any] | None]:
    """Give for each ask the item that had no room for it, or None; nothing for an error of another kind."""
    if error.code == _NO_ROOM:
        return (error.fields.get("Item") or {},)
    return [
        (reason.get("Item") or {}) if reason.get("Code") == _NO_ROOM_IN_TRANSACTION else None
        for reason in _reasons(error)
    ]


def _full_counter(item: Mapping[str, Any], ask: Ask) -> Counter:
    counter = _counter(item)
    if held(counter, ask) is not None:
        raise LimitStoreError("DynamoDB found no room in a counter that has some; the item there may be another's")
    return counter


def _counter(item: Mapping[str, Any]) -> Counter:
    return Counter(used=_decimal(item, "used"), spent=_decimal(item, "spent"))


def _decimal(item: Mapping[str, Any], name: str) -> Decimal:
    if name not in item:
        return Decimal(0)
    try:
        return Decimal(item[name]["N"])
    except (KeyError, TypeError, InvalidOperation):
        raise LimitStoreError("an item in the place of a counter is none") from None


def _number(value: Decimal | int) -> dict[str, str]:
    return {"N": f"{value:f}" if isinstance(value, Decimal) else str(value)}


def _unusable(error: DynamoDbError) -> LimitStoreError:
    return LimitStoreError(f"DynamoDB: {error.code}")


def boto_transport(client: "BaseClient") -> Send:
    """Let a botocore DynamoDB client carry out operations."""
    from botocore import xform_name  # noqa: PLC0415 - whoever has a client has imported it
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - the same

    def send(operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = getattr(client, xform_name(operation))(**parameters)
        except ClientError as error:
            raise DynamoDbError(error.response.get("Error", {}).get("Code", ""), error.response) from error
        except BotoCoreError as error:
            raise DynamoDbError(AwsError.UNANSWERED) from error
        return answer

    return send
