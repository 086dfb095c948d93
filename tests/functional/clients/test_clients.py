"""Unmodified SDKs against ``meterctl serve``: the application, the simulator and the EMF lines agree to the token.

What each case does stands in `scripts`, what is expected of it in `cases`.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.functional.clients.cases import ANSWERS, BROKEN_STREAMS, ERRORS, LEFT, NOT_TOLD, REFUSALS, SERVICES
from tests.functional.clients.conftest import Client

from meterctl.simulate import Served

BUCKETS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")


def rows(table: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """Make a parameter set of every case in a table."""
    return [
        pytest.param(name, case, expected, id=f"{name}-{case}")
        for name, cases in table.items()
        for case, expected in cases.items()
    ]


def billed(served: Served) -> dict[str, int]:
    """Say what was billed in each of the words that clients have for it."""
    written = served.cache_write_5m_tokens + served.cache_write_1h_tokens
    prompt = served.input_tokens + served.cache_read_tokens + written
    return {
        "input": served.input_tokens,
        "prompt": prompt,
        "output": served.output_tokens,
        "total": prompt + served.output_tokens,
        "cache_read": served.cache_read_tokens,
        "cache_write": written,
    }


def metered(line: Mapping[str, Any]) -> dict[str, int]:
    """Give the metrics of a line; CloudWatch gets no zeros."""
    names = {
        "input": "InputTokenCount",
        "output": "OutputTokenCount",
        "cache_read": "CacheReadInputTokenCount",
        "cache_write": "CacheWriteInputTokenCount",
    }
    return {name: line.get(metric, 0) for name, metric in names.items()}


@pytest.mark.parametrize(("name", "case", "operation"), rows(ANSWERS))
def test_every_side_counts_the_same(client: Client, name: str, case: str, operation: str) -> None:
    """The answer arrives whole, and what the client reports, what was billed and what was metered are the same."""
    session = client(name)
    seen, (served,) = session.cases[case], session.served(case)
    assert "error" not in seen, seen["error"]
    line, bill = session.line(served), billed(served)

    assert (served.operation, served.complete, served.fault) == (operation, True, None)
    assert len(seen.get("text", "").split()) == served.output_tokens
    assert (line["operation"], line["status"], line["ending"], line["certainty"]) == (
        operation,
        "ok",
        "complete",
        "exact",
    )
    assert {bucket: line.get(bucket, 0) for bucket in BUCKETS} == {
        bucket: getattr(served, bucket) for bucket in BUCKETS
    }
    assert metered(line).items() <= bill.items()
    if (name, case) in NOT_TOLD:
        assert "usage" not in seen
    else:
        assert {"output"} < seen["usage"].keys()
        assert seen["usage"].items() <= bill.items()


@pytest.mark.parametrize("name", ANSWERS)
def test_one_record_for_each_request(client: Client, name: str) -> None:
    """Every request that reached Bedrock has one line and there is no further one; nothing went wrong in the meter."""
    session = client(name)
    ids = [served.request_id for served in session.ledger]
    assert sorted(line["bedrock_request_id"] for line in session.lines) == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert not [line for line in session.lines if "MeterFaults" in line or "UsageDisagreement" in line]


@pytest.mark.parametrize("name", ANSWERS)
def test_every_case_of_a_script_is_looked_at(client: Client, name: str) -> None:
    """No case can be added to a script without a row here."""
    checked = {*ANSWERS[name], *ERRORS[name], *BROKEN_STREAMS[name], *LEFT.get(name, ()), *SERVICES.get(name, ())}
    assert client(name).cases.keys() == checked


@pytest.mark.parametrize("name", ANSWERS)
def test_the_cache_takes_part(client: Client, name: str) -> None:
    """Each client's cases write to the prompt cache and read from it, so the cache buckets are not equal as zeros."""
    lines = client(name).lines
    assert any(line.get("CacheWriteInputTokenCount") for line in lines)
    assert any(line.get("CacheReadInputTokenCount") for line in lines)


@pytest.mark.parametrize(("name", "case", "expected"), rows(ERRORS))
def test_errors_are_the_sdks_own(client: Client, name: str, case: str, expected: tuple[str, int]) -> None:
    """The SDK raises what it would raise without the gateway, with Bedrock's words; every attempt has a record."""
    session, (exception, requests) = client(name), expected
    error, served = session.cases[case]["error"], session.served(case)
    text, status = REFUSALS[str(served[0].error_code)]

    assert error["kinds"][0] == exception
    assert text in error["message"]
    assert len(served) == requests
    lines = [session.line(one) for one in served]
    assert [line["status"] for line in lines] == [status] * requests
    assert [line["http_status"] for line in lines] == [one.http_status for one in served]
    assert not any(bucket in line for line in lines for bucket in BUCKETS)
    if name != "litellm":  # which does not say which attempt it is
        assert [line["client_attempt"] for line in lines] == list(range(1, requests + 1))


