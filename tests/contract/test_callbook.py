"""What a call book promises: in memory, and in a DynamoDB table by either client."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import boto3
import pytest
from tests.contract.limits.stores import REGION, client_of, dynamodb_server

from bedrock_meter.adapters.dynamodb import boto_transport
from bedrock_meter.errors import AwsError, DynamoDbError
from logmeter.callbook import PARALLEL, TRIES, CallBook, DynamoCallBook, MemoryCallBook, Note, Noted, Witness

TABLE = "calls"
TALLY = {"input_tokens": 15, "output_tokens": 12}
NEW, REPEATED = Noted(repeated=False, other=None), Noted(repeated=True, other=None)


@pytest.fixture(params=["memory", "light", "boto3"])
def book(request: pytest.FixtureRequest) -> Iterator[CallBook]:
    """Give each call book in turn, empty."""
    if request.param == "memory":
        yield MemoryCallBook()
        return
    with dynamodb_server() as url, closing(client_of(url)) as light:
        key = {"AttributeName": "id"}
        light.send(
            "CreateTable",
            {
                "TableName": TABLE,
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{**key, "KeyType": "HASH"}],
                "AttributeDefinitions": [{**key, "AttributeType": "S"}],
            },
        )
        boto = boto3.client(
            "dynamodb", region_name=REGION, endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x"
        )
        with closing(boto):
            send = light.send if request.param == "light" else boto_transport(boto)
            yield DynamoCallBook(send, TABLE, lambda: 0.0)
            light.send("DeleteTable", {"TableName": TABLE})


def a_note(number: int = 0, witness: Witness = Witness.LOG, **facts: str) -> Note:
    """Give a note of a call."""
    return Note(request_id=f"r-{number}", witness=witness, tally=TALLY, facts=facts)


def test_a_witness_is_heard_once(book: CallBook) -> None:
    """The same delivery may say it again, another one only repeats it; more notes than threads keep their order."""
    notes = [a_note(number) for number in range(2 * PARALLEL + 1)]
    assert book.note([], delivery="d-0") == []
    assert book.note(notes[1:], delivery="d-1") == [NEW] * (2 * PARALLEL)
    assert book.note(notes[1:], delivery="d-1") == [NEW] * (2 * PARALLEL)
    assert book.note(notes, delivery="d-2") == [NEW] + [REPEATED] * (2 * PARALLEL)


def test_the_second_witness_is_told_what_the_first_said(book: CallBook) -> None:
    """Whole, with its counts and facts, and also when its delivery is tried again."""
    door = a_note(witness=Witness.DOOR, UseCase="chatbot", ModelId="m")
    assert book.note([door], delivery="d-1") == [NEW]
    told = Noted(repeated=False, other=door)
    assert book.note([a_note()], delivery="d-2") == [told]
    assert book.note([a_note()], delivery="d-2") == [told]


@pytest.mark.parametrize("code", [AwsError.UNANSWERED, "ThrottlingException", "InternalServerError", "Http503"])
def test_what_passes_is_tried_again(code: str) -> None:
    """A note whose answer was lost, was throttled or met a fault of DynamoDB is sent again, ever more slowly."""
    waits = list[float]()
    book = DynamoCallBook(failing(code, TRIES - 1), TABLE, lambda: 0.0, wait=waits.append)
    assert book.note([a_note()], delivery="d-1") == [NEW]
    assert len(waits) == TRIES - 1
    assert 0 < waits[0] < waits[-1]


@pytest.mark.parametrize(("code", "tries"), [("ResourceNotFoundException", 1), (AwsError.UNANSWERED, TRIES)])
def test_what_does_not_pass_is_told(code: str, tries: int) -> None:
    """The note that could not be made comes back as its error, at once or after the last try; the others are made."""
    waits = list[float]()
    book = DynamoCallBook(failing(code, 99, only="r-1"), TABLE, lambda: 0.0, wait=waits.append)
    first, second, third = book.note([a_note(0), a_note(1), a_note(2)], delivery="d-1")
    assert (first, third) == (NEW, NEW)
    assert isinstance(second, DynamoDbError)
    assert (second.code, len(waits)) == (code, tries - 1)


def failing(code: str, times: int, only: str | None = None) -> Callable[[str, Mapping[str, Any]], Mapping[str, Any]]:
    """Make a transport that fails so often, for all calls or one of them, and then answers that nothing was known."""
    left = [times]

    def send(operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        assert operation == "UpdateItem"
        if left[0] and only in {None, parameters["Key"]["id"]["S"]}:
            left[0] -= 1
            raise DynamoDbError(code)
        return {}

    return send
