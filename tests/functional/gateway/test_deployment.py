"""The metric ``Deployments``: once for each version, over all environments, and never in a caller's way."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from tests.builders import NOON, FakeClock
from tests.contract.limits.stores import client_of as dynamodb_client
from tests.contract.limits.stores import dynamodb_server, make_table
from tests.functional.gateway.calls import CLAUDE_BODY, CLAUDE_PATH
from tests.functional.gateway.door import ENVIRON, REGION

from bedrock_meter import __version__
from bedrock_meter.config import Settings
from bedrock_meter.errors import AwsError, DynamoDbError
from bedrock_meter.metrics import DEPLOYMENTS
from gateway.app import build
from gateway.deployment import DEPLOYMENT_FAULT, DEPLOYMENT_PK, Announcement
from gateway.http import Request
from gateway.relay import Gateway
from gateway.runtime import HeldLines
from meterctl.simulate import Simulator

IN_LAMBDA = {**ENVIRON, "AWS_LAMBDA_FUNCTION_NAME": "gateway"}
PATIENCE = 20.0


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[str]:
    """Run a DynamoDB."""
    with dynamodb_server() as url:
        yield url


@pytest.fixture
def table(dynamodb: str) -> str:
    """Make a table, and give its name."""
    with closing(dynamodb_client(dynamodb)) as client:
        return make_table(client)


@pytest.fixture(scope="module")
def bedrock() -> Iterator[Simulator]:
    """Run a Bedrock."""
    with Simulator(seed=5) as running:
        yield running


def call(gateway: Gateway) -> int:
    """Make one call as the runtime does, and give its status."""
    headers = {"content-type": "application/json"}
    request = Request(method="POST", path=CLAUDE_PATH, query="", headers=headers, body=CLAUDE_BODY, id="a-call")
    answer = gateway(request)
    assert b"".join(answer.body)
    gateway.finish()
    return answer.status


def lines_of(settings: Settings, environ: Mapping[str, str] = IN_LAMBDA, calls: int = 1) -> list[dict[str, Any]]:
    """Start an environment, make calls, all of which succeed, and give its EMF lines."""
    lines = io.StringIO()
    with closing(build(settings, environ=environ, lines=lines)) as gateway:
        assert [call(gateway) for _ in range(calls)] == [200] * calls
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def deployed(bedrock: Simulator, dynamodb: str, table: str | None, **changes: Any) -> Settings:
    """Give the settings of a deployment."""
    usual = {"upstream_url": bedrock.url, "aws_endpoint_url_dynamodb": dynamodb, "table": table}
    return Settings(**{"region": REGION, "use_case": "chatbot", **usual, **changes})


def marks(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Give service and version of each mark."""
    return [(line["Service"], line["Version"]) for line in lines if DEPLOYMENTS in line]


def test_the_first_environment_tells_and_no_other(bedrock: Simulator, dynamodb: str, table: str) -> None:
    """The first call of the first environment makes the mark; later calls, environments and cold starts make none."""
    settings = deployed(bedrock, dynamodb, table, version="1.4.0")
    first, second = lines_of(settings, calls=3), lines_of(settings)

    (mark,) = [line for line in first if DEPLOYMENTS in line]
    assert (mark["Version"], mark[DEPLOYMENTS]) == ("1.4.0", 1)
    assert mark["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Service", "Version"]]
    assert marks(second) == []
    assert marks(lines_of(deployed(bedrock, dynamodb, table, version="1.5.0"))) == [("bedrock-meter", "1.5.0")]
    assert not any("meter_faults" in line for line in (*first, *second))


def test_many_environments_that_start_at_once_make_one_mark(dynamodb: str, table: str) -> None:
    """Of twenty environments that ask at the same time one tells."""
    told: list[object] = []

    def start(_: int) -> None:
        with closing(dynamodb_client(dynamodb)) as client:
            announcement = announced(client.send, table, lambda _, **more: told.append(more["dimensions"]))
            announcement.begin()
            announcement.finish(PATIENCE)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(start, range(20)))
    assert told == [{"Version": "2.0.0"}]


def test_without_a_name_it_is_the_version_of_the_code(bedrock: Simulator, dynamodb: str, table: str) -> None:
    """Where no version is set, the code's is told."""
    assert marks(lines_of(deployed(bedrock, dynamodb, table))) == [("bedrock-meter", __version__)]


def test_a_local_gateway_and_one_without_a_table_tell_nothing(bedrock: Simulator, dynamodb: str, table: str) -> None:
    """Outside Lambda the turn of the deployment is not taken; without a table nobody knows who is the first."""
    settings = deployed(bedrock, dynamodb, table)
    assert marks(lines_of(settings, environ=ENVIRON)) == []
    assert marks(lines_of(deployed(bedrock, dynamodb, None))) == []
    assert marks(lines_of(settings)) == [("bedrock-meter", __version__)]


def test_a_table_that_refuses_costs_the_caller_nothing(bedrock: Simulator, dynamodb: str) -> None:
    """A table that cannot be written leaves the call as it is; the next record counts the fault."""
    first, second = lines_of(deployed(bedrock, dynamodb, "no-such-table"), calls=2)[:2]
    assert (first["status"], second["status"]) == ("ok", "ok")
    faults = [*first.get("meter_faults", ()), *second.get("meter_faults", ())]
    assert faults.count(DEPLOYMENT_FAULT) == 1


def announced(
    send: Callable[[str, Mapping[str, Any]], Mapping[str, Any]], table: str, measure: Any, failed: Any = None
) -> Announcement:
    """Make the announcement of version 2.0.0."""
    return Announcement(send, table, version="2.0.0", measure=measure, clock=FakeClock(), failed=failed)


def test_an_answer_that_is_lost_is_no_lost_mark(dynamodb: str, table: str) -> None:
    """When the item was written and the answer did not arrive, the second try knows its own item."""
    told: list[Mapping[str, float]] = []
    with closing(dynamodb_client(dynamodb)) as client:
        lost = [True]

        def send(operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
            answer = client.send(operation, parameters)
            if lost and lost.pop():
                raise DynamoDbError(AwsError.UNANSWERED)
            return answer

        announcement = announced(send, table, lambda metrics, **_: told.append(metrics))
        announcement.begin()
        announcement.finish(PATIENCE)
        key = {"pk": {"S": DEPLOYMENT_PK}, "sk": {"S": "2.0.0"}}
        item = client.send("GetItem", {"TableName": table, "Key": key})["Item"]
    assert told == [{DEPLOYMENTS: 1}]
    assert item["at"]["S"] == NOON.isoformat()


def test_held_lines_are_all_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines of another thread that come while lines are released are not lost."""
    lines, count = HeldLines(), 2000
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [lines.write(f"{n}\n") for n in range(count)])
        while not writing.done():
            lines.release()
    lines.release()
    assert capsys.readouterr().out.split() == [str(n) for n in range(count)]
