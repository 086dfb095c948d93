"""Real boto3 clients against the local CloudWatch, in each protocol that CloudWatch speaks."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.functional.cloudwatch.conftest import LOG_GROUP, NOON, PROTOCOLS, MakeClient

from meterctl.cloudwatch import CloudWatch
from meterctl.cloudwatch.server import CloudWatchServer

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

RANGE: dict[str, Any] = {"StartTime": NOON - timedelta(minutes=5), "EndTime": NOON + timedelta(minutes=1)}
CHAT: Any = [{"Name": "ModelId", "Value": "nova"}, {"Name": "UseCase", "Value": "chat"}]
SEARCH = """REMOVE_EMPTY(SEARCH('{"BedrockMeter","ModelId","UseCase"} MetricName="Tokens"', 'Sum', 60))"""


def emf(tokens: int, *, model: str = "nova", minute: int = 0) -> str:
    """Make a line of one call."""
    directive = {"Namespace": "BedrockMeter", "Dimensions": [["UseCase", "ModelId"]], "Metrics": [{"Name": "Tokens"}]}
    timestamp = int((NOON + timedelta(minutes=minute)).timestamp() * 1000)
    metadata = {"Timestamp": timestamp, "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": metadata, "UseCase": "chat", "ModelId": model, "Tokens": tokens})


def stat(name: str = "m", **metric: Any) -> Any:
    """Ask for the tokens of the use case chat."""
    identity = {"Namespace": "BedrockMeter", "MetricName": "Tokens", "Dimensions": CHAT, **metric}
    return {"Id": name, "MetricStat": {"Metric": identity, "Period": 60, "Stat": "Sum"}}


def test_metrics_are_put_listed_and_read(client: "CloudWatchClient") -> None:
    """What PutMetricData records comes back from ListMetrics, GetMetricData and GetMetricStatistics."""
    client.put_metric_data(
        Namespace="BedrockMeter",
        MetricData=[
            {"MetricName": "Tokens", "Dimensions": CHAT, "Timestamp": NOON, "Value": 2.5},
            {"MetricName": "Tokens", "Dimensions": CHAT, "Timestamp": NOON, "Values": [1.0, 4.0], "Counts": [2.0, 1.0]},
        ],
    )
    (metric,) = client.list_metrics(Dimensions=[{"Name": "UseCase"}])["Metrics"]
    assert metric == {"Namespace": "BedrockMeter", "MetricName": "Tokens", "Dimensions": CHAT}
    (result,) = client.get_metric_data(MetricDataQueries=[stat()], **RANGE)["MetricDataResults"]
    assert (result["Timestamps"], result["Values"], result["StatusCode"]) == ([NOON], [8.5], "Complete")
    request = {"Namespace": "BedrockMeter", "MetricName": "Tokens", "Dimensions": CHAT, "Period": 60, **RANGE}
    (point,) = client.get_metric_statistics(Statistics=["Maximum", "SampleCount"], **request)["Datapoints"]
    assert (point["Timestamp"], point["Maximum"], point["SampleCount"], point["Unit"]) == (NOON, 4, 4, "None")
    (point,) = client.get_metric_statistics(ExtendedStatistics=["p50"], **request)["Datapoints"]
    assert point["ExtendedStatistics"] == {"p50": 1}


def test_emf_lines_are_searched(client: "CloudWatchClient", engine: CloudWatch) -> None:
    """Searches with dynamic labels, metric math and Metrics Insights answer from lines of the meter."""
    engine.put_emf([emf(3), emf(4, model="claude"), emf(5, minute=-1)], now=NOON)
    queries = [
        {"Id": "s", "Expression": SEARCH, "Label": "${PROP('Dim.ModelId')}|&|${SUM}"},
        {"Id": "t", "Expression": "SUM(s) * 2", "Period": 60},
        {
            "Id": "q",
            "Period": 60,
            "Expression": 'SELECT SUM(Tokens) FROM SCHEMA("BedrockMeter", ModelId, UseCase) GROUP BY ModelId '
            "ORDER BY SUM() DESC LIMIT 1",
        },
    ]
    answer = client.get_metric_data(MetricDataQueries=queries, ScanBy="TimestampAscending", **RANGE)  # type: ignore[arg-type] # the stub asks for its own dicts
    assert [(result["Id"], result["Label"], result["Values"]) for result in answer["MetricDataResults"]] == [
        ("s", "claude|&|4", [4]),
        ("s", "nova|&|8", [5, 3]),
        ("t", "t", [10, 14]),
        ("q", "nova", [5, 3]),
    ]


def test_unknown_syntax_is_an_error_and_no_empty_answer(client: "CloudWatchClient") -> None:
    """The message names the query and the word, so that Grafana shows it at the row."""
    with pytest.raises(ClientError) as refusal:
        client.get_metric_data(MetricDataQueries=[{"Id": "e1", "Expression": "TOTAL(m)"}], **RANGE)
    error = refusal.value.response["Error"]
    assert error["Code"] == "ValidationError"
    assert error["Message"].startswith("Error in expression 'e1': unknown function 'TOTAL'")
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_errors_have_the_codes_of_cloudwatch(client: "CloudWatchClient") -> None:
    """The exceptions of the client fit them."""
    with pytest.raises(client.exceptions.InvalidNextToken):
        client.get_metric_data(MetricDataQueries=[stat()], NextToken="x", **RANGE)
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.put_metric_data(Namespace="N", MetricData=[{"MetricName": "m"}])


def test_operations_that_are_not_there_say_so(client: "CloudWatchClient") -> None:
    """Moto would answer them in its own way."""
    with pytest.raises(ClientError, match="the local CloudWatch does not know the operation ListDashboards"):
        client.list_dashboards()


def test_paginators(client: "CloudWatchClient", engine: CloudWatch) -> None:
    """boto3's paginators get every metric and every point once."""
    data = [{"MetricName": f"m{number:04}", "Value": 1, "Timestamp": NOON} for number in range(1000)]
    engine.put_metric_data(now=NOON, Namespace="N", MetricData=data)
    engine.put_emf([emf(1, minute=-minute) for minute in range(5)], now=NOON)
    listed = client.get_paginator("list_metrics").paginate(Namespace="N")
    assert [metric["MetricName"] for page in listed for metric in page["Metrics"]] == [
        entry["MetricName"] for entry in data
    ]
    pages = list(
        client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[stat()], PaginationConfig={"PageSize": 2}, **RANGE
        )
    )
    assert [len(result["Values"]) for page in pages for result in page["MetricDataResults"]] == [2, 2, 1]


