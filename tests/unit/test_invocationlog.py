import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import CLAUDE, CLAUDE_US, PROPERTY, an_emf
from tests.logs import ACCOUNT, CHATBOT_ROLE, GATEWAY_ROLE, WRITTEN, an_entry, session_of

from bedrock_meter.adapters.pricebook import packaged_book
from bedrock_meter.domain import Certainty, ModelRef, Operation, Record, Status, Usage, UsageSource
from bedrock_meter.errors import LogEntryError
from bedrock_meter.invocationlog import UNATTRIBUTED, LogReader
from bedrock_meter.principals import ArnPatterns, PrincipalMap

READER = LogReader(
    principals=PrincipalMap({CHATBOT_ROLE: ("chatbot", "batch")}),
    metered=ArnPatterns([GATEWAY_ROLE]),
    pricer=packaged_book(),
)
OTHER_ROLE = "arn:aws:iam::123456789012:role/Other"
STREAM_OF_CLAUDE = [
    {"type": "message_start", "message": {"usage": {"input_tokens": 15, "output_tokens": 1}}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "canary"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 12}},
]


def read(entry: Mapping[str, Any], *, written: datetime | None = WRITTEN, reader: LogReader = READER) -> Record:
    """Read an entry that is an invocation."""
    logged = reader.read(json.dumps(entry), written=written)
    assert logged is not None
    return logged.record


def usage(**counts: Any) -> Usage:
    """Give a usage by the log's word."""
    return Usage(source=UsageSource.LOG, **counts)


def test_an_entry_is_a_record() -> None:
    """Who, what, when, how much and for how many dollars: as a door of ours would have recorded it."""
    record = read(an_entry())
    assert record.call.id == record.outcome.upstream_request_id == an_entry()["requestId"]
    assert record.call.operation is Operation.CONVERSE
    assert record.call.model is not None
    assert (record.call.model.id, record.call.model.region) == (CLAUDE_US, "us-east-1")
    assert record.call.tags == {"use_case": "chatbot", "account": ACCOUNT, "principal": session_of(CHATBOT_ROLE)}
    assert record.call.received_at == datetime(2026, 11, 25, 6, 54, 27, tzinfo=UTC)
    assert record.usage == usage(input=15, output=12, cache_read=7, cache_write_5m=5)
    assert (record.outcome.status, record.outcome.certainty) == (Status.OK, Certainty.EXACT)
    # 15 at 3.30, 12 at 16.50, 7 at 0.33 and 5 at 4.125 USD per million: the prices of a US profile.
    assert record.cost == Decimal("0.000270435")
    assert record.faults == ()


def test_its_line_has_the_entrys_own_time_and_says_whose_word_it_is() -> None:
    """The metrics lie at the time of the call, whenever the log arrives; what nobody measured is absent."""
    line = json.loads(an_emf().line(read(an_entry())))
    assert line["_aws"]["Timestamp"] == 1_795_589_667_000
    assert (line["Invocations"], line["InputTokenCount"], line["CacheWriteInputTokenCount"]) == (1, 15, 5)
    assert (line["usage_source"], line["principal"], line["account"]) == ("log", session_of(CHATBOT_ROLE), ACCOUNT)
    assert not {"input_bytes", "duration_ms", "InvocationLatency", "MeterOverhead", "ColdStart"} & line.keys()


@pytest.mark.parametrize(
    ("metadata", "arn", "use_case"),
    [
        ({"use_case": "reports", "team": "sales"}, session_of(OTHER_ROLE), "reports"),
        ({"use_case": "batch"}, session_of(CHATBOT_ROLE), "batch"),
        ({"team": "sales"}, session_of(CHATBOT_ROLE), "chatbot"),
        (None, "arn:aws:iam::123456789012:user/ada", UNATTRIBUTED),
        (None, None, UNATTRIBUTED),
    ],
)
def test_the_use_case_is_the_metadatas_else_the_principals(
    metadata: Mapping[str, str] | None, arn: str | None, use_case: str
) -> None:
    """What nobody can be named for is unattributed; the team stands in the metadata alone."""
    record = read(an_entry(requestMetadata=metadata, identity=arn and {"arn": arn}))
    assert record.call.use_case == use_case
    assert record.call.tags.get("team") == (metadata or {}).get("team")
    assert record.faults == ()


def test_a_use_case_that_is_no_name_is_not_taken() -> None:
    """Metadata is free text: what cannot be a use case is a fault, and the principal decides."""
    record = read(an_entry(requestMetadata={"use_case": "a prompt, perhaps?"}))
    assert (record.call.use_case, record.faults) == ("chatbot", ("log_use_case_invalid",))


