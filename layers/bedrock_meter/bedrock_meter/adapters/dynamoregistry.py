"""The registry in a DynamoDB table, for reading and for writing.

It speaks through ``send(operation, parameters)``, which the light client of the functions fulfils, and a boto3 client
with two lines around it (``meterctl``). A table has nothing that DynamoDB would have to be told but its two keys.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bedrock_meter.errors import RegistryError
from bedrock_meter.items import (
    CATALOGUE_PK,
    KEY_PREFIX,
    KEY_SK,
    Catalogue,
    Entry,
    Item,
    catalogue,
    from_item,
    place,
    place_of_key,
    read_keys,
    to_item,
)
from bedrock_meter.registry import Key

type Send = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]

_EXISTS = "ConditionalCheckFailedException"


class DynamoRegistry:
    """The registry in one table. Safe for threads. When DynamoDB fails, every method raises `RegistryError`.

    Args:
        send: Carries out one operation; raises an error that has AWS's name for it, as botocore's and ours have.
        table: The table's name.
    """

    def __init__(self, send: Send, table: str) -> None:
        self._transport = send
        self._table = table

    def catalogue(self) -> Catalogue:
        """Read the use cases, principals and limits."""
        query = {
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": CATALOGUE_PK}},
            "ConsistentRead": True,
        }
        return catalogue(self._pages("Query", query))

    def key(self, key_id: str) -> Key | None:
        """Read one key, as it is now; None when there is none."""
        answer = self._send("GetItem", {"Key": _keys(*place_of_key(key_id)), "ConsistentRead": True})
        item = answer.get("Item")
        entry = None if not item else from_item(_unmarshal(item))
        return entry if isinstance(entry, Key) else None

    def keys(self) -> tuple[Sequence[Key], Sequence[RegistryError]]:
        """Read all keys, and an error for each that cannot be read. It scans the table, so it is for people only."""
        scan = {
            "FilterExpression": "begins_with(pk, :prefix) AND sk = :sk",
            "ExpressionAttributeValues": {":prefix": {"S": KEY_PREFIX}, ":sk": {"S": KEY_SK}},
            "ConsistentRead": True,
        }
        return read_keys(self._pages("Scan", scan))

    def add(self, entry: Entry) -> bool:
        """Write a new entry; tell whether there was none of its name."""
        try:
            self._send("PutItem", {"Item": _item(entry), "ConditionExpression": "attribute_not_exists(pk)"})
        except RegistryError as error:
            if _code(error.__cause__) == _EXISTS:
                return False
            raise
        return True

    def replace(self, entry: Entry) -> None:
        """Write an entry, whether there is one of its name or not."""
        self._send("PutItem", {"Item": _item(entry)})

    def remove(self, entry: Entry) -> None:
        """Delete an entry; harmless when it is gone."""
        self._send("DeleteItem", {"Key": _keys(*place(entry))})

    def _pages(self, operation: str, parameters: Mapping[str, Any]) -> Iterator[Item]:
        start: Mapping[str, Any] = {}
        while True:
            answer = self._send(operation, {**parameters, **start})
            yield from map(_unmarshal, answer.get("Items", ()))
            if not answer.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _send(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._transport(operation, {"TableName": self._table, **parameters})
        except Exception as error:
            reason = _code(error) or type(error).__name__
            raise RegistryError(f"the table {self._table} did not answer {operation}: {reason}") from error


def _code(error: BaseException | None) -> str | None:
    """Give AWS's name of an error: ours has it as an attribute, botocore's in its response."""
    code = getattr(error, "code", None)
    if code is None:
        response = getattr(error, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return code if isinstance(code, str) else None


def _keys(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _item(entry: Entry) -> dict[str, Any]:
    return {**_keys(*place(entry)), **{name: _value(value) for name, value in to_item(entry).items()}}


def _value(value: str | list[str]) -> dict[str, Any]:
    return {"S": value} if isinstance(value, str) else {"L": [{"S": one} for one in value]}


def _unmarshal(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in item.items()}


def _plain(value: Mapping[str, Any]) -> Any:
    """Read text and lists of text; whatever else somebody wrote stays as it is, and the reader of items refuses it."""
    if "S" in value:
        return value["S"]
    return [_plain(one) for one in value["L"]] if "L" in value else dict(value)