def test_a_large_request_is_taken_compressed(make_client: MakeClient) -> None:
    """boto3 compresses PutMetricData from 10 KB on."""
    for number, protocol in enumerate(PROTOCOLS):
        client = make_client(protocol)
        data = [{"MetricName": f"metric-number-{place}", "Value": 1.0, "Timestamp": NOON} for place in range(400)]
        client.put_metric_data(Namespace=f"N{number}", MetricData=data)  # type: ignore[arg-type] # as above
        assert len(client.list_metrics(Namespace=f"N{number}")["Metrics"]) == 400


def test_alarms_are_kept(client: "CloudWatchClient") -> None:
    """Grafana's annotations ask for them; they are stored, and never evaluated."""
    client.put_metric_alarm(
        AlarmName="bedrock-meter-errors",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        MetricName="Errors",
        Namespace="BedrockMeter",
        Period=60,
        Statistic="Sum",
        Threshold=1,
    )
    (alarm,) = client.describe_alarms(AlarmNamePrefix="bedrock-meter-")["MetricAlarms"]
    assert alarm["AlarmName"] == "bedrock-meter-errors"
    client.delete_alarms(AlarmNames=["bedrock-meter-errors"])
    assert client.describe_alarms()["MetricAlarms"] == []


def test_many_callers_at_once(client: "CloudWatchClient", engine: CloudWatch) -> None:
    """Values that are put from eight threads are all there."""

    def put(number: int) -> None:
        datum = {"MetricName": "Tokens", "Dimensions": CHAT, "Timestamp": NOON, "Value": float(number)}
        client.put_metric_data(Namespace="BedrockMeter", MetricData=[datum])  # type: ignore[list-item] # as above

    with ThreadPoolExecutor(8) as callers:
        list(callers.map(put, range(40)))
    (result,) = engine.get_metric_data(now=NOON, MetricDataQueries=[stat()], **RANGE)["MetricDataResults"]
    assert result["Values"] == [sum(range(40))]


def test_the_health_check_of_grafana_finds_the_log_group(server: CloudWatchServer) -> None:
    """The data source sends all its requests to one endpoint; of CloudWatch Logs only this one is answered."""
    logs = boto3.client(
        "logs",
        region_name="eu-west-1",
        endpoint_url=server.url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    try:
        (group,) = logs.describe_log_groups()["logGroups"]
        assert group["logGroupName"] == LOG_GROUP
        with pytest.raises(ClientError, match="the local CloudWatch has no logs"):
            logs.get_log_events(logGroupName=LOG_GROUP, logStreamName="x")
    finally:
        logs.close()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/service/GraniteServiceVersion20100801/operation/Nothing", b"", 400), ("/elsewhere", b"", 404)],
)
def test_requests_that_no_client_sends(server: CloudWatchServer, path: str, body: bytes, status: int) -> None:
    """An unknown operation and an unknown path are refused."""
    request = Request(server.url + path, data=body, method="POST", headers={"Content-Type": "application/cbor"})  # noqa: S310 - a URL of this test
    with pytest.raises(HTTPError) as refusal:
        urlopen(request)  # noqa: S310 - the same
    with refusal.value as answer:
        assert answer.code == status


def test_it_listens_on_loopback_only(server: CloudWatchServer) -> None:
    """Nobody else on the network reaches it."""
    assert server.url.startswith("http://127.0.0.1:")


def test_a_browser_is_told_that_this_is_no_page() -> None:
    """AWS's SDKs post; whoever opens the address gets a plain refusal and leaves no traceback."""
    with CloudWatchServer(CloudWatch(), clock=lambda: NOON) as server, pytest.raises(HTTPError) as refused:
        urlopen(server.url)  # noqa: S310 - our own server on the loopback
    assert refused.value.code == 405
    refused.value.close()