def test_a_principal_that_is_known_may_not_name_any_use_case() -> None:
    """Metadata is free text: where the map knows the caller, a use case that is not its own is a fault, not a label."""
    record = read(an_entry(requestMetadata={"use_case": "reports"}))
    assert (record.call.use_case, record.faults) == ("chatbot", ("log_use_case_not_allowed",))


@pytest.mark.parametrize(
    ("changes", "metered"),
    [
        ({}, False),
        ({"identity": {"arn": session_of(GATEWAY_ROLE)}}, True),
        ({"requestMetadata": {"bedrock_meter_id": "any"}}, True),
    ],
)
def test_calls_of_our_own_doors_are_told_apart(changes: Mapping[str, Any], *, metered: bool) -> None:
    """The role that called, or the mark in the metadata, says that a door meters the call itself."""
    logged = READER.read(json.dumps(an_entry(**changes)), written=WRITTEN)
    assert logged is not None
    assert logged.metered is metered


@pytest.mark.parametrize(
    "line",
    [
        "START RequestId: 1 Version: $LATEST",
        '{"schemaType":"SomethingElse","schemaVersion":"1.0"}',
        '{"level":"INFO","message":"hello"}',
        "[1,2]",
        "12",
        "",
    ],
)
def test_other_lines_are_no_invocations(line: str) -> None:
    """A group may hold other logs; none of them is counted, and none is a fault."""
    assert READER.read(line, written=WRITTEN) is None


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (json.dumps(an_entry())[:-40], "entry_not_json"),
        (json.dumps(an_entry(schemaVersion="2.0")), "entry_schema_unknown"),
        (json.dumps(an_entry(schemaVersion=None)), "entry_schema_unknown"),
        (json.dumps(an_entry(requestId=None)), "entry_without_request_id"),
        (json.dumps(an_entry(requestId=7)), "entry_without_request_id"),
        ('{"input":' + "[" * 100_000, "entry_not_json"),
    ],
)
def test_an_invocation_that_cannot_be_counted_is_told(line: str, code: str) -> None:
    """Cut by CloudWatch, of an unknown schema, without an id: an error with a code, which does not quote the line."""
    with pytest.raises(LogEntryError) as told:
        READER.read(line, written=WRITTEN)
    assert told.value.code == code
    assert CLAUDE_US not in str(told.value)


def test_a_later_minor_version_is_read() -> None:
    """A version that only adds fields needs no new reader."""
    assert read(an_entry(schemaVersion="1.7")).usage is not None


def test_an_unknown_operation_is_counted_under_no_name() -> None:
    """Its tokens and its price count, and a fault says that it is new; whether AWS counts an invocation is unknown."""
    record = read(an_entry(operation="ConverseTwice"))
    assert (record.call.operation, record.faults) == (Operation.UNKNOWN, ("log_operation_unknown",))
    assert record.usage == usage(input=15, output=12, cache_read=7, cache_write_5m=5)
    assert record.cost is not None


def test_an_entry_without_counts_is_unknown_and_not_zero() -> None:
    """No count, no usage, no price; the call itself is counted."""
    record = read(an_entry(input={}, output={}))
    assert (record.usage, record.cost) == (None, None)
    assert record.outcome.certainty is Certainty.UNKNOWN
    assert json.loads(an_emf().line(record))["Invocations"] == 1


def test_what_is_no_count_is_a_fault() -> None:
    """A count that cannot be one is unknown, and the others still count."""
    record = read(an_entry(input={"inputTokenCount": "many"}, output={"outputTokenCount": 12}))
    assert record.usage == usage(output=12)
    assert record.outcome.certainty is Certainty.AT_LEAST
    assert record.faults == ("log_input_not_a_count",)


def test_a_body_fills_in_what_the_entry_lacks() -> None:
    """Missing counts, the lifetime of cache writes and the stop reason come from the body, when it is there."""
    body = {
        "stopReason": "end_turn",
        "usage": {
            "inputTokens": 15,
            "outputTokens": 12,
            "cacheWriteInputTokens": 5,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 2}],
        },
    }
    given = {"input": {"cacheWriteInputTokenCount": 5}, "output": {"outputBodyJson": body}}
    record = read(an_entry(**given))
    assert record.usage == usage(input=15, output=12, cache_write_5m=3, cache_write_1h=2)
    assert (record.outcome.stop_reason, record.disagreement) == ("end_turn", False)


def test_the_entrys_counts_win_over_the_body() -> None:
    """Where the two differ the entry's count is taken, for it is the one that is billed; and that is told."""
    body = {"usage": {"inputTokens": 99, "outputTokens": 12}}
    record = read(an_entry(output={"outputTokenCount": 12, "outputBodyJson": body}))
    assert record.usage is not None
    assert (record.usage.input, record.disagreement) == (15, True)