@pytest.mark.parametrize(("name", "case", "exception"), rows(BROKEN_STREAMS))
def test_errors_in_a_stream_arrive(client: Client, name: str, case: str, exception: str) -> None:
    """An error after the stream has begun is raised while it is read. What its record estimates is marked as that."""
    session = client(name)
    error, (served,) = session.cases[case]["error"], session.served(case)
    line = session.line(served)

    assert error["kinds"][0] == exception
    assert "Too many requests" in error["message"]
    assert (line["status"], line["http_status"], line["streaming"]) == ("throttled", 200, True)
    assert line["certainty"] in {"at_least", "unknown"}
    estimated = {"input_tokens"} if line.get("usage_source") == "estimate" else set()
    assert all(line.get(bucket, 0) <= getattr(served, bucket) for bucket in set(BUCKETS) - estimated)


@pytest.mark.parametrize(("name", "case", "operation"), rows(LEFT))
def test_a_stream_that_is_left_is_metered_whole(client: Client, name: str, case: str, operation: str) -> None:
    """The application reads one piece and goes; Bedrock bills the whole answer, and the record has it."""
    session = client(name)
    seen, (served,) = session.cases[case], session.served(case)
    assert "error" not in seen, seen["error"]
    line = session.line(served)

    assert len(seen["text"].split()) < served.output_tokens
    assert (line["operation"], line["ending"], line["certainty"]) == (operation, "client_gone", "exact")
    assert {bucket: line.get(bucket, 0) for bucket in BUCKETS} == {
        bucket: getattr(served, bucket) for bucket in BUCKETS
    }


@pytest.mark.parametrize(
    ("case", "chunks"), [("chat_stream", 0), ("chat_stream_that_declines", 0), ("chat_stream_with_usage", 1)]
)
def test_the_usage_chunk_is_for_those_who_asked(client: Client, case: str, chunks: int) -> None:
    """The gateway asks for it in any case; the application sees it, and a chunk without choices, only if it asked."""
    facts = client("openai").cases[case]["facts"]
    assert facts == {"without_choices": chunks, "usages": chunks, "last_reason": "stop"}


@pytest.mark.parametrize(
    ("case", "last"), [("responses_stream", "response.completed"), ("responses_stream_cut", "response.incomplete")]
)
def test_a_streamed_response_ends_with_its_own_event(client: Client, case: str, last: str) -> None:
    """The last event is the one with the usage, whichever it is."""
    assert client("openai").cases[case]["facts"] == {"last": last}


def test_counting_is_free(client: Client) -> None:
    """CountTokens tells the application a number, and neither the bill nor the record has any."""
    session = client("boto3")
    (served,) = session.served("count_tokens")
    line = session.line(served)
    assert session.cases["count_tokens"]["facts"]["inputTokens"] > 0
    assert (line["operation"], line["status"], billed(served)["total"]) == ("CountTokens", "ok", 0)
    assert not {*BUCKETS, "Invocations", "InputTokenCount"} & line.keys()


@pytest.mark.parametrize("case", ["apply_guardrail", "invoke_guardrail_checks"])
def test_guardrails_are_counted_in_text_units(client: Client, case: str) -> None:
    """Units that are billed are in the record, as many of them as the application is told."""
    session = client("boto3")
    (served,) = session.served(case)
    units = session.line(served)["other_units"]
    told = session.cases[case]["facts"]["units"]
    assert told == served.units
    assert {name: count for name, count in units.items() if count} == {snake(name): told[name] for name in told}


def snake(name: str) -> str:
    """Write the name of a unit as the record has it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name.replace(".", "_"))


def test_asynchronous_jobs_have_records_without_counts(client: Client) -> None:
    """Start, get and list are three records; Bedrock tells no usage, so none is claimed."""
    session = client("boto3")
    assert session.cases["async_invoke"]["facts"] == {"status": "InProgress", "listed": True}
    lines = [session.line(served) for served in session.served("async_invoke")]
    assert [line["operation"] for line in lines] == ["StartAsyncInvoke", "GetAsyncInvoke", "ListAsyncInvokes"]
    assert [line["status"] for line in lines] == ["ok"] * 3
    assert [line["certainty"] for line in lines] == ["unknown", "exact", "exact"]
    assert not any(bucket in line for line in lines for bucket in BUCKETS)
