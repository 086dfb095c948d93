"""``meterctl account redrive``: log entries that could not be counted, fetched from their log and tried again.

A message is deleted once the function has taken its line, for if that fails again the function has put a new message
into the queue. What is put in while this runs is left for the next run.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from logmeter.deadletters import REASON, Pointer
from meterctl.account.delivery import pack

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

FIRST_REQUEST = "RequestID"
"""The message attribute in which Lambda says which request failed, on events that it gave up by itself
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html)."""

HIDDEN_SECONDS = 300
"""For how long a message is hidden from others while it is worked on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrive:
    """Tries dead letters again."""

    sqs: "SQSClient"
    logs: "CloudWatchLogsClient"
    functions: "LambdaClient"
    queue: str
    """The queue's URL."""
    function: str
    """The log door's function."""

    def run(self, *, before_ms: int, account: str | None = None) -> Counter[str]:
        """Try every message again that was there at a time.

        Args:
            before_ms: That time, in milliseconds since the epoch.
            account: The account whose logs can be read; None for any.

        Returns:
            How many messages ended how: ``counted``, ``failed again``, ``line not found``, ``of another account``,
            ``refused``.
        """
        ends: Counter[str] = Counter()
        for message in self._messages(before_ms):
            ends[self._one(message, account)] += 1
        return ends

    def _messages(self, before_ms: int) -> Iterator["MessageTypeDef"]:
        seen: set[str] = set()
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=self.queue,
                MaxNumberOfMessages=10,
                VisibilityTimeout=HIDDEN_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=[REASON, FIRST_REQUEST],
            )
            fresh = list["MessageTypeDef"]()
            for message in answer.get("Messages", []):
                if int(message["Attributes"]["SentTimestamp"]) >= before_ms:
                    self._show(message)
                elif message["MessageId"] not in seen:
                    fresh.append(message)
            if not fresh:
                return
            seen |= {message["MessageId"] for message in fresh}
            yield from fresh

    def _show(self, message: "MessageTypeDef") -> None:
        """Let the next run see a message at once."""
        self.sqs.change_message_visibility(
            QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )

    def _one(self, message: "MessageTypeDef", account: str | None) -> str:
        body = message["Body"]
        pointer = Pointer.from_body(body)
        attributes = message.get("MessageAttributes", {})
        first = attributes[FIRST_REQUEST].get("StringValue") if FIRST_REQUEST in attributes else None
        if pointer is not None:
            if account is not None and pointer.account != account:
                return "of another account"
            line = self._line(pointer)
            if line is None:
                return "line not found"
            body = json.dumps({"awslogs": {"data": _packed(pointer, line)}, "delivery": pointer.delivery})
        elif first is not None:
            body = json.dumps({**json.loads(body), "delivery": first})
        outcome = self._invoke(body)
        if outcome is None:
            return "refused"
        self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return "failed again" if outcome.get("failed") else "counted"

    def _line(self, pointer: Pointer) -> Mapping[str, Any] | None:
        answer = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=pointer.group,
            logStreamNames=[pointer.stream],
            startTime=pointer.timestamp_ms,
            endTime=pointer.timestamp_ms + 1,
        )
        events = (event for page in answer for event in page["events"])
        found = next((event for event in events if event["eventId"] == pointer.event_id), None)
        if found is None:
            return None
        return {"id": pointer.event_id, "timestamp": pointer.timestamp_ms, "message": found["message"]}

    def _invoke(self, body: str) -> Mapping[str, Any] | None:
        answer = self.functions.invoke(FunctionName=self.function, Payload=body.encode())
        if answer.get("FunctionError"):
            return None
        outcome = json.loads(answer["Payload"].read() or b"null")
        return outcome if isinstance(outcome, dict) else None


def _packed(pointer: Pointer, event: Mapping[str, Any]) -> str:
    return pack([event], account=pointer.account, group=pointer.group, stream=pointer.stream, filter_name="redrive")


@click.command("redrive")
@click.option("--queue-url", required=True, metavar="URL", help="The dead-letter queue (output DeadLetterQueueUrl).")
@click.option("--function", required=True, metavar="NAME", help="The log door's function (output LogMeterFunction).")
@click.option("--account", metavar="ID", help="Try only lines of this account's logs again.")
@click.option("--region", envvar="AWS_REGION", help="The Region of the stack.")
def redrive_command(queue_url: str, function: str, account: str | None, region: str | None) -> None:
    """Try log entries again that could not be counted, after their cause is mended."""
    try:
        redrive = Redrive(
            sqs=boto3.client("sqs", region_name=region),
            logs=boto3.client("logs", region_name=region),
            functions=boto3.client("lambda", region_name=region),
            queue=queue_url,
            function=function,
        )
        ends = redrive.run(before_ms=int(time.time() * 1000), account=account)
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(str(error)) from error
    if not ends:
        click.echo("The queue is empty.")
    for end, count in sorted(ends.items()):
        click.echo(f"{end:<20}{count:>8}")
    if ends.keys() - {"counted"}:
        raise SystemExit(1)