@pytest.mark.parametrize(
    ("operation", "model", "chunks"),
    [
        ("InvokeModelWithResponseStream", CLAUDE, STREAM_OF_CLAUDE),
        (
            "InvokeModelWithResponseStream",
            "meta.llama3-8b-instruct-v1:0",
            [
                {"generation": "ash", "prompt_token_count": 15, "generation_token_count": 6},
                {"generation": "bay", "generation_token_count": 12, "stop_reason": "stop"},
            ],
        ),
        (
            "ConverseStream",
            CLAUDE,
            [
                {"messageStart": {"role": "assistant"}},
                {"contentBlockDelta": {"delta": {"text": "canary"}}},
                {"messageStop": {"stopReason": "end_turn"}},
                {"metadata": {"usage": {"inputTokens": 15, "outputTokens": 12}}},
            ],
        ),
        ("ConverseStream", CLAUDE, [{"usage": {"inputTokens": 15, "outputTokens": 12}, "stopReason": "end_turn"}]),
    ],
)
def test_a_stream_is_a_list_of_chunks(operation: str, model: str, chunks: list[Any]) -> None:
    """Where the entry has no counts, those of the chunks are read as they are off the wire: never added up."""
    record = read(an_entry(operation=operation, modelId=model, input={}, output={"outputBodyJson": chunks}))
    assert record.usage is not None
    assert (record.usage.input, record.usage.output, record.usage.source) == (15, 12, UsageSource.LOG)
    assert record.outcome.stop_reason in {"end_turn", "stop"}
    assert record.call.streaming


def test_chunks_are_not_looked_at_when_nothing_is_missing() -> None:
    """A stream has thousands of chunks, and the entry has the counts that are billed."""
    chunks = [{"amazon-bedrock-invocationMetrics": {"inputTokenCount": 999}}]
    record = read(
        an_entry(
            operation="InvokeModelWithResponseStream",
            input={"inputTokenCount": 15},
            output={"outputTokenCount": 12, "outputBodyJson": chunks},
        )
    )
    assert (record.usage, record.disagreement) == (usage(input=15, output=12), False)


@pytest.mark.parametrize("body", ["text", None, 3, [None, 3, "x"], [[[]]], {"usage": "none"}])
def test_a_body_of_any_other_shape_harms_nothing(body: Any) -> None:
    """The entry's own counts stand, whatever is in the place of a body."""
    record = read(an_entry(output={"outputTokenCount": 12, "outputBodyJson": body}))
    assert record.usage is not None
    assert (record.usage.input, record.usage.output) == (15, 12)


@pytest.mark.parametrize(
    ("changes", "status", "http_status", "faults"),
    [
        ({"errorCode": "ThrottlingException"}, Status.THROTTLED, 429, ()),
        ({"errorCode": "ValidationException"}, Status.CLIENT_ERROR, 400, ()),
        ({"errorCode": "ModelErrorException"}, Status.CLIENT_ERROR, 424, ()),
        ({"errorCode": "InternalServerException"}, Status.SERVER_ERROR, 500, ()),
        ({"errorCode": "BrandNewException"}, Status.SERVER_ERROR, None, ("log_error_unknown",)),
        ({"errorCode": 429}, Status.THROTTLED, 429, ()),
        ({"errorCode": "BrandNewException", "status": "503"}, Status.SERVER_ERROR, 503, ()),
        ({"status": "SUCCESS"}, Status.OK, 200, ()),
    ],
)
def test_errors_have_the_status_of_their_name(
    changes: Mapping[str, Any], status: Status, http_status: int | None, faults: tuple[str, ...]
) -> None:
    """AWS documents no values: a number is a status, a known name has its own, and the rest is a fault."""
    record = read(an_entry(input={}, output={}, **changes))
    assert (record.outcome.status, record.outcome.bedrock_status, record.faults) == (status, http_status, faults)


def test_a_latency_optimized_call_is_priced_as_one() -> None:
    """The performance configuration of the entry is the tier that was asked for."""
    assert read(an_entry(performanceConfig={"latency": "optimized"})).call.tier == "latency"


def test_the_request_body_tells_what_was_asked() -> None:
    """The caller's bound on the output is known where bodies are logged."""
    asked = {"inputTokenCount": 15, "inputBodyJson": {"inferenceConfig": {"maxTokens": 300}, "messages": []}}
    assert read(an_entry(input=asked)).call.max_output_tokens == 300


