"""The report from each of its sources, and each of its outputs."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner
from tests.builders import CLAUDE_US, NOON, a_call, a_model, a_record, a_usage, an_emf, an_outcome

from bedrock_meter import metrics
from bedrock_meter.domain import Status
from meterctl.cloudwatch import CloudWatch
from meterctl.cloudwatch.server import CloudWatchServer
from meterctl.report import charts, command, machine, page, sources
from meterctl.report.model import PERIODS, Report, fitting
from meterctl.summary import together
from reconcile.insights import QueryFailed, query

CREDENTIALS: Any = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
NOVA = "amazon.nova-lite-v1:0"
HOUR = PERIODS["hour"]
START, END = NOON, NOON + timedelta(hours=2)
USE_CASES = frozenset({"chatbot", "search"})


def emf_lines() -> list[str]:
    """Give the lines of 24 calls in two hours: by two use cases, with known counts, costs and latencies."""
    emf = an_emf(use_cases=USE_CASES)
    records = []
    for place in range(20):
        call = a_call(received_at=NOON + timedelta(minutes=6 * place), model=a_model(CLAUDE_US))
        usage = a_usage(input=100, output=10, cache_read=0, cache_write_5m=0, cache_write_1h=0)
        outcome = an_outcome(duration_ms=float(100 * (place + 1)))
        records.append(a_record(call=call, usage=usage, cost=Decimal("0.000123"), price_row="row", outcome=outcome))
    for status, http in ((Status.THROTTLED, 429), (Status.CLIENT_ERROR, 400), (Status.OK, 200), (Status.OK, 200)):
        call = a_call(received_at=NOON, model=a_model(NOVA), tags={"use_case": "search"})
        outcome = an_outcome(status=status, http_status=http, duration_ms=50.0)
        usage = a_usage(input=7, output=3, cache_read=5, cache_write_5m=0, cache_write_1h=0)
        records.append(a_record(call=call, outcome=outcome, usage=usage if status is Status.OK else None))
    return [emf.line(record) for record in records]


def a_report(lines: Sequence[str] | None = None) -> Report:
    """Give the report of lines, by the hour."""
    documents = [json.loads(line) for line in (emf_lines() if lines is None else lines)]
    return sources.from_lines(documents, source="lines", since=START, until=END, period=HOUR)


def sums(report: Report) -> list[tuple[object, ...]]:
    """Give what every source has to agree on."""
    return [
        (row.use_case, row.model, row.at, row.calls, row.faults, row.tokens, row.cost, row.unpriced)
        for row in report.rows
    ]


def test_lines_are_summed_up_by_the_hour() -> None:
    """Each use case, model and hour has its row, with hand-computed sums and percentiles."""
    report = a_report()
    found = [(row.use_case, row.model, row.at, row.calls, row.errors, row.cost, row.unpriced) for row in report.rows]
    assert found == [
        ("chatbot", CLAUDE_US, NOON, 10, 0, Decimal("0.00123"), 0),
        ("chatbot", CLAUDE_US, NOON + HOUR, 10, 0, Decimal("0.00123"), 0),
        ("search", NOVA, NOON, 2, 0, Decimal(0), 2),
        # Nova had not worked yet when these two failed, so they are no metric of it.
        ("search", "other", NOON, 2, 2, Decimal(0), 0),
    ]
    assert report.rows[2].tokens == {
        metrics.INPUT_TOKENS: 14,
        metrics.OUTPUT_TOKENS: 6,
        metrics.CACHE_READ_TOKENS: 10,
        metrics.CACHE_WRITE_TOKENS: 0,
    }
    chatbot = [each for each in report.latencies if each.use_case == "chatbot"]
    assert [dict(each.values) for each in chatbot] == [
        {50: 500.0, 90: 900.0, 99: 1000.0},
        {50: 1500.0, 90: 1900.0, 99: 2000.0},
    ]


def test_measurements_are_no_calls() -> None:
    """Lines that measure the service are in no row."""
    measured = an_emf().measurement({metrics.UNMETERED_TOKENS: 5}, at=NOON)
    assert sums(a_report([*emf_lines(), measured])) == sums(a_report())


@pytest.fixture
def cloudwatch() -> Iterator[Any]:
    """A client of a local CloudWatch that has the lines."""
    engine = CloudWatch()
    assert not engine.put_emf(emf_lines(), now=END).dropped
    with ExitStack() as stack:
        server = stack.enter_context(CloudWatchServer(engine, clock=lambda: END))
        client = boto3.client("cloudwatch", endpoint_url=server.url, **CREDENTIALS)
        stack.callback(client.close)
        yield client


def test_metrics_give_the_rows_of_the_lines(cloudwatch: Any) -> None:
    """From CloudWatch come the same calls, errors, tokens and dollars, and the percentiles of each hour."""
    report = sources.from_metrics(cloudwatch, "BedrockMeter", since=START, until=END, period=HOUR)
    assert sums(report) == sums(a_report())
    chatbot = [each for each in report.latencies if each.use_case == "chatbot"]
    assert [each.at for each in chatbot] == [NOON, NOON + HOUR]
    # CloudWatch's percentiles lie between the values; ours are one of them.
    assert chatbot[0].values[50] == pytest.approx(500, rel=0.15)
    assert chatbot[1].values[99] == pytest.approx(2000, rel=0.05)


def results(rows: Sequence[dict[str, str]], *, status: str = "Complete") -> dict[str, Any]:
    """Give an answer of GetQueryResults."""
    fields = [[{"field": name, "value": value} for name, value in {**row, "@ptr": "x"}.items()] for row in rows]
    return {"results": fields, "status": status}


def test_logs_insights_gives_the_rows_of_the_lines() -> None:
    """What Logs Insights writes as text becomes the same rows, and its two queries are about calls alone."""
    expected = a_report()
    rows = [
        {
            "at": f"{row.at:%Y-%m-%d %H:%M:%S}.000",
            "UseCase": row.use_case,
            "ModelId": row.model,
            "calls": str(row.calls),
            **{f"sum_{name}": f"{count}.0" for name, count in (*row.tokens.items(), *row.faults.items()) if count},
            "sum_EstimatedCostUSD": str(row.cost),
            "sum_Unpriced": f"{row.unpriced}.0",
        }
        for row in expected.rows
    ]
    times = [
        {"at": f"{each.at:%Y-%m-%d %H:%M:%S}.000", "UseCase": each.use_case}
        | {f"p{percent}": str(value) for percent, value in each.values.items()}
        for each in expected.latencies
    ]
    logs = boto3.client("logs", **CREDENTIALS)
    with Stubber(logs) as stub:
        for found in (rows, times):
            stub.add_response("start_query", {"queryId": "q"})
            stub.add_response("get_query_results", results(found), {"queryId": "q"})
        report = sources.from_logs(logs, "/gateway", since=START, until=END, period=HOUR)
        stub.assert_no_pending_responses()
    assert sums(report) == sums(expected)
    assert report.latencies == expected.latencies


def test_a_query_is_waited_for() -> None:
    """A query that is still running is asked for again; the answer of a bound one is not taken for the whole."""
    logs = boto3.client("logs", **CREDENTIALS)
    pauses: list[float] = []
    asked = {"startTime": int(START.timestamp()), "endTime": int(END.timestamp()) - 1, "limit": 10_000}
    with Stubber(logs) as stub:
        stub.add_response("start_query", {"queryId": "q"}, {"logGroupNames": ["/g"], "queryString": "x", **asked})
        for status in ("Scheduled", "Running"):
            stub.add_response("get_query_results", results([], status=status))
        stub.add_response("get_query_results", results([{"a": "1"}]))
        assert query(logs, "x", groups=["/g"], start=START, end=END, sleep=pauses.append) == [{"a": "1"}]
    assert pauses == [1.0, 1.0]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (results([], status="Failed"), "with status Failed"),
        (results([{"a": "1"}] * 10_000), "ask for a shorter time"),
        (results([], status="Running"), "in 300 s"),
    ],
)
def test_half_an_answer_is_none(answer: dict[str, Any], problem: str) -> None:
    """A query that failed, never ended, or gave as much as it can is an error."""
    logs = boto3.client("logs", **CREDENTIALS)
    with Stubber(logs) as stub:
        stub.add_response("start_query", {"queryId": "q"})
        for _ in range(300 if "300" in problem else 1):
            stub.add_response("get_query_results", answer)
        with pytest.raises(QueryFailed, match=problem):
            query(logs, "x", groups=["/g"], start=START, end=END, sleep=lambda _: None)


def test_csv_and_json_say_what_the_report_says() -> None:
    """Machines get every row, with money as exact decimals and columns named as the metrics."""
    report = a_report()
    rows = list(csv.DictReader(io.StringIO(machine.as_csv(report))))
    document = json.loads(machine.as_json(report))
    assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal("0.00246")
    assert sum(Decimal(row["cost_usd"]) for row in document["rows"]) == Decimal("0.00246")
    assert [int(row["InputTokenCount"]) for row in rows] == [1000, 1000, 14, 0]
    assert [row["InvocationThrottles"] for row in document["rows"]] == [0, 0, 0, 1]
    assert document["period_seconds"] == 3600
    assert document["latencies_ms"][0]["p99"] == 1000.0


class Page(HTMLParser):
    """What a browser would load and show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.cells: list[str] = []
        self._scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag, and what it would load."""
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "action"}]

    def handle_data(self, data: str) -> None:
        """Note the text of the tables."""
        if self.tags[-1:] in (["td"], ["th"]):
            self.cells.append(data)


def test_the_page_needs_nothing_else() -> None:
    """The page loads nothing, has its four plots, and says the same without them."""
    text = page.page(a_report())
    shown = Page(text)
    assert shown.loads == []
    assert "link" not in shown.tags
    assert shown.tags.count("figure") == shown.tags.count("figcaption") == 4
    assert {"chatbot", "search", CLAUDE_US, NOVA, "0.0025", "2,014"} <= {cell.rstrip("+") for cell in shown.cells}
    assert "2 calls have no price in the price book" in text
    assert "In all: input 2,014, output 206, cache read 10 tokens." in text
    assert "Highest p99 of a period: chatbot 2,000 ms, search 50 ms." in text
    assert "In all: client errors (4xx) 1, throttled 1 calls." in text
    assert "@media print" in text


def test_the_page_takes_names_for_text() -> None:
    """A name with markup in it, which a file of lines may hold, stays text."""
    line = json.loads(emf_lines()[0]) | {"UseCase": "<script>alert(1)</script>"}
    text = page.page(a_report([json.dumps(line)]))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_page_without_calls_says_so() -> None:
    """Where nothing happened there is nothing to draw, and no library for drawing."""
    text = page.page(a_report([]))
    assert "No US dollars in this time." in text
    assert "No call succeeded in this time." in text
    assert len(text) < 10_000


def test_many_use_cases_keep_colours_apart() -> None:
    """The dearest use cases have a colour each, the rest is one series, and no dollar is left out."""
    line = json.loads(emf_lines()[0])
    lines = [json.dumps(line | {"UseCase": f"u{place:02}", "cost_usd": str(place)}) for place in range(1, 21)]
    spend = charts.charts(a_report(lines))[0]
    names = [bar.name for bar in spend.figure.data]
    assert names == ["u20", "u19", "u18", "u17", "u16", "u15", charts.REST]
    assert sum(sum(bar.y) for bar in spend.figure.data) == sum(range(1, 21))


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (timedelta(minutes=30), "minute"),
        (timedelta(hours=5), "5min"),
        (timedelta(days=2), "hour"),
        (timedelta(days=400), "day"),
    ],
)
def test_the_period_fits_the_time(span: timedelta, expected: str) -> None:
    """A page has as many periods as can be told apart, and none shorter than AWS has."""
    assert fitting(span) == PERIODS[expected]


def test_the_command_writes_every_output(tmp_path: Path) -> None:
    """From a file of lines come the table, the page, CSV and JSON, all with the same sum."""
    emf = tmp_path / "emf.jsonl"
    emf.write_text("START RequestId: 1\n" + "\n".join(emf_lines()), encoding="utf-8")
    files = {kind: tmp_path / f"report.{kind}" for kind in ("html", "csv", "json")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    result = CliRunner().invoke(command.command, ["--emf", str(emf), *options])
    assert result.exit_code == 0, result.output
    assert "Together 0.0025 USD" in result.output
    assert "2 calls without a price" in result.output
    assert all(path.stat().st_size for path in files.values())

    piped = CliRunner().invoke(command.command, ["--emf", "-", "--csv", "-"], input="\n".join(emf_lines()))
    assert piped.output == files["csv"].read_text(encoding="utf-8")


def test_the_command_reads_metrics(cloudwatch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a source it is CloudWatch's metrics; the slowest period stands for percentiles that cannot be added."""
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", cloudwatch.meta.endpoint_url)
    when = ["--since", "2026-11-23T12:00", "--until", "2026-11-23T14:00"]
    result = CliRunner().invoke(command.command, [*when, "--by", "hour"])
    assert result.exit_code == 0, result.output
    assert "CloudWatch namespace BedrockMeter" in result.output
    assert re.search(r"Slowest period of chatbot: p50 1,[45]\d\d, p90 1,[89]\d\d, p99 (1,9|2,0)\d\d ms", result.output)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--metrics", "--log-group", "x"], "three sources; name one"),
        (["--since", "2026-11-24", "--until", "2026-11-23"], "--since has to lie before --until"),
        (["--by", "second"], "--by second needs --emf"),
        (["--emf", "pyproject.toml"], "holds no EMF line"),
    ],
)
def test_wrong_options_are_explained(options: list[str], problem: str) -> None:
    """What cannot be reported is refused with a sentence."""
    result = CliRunner().invoke(command.command, options)
    assert result.exit_code == 2
    assert problem in result.output


def test_rows_of_all_periods_are_merged() -> None:
    """The table has one line for each use case and model, whatever the periods."""
    merged = together(a_report().rows)
    assert [(row.use_case, row.model, row.calls, row.at) for row in merged] == [
        ("chatbot", CLAUDE_US, 20, None),
        ("search", NOVA, 2, None),
        ("search", "other", 2, None),
    ]
    assert merged[0].percentile(50) == 1000.0
