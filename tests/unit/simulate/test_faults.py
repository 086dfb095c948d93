"""Each fault is what its row says, and a script schedules them by count."""

import json

import pytest
from tests.unit.simulate.asking import ask, claude, document_of, headers_of

from meterctl.simulate.answer import Ending
from meterctl.simulate.faults import ABSURD_COUNT, FAULTS, INPUT_COUNT_HEADER, Every, Script
from meterctl.simulate.models import fault_model_id
from meterctl.simulate.tokens import Tokens

CORAL = "http://internal.amazon.com/coral/com.amazon.bedrock/"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("validation", 400, "ValidationException"),
        ("access-denied", 403, "AccessDeniedException"),
        ("bad-key", 403, "AccessDeniedException"),
        ("not-found", 404, "ResourceNotFoundException"),
        ("model-timeout", 408, "ModelTimeoutException"),
        ("model-error", 424, "ModelErrorException"),
        ("throttling", 429, "ThrottlingException"),
        ("not-ready", 429, "ModelNotReadyException"),
        ("internal", 500, "InternalServerException"),
        ("unavailable", 503, "ServiceUnavailableException"),
    ],
)
def test_an_error_has_bedrocks_status_type_and_shape(fault: str, status: int, code: str) -> None:
    """Error faults answer in the model's stead and bill nothing."""
    exchange = ask(claude(), model=fault_model_id(fault))
    assert (exchange.answer.status, exchange.error_code, exchange.fault) == (status, code, fault)
    assert headers_of(exchange)["x-amzn-ErrorType"].startswith(f"{code}:http://internal.amazon.com/coral/")
    assert headers_of(exchange)["x-amzn-RequestId"] == exchange.request_id
    assert not any(name.startswith("X-Amzn-Bedrock-") for name in headers_of(exchange))
    assert exchange.tokens == Tokens()


def test_errors_of_the_service_and_of_the_authentication_layer_differ() -> None:
    """The authentication layer has another origin and a capital `Message`."""
    service, layer = (ask(claude(), model=fault_model_id(fault)) for fault in ("access-denied", "bad-key"))
    assert headers_of(service)["x-amzn-ErrorType"] == f"AccessDeniedException:{CORAL}"
    assert set(document_of(service)) == {"message"}
    assert "com.amazon.coral.service" in headers_of(layer)["x-amzn-ErrorType"]
    assert set(document_of(layer)) == {"Message"}


def test_a_model_error_carries_the_original_status() -> None:
    """ModelErrorException has two members more than the others."""
    document = document_of(ask(claude(), model=fault_model_id("model-error")))
    assert document["originalStatusCode"] == 500
    assert document["resourceName"]


@pytest.mark.parametrize(
    ("fault", "value"),
    [("bad-token-header", "many"), ("negative-token-header", "-1"), ("absurd-token-header", ABSURD_COUNT)],
)
def test_a_wrong_input_header_leaves_the_rest_alone(fault: str, value: str) -> None:
    """Only the input count is wrong; the body and the bill are those of a healthy call."""
    healthy, faulty = ask(claude()), ask(claude(), headers={"x-simulate": fault})
    assert headers_of(faulty) == headers_of(healthy) | {INPUT_COUNT_HEADER: value}
    assert (faulty.answer.body, faulty.tokens) == (healthy.answer.body, healthy.tokens)


def test_without_token_headers_the_latency_stays() -> None:
    """`no-token-headers` drops the four counts and nothing else."""
    healthy, faulty = ask(claude()), ask(claude(), headers={"x-simulate": "no-token-headers"})
    gone = set(headers_of(healthy)) - set(headers_of(faulty))
    assert len(gone) == 4
    assert all(name.endswith("-Token-Count") for name in gone)


def test_broken_json_is_cut_in_the_middle() -> None:
    """`broken-json` sends the first half as if it were all."""
    healthy, faulty = ask(claude()), ask(claude(), headers={"x-simulate": "broken-json"})
    assert healthy.answer.body.startswith(faulty.answer.body)
    with pytest.raises(json.JSONDecodeError):
        document_of(faulty)


@pytest.mark.parametrize(
    ("fault", "ending", "billed"),
    [
        ("reset", Ending.RESET_BEFORE, False),
        ("reset-mid-body", Ending.RESET_MIDWAY, True),
        ("truncated", Ending.CLOSE_MIDWAY, True),
    ],
)
def test_a_cut_answer_is_billed_if_the_model_ran(fault: str, ending: Ending, billed: bool) -> None:
    """Bedrock bills an answer that the caller never got; a reset before the model ran bills none."""
    exchange = ask(claude(), headers={"x-simulate": fault})
    assert exchange.answer.ending is ending
    assert (exchange.tokens == ask(claude()).tokens) is billed
    assert (exchange.tokens == Tokens()) is not billed


def test_slow_reports_the_time_it_takes() -> None:
    """The latency header and the delay agree."""
    exchange = ask(claude(), headers={"x-simulate": "slow"})
    assert exchange.answer.delay_ms == 500
    assert headers_of(exchange)["X-Amzn-Bedrock-Invocation-Latency"] == "500"


def test_the_header_wins_over_the_id_and_the_id_over_the_script() -> None:
    """A call shows one fault, the one that is asked for most directly."""
    model = fault_model_id("internal")
    assert ask(claude(), model=model, headers={"x-simulate": "not-ready"}).fault == "not-ready"
    assert ask(claude(), model=model, scheduled="throttling").fault == "internal"
    assert ask(claude(), scheduled="throttling").fault == "throttling"


def test_a_misspelt_fault_is_refused() -> None:
    """A test that asks for a fault which does not exist must not pass as healthy."""
    exchange = ask(claude(), headers={"x-simulate": "trottling"})
    assert (exchange.answer.status, exchange.fault) == (400, None)
    assert "x-simulate" in document_of(exchange)["message"]


def test_a_script_counts_calls() -> None:
    """Every n-th call shows the fault; the first rule wins where two meet."""
    script = Script(rules=(Every(nth=3, fault="throttling"), Every(nth=2, fault="internal")))
    assert [script.fault_for(ordinal) for ordinal in range(1, 7)] == [
        None,
        "internal",
        "throttling",
        "internal",
        None,
        "throttling",
    ]


def test_a_rule_may_end() -> None:
    """After its last call a rule shows nothing, so that a Bedrock recovers."""
    script = Script(rules=(Every(nth=2, fault="internal", last=4),))
    assert [script.fault_for(ordinal) for ordinal in range(1, 9)].count("internal") == 2
    assert script.fault_for(6) is None


def test_a_rule_that_cannot_work_is_refused() -> None:
    """Rules are checked when they are written down."""
    with pytest.raises(ValueError, match="it counts from 1"):
        Every(nth=0, fault="reset")
    with pytest.raises(ValueError, match="no fault is called 'nothing'"):
        Every(nth=1, fault="nothing")


def test_every_fault_does_exactly_one_thing() -> None:
    """A row refuses, changes, breaks off, delays or blocks."""
    for name, fault in FAULTS.items():
        effects = [
            fault.refusal is not None,
            fault.change is not None,
            fault.midway is not None,
            fault.slow,
            fault.blocked,
        ]
        assert effects.count(True) == 1, name