def test_an_opaque_model_is_resolved() -> None:
    """The model behind an application profile is asked of whoever knows it, so that the call has a price."""

    class Known:
        def find(self, model: ModelRef) -> ModelRef:
            return replace(model, base=CLAUDE)

    arn = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:application-inference-profile/ab12cd34ef56"
    record = read(an_entry(modelId=arn), reader=replace(READER, models=Known()))
    assert record.call.model is not None
    assert (record.call.model.base, record.call.model.profile) == (CLAUDE, "ab12cd34ef56")


@pytest.mark.parametrize(
    ("timestamp", "written", "expected", "faults"),
    [
        ("2026-11-25T06:54:27Z", WRITTEN, datetime(2026, 11, 25, 6, 54, 27, tzinfo=UTC), ()),
        ("2026-11-25T07:54:27+01:00", WRITTEN, datetime(2026, 11, 25, 6, 54, 27, tzinfo=UTC), ()),
        ("2026-11-25T06:54:27", None, datetime(2026, 11, 25, 6, 54, 27, tzinfo=UTC), ()),
        ("2026-11-26T06:54:27Z", WRITTEN, WRITTEN, ("log_clock_skew",)),
        ("2026-11-20T06:54:27Z", WRITTEN, WRITTEN, ("log_clock_skew",)),
        ("2026-11-20T06:54:27Z", None, datetime(2026, 11, 20, 6, 54, 27, tzinfo=UTC), ()),
        ("yesterday", WRITTEN, WRITTEN, ("log_time_unreadable",)),
        (None, WRITTEN, WRITTEN, ("log_time_unreadable",)),
        (1234, WRITTEN, WRITTEN, ("log_time_unreadable",)),
    ],
)
def test_a_clock_that_is_wrong_moves_no_metric(
    timestamp: Any, written: datetime | None, expected: datetime, faults: tuple[str, ...]
) -> None:
    """A time that lies hours from the log's own is not believed: CloudWatch would drop the metrics of that line."""
    record = read(an_entry(timestamp=timestamp), written=written)
    assert (record.call.received_at, record.faults) == (expected, faults)


def test_an_entry_that_has_no_time_at_all_is_told() -> None:
    """Without a time of its own and of the log, its day and so its price are unknown."""
    with pytest.raises(LogEntryError) as told:
        read(an_entry(timestamp=None), written=None)
    assert told.value.code == "log_time_unreadable"


def test_a_pricer_that_fails_costs_the_price_alone() -> None:
    """The tokens count; the fault is on the record."""

    class Broken:
        def rate_card(self, *_: object, **__: object) -> None:
            raise OSError("no book")

    record = read(an_entry(), reader=replace(READER, pricer=Broken()))
    assert (record.cost, record.faults) == (None, ("pricing_fault",))
    assert record.usage is not None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=6,
)
# An entry of another schema is no invocation, and one without an id cannot be counted.
KEPT = an_entry(schemaType=None, schemaVersion=None, requestId=None)
members = st.sampled_from([*KEPT, "requestMetadata", "errorCode", "status", "performanceConfig"])


@PROPERTY
@given(changes=st.dictionaries(members, json_values, max_size=5))
def test_no_entry_breaks_the_reader(changes: Mapping[str, Any]) -> None:
    """Whatever stands in the place of a member, an entry with an id is a record whose line is one line of JSON."""
    record = read(an_entry(**changes), written=WRITTEN + timedelta(seconds=1))
    line = an_emf().line(record)
    assert json.loads(line)["bedrock_request_id"] == an_entry()["requestId"]
    assert "\n" not in line


@PROPERTY
@given(counts=st.tuples(*[st.integers(0, 10**9)] * 4))
def test_counts_are_taken_over_to_the_token(counts: tuple[int, int, int, int]) -> None:
    """The four counts of an entry are the four buckets of its record."""
    read_, write, asked, answered = counts
    given_in = {"inputTokenCount": asked, "cacheReadInputTokenCount": read_, "cacheWriteInputTokenCount": write}
    record = read(an_entry(input=given_in, output={"outputTokenCount": answered}))
    assert record.usage == usage(input=asked, output=answered, cache_read=read_, cache_write_5m=write)


@PROPERTY
@given(line=st.text(max_size=60) | st.text(max_size=40).map(lambda text: "{" + text))
def test_no_line_breaks_the_reader(line: str) -> None:
    """A line is an invocation, or none, or one that cannot be counted; nothing else is raised."""
    found, code = None, "entry_not_json"
    try:
        found = READER.read(line, written=WRITTEN)
    except LogEntryError as error:
        code = error.code
    assert (found, code) == (None, "entry_not_json")
