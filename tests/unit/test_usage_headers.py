"""The token headers of a buffered InvokeModel answer."""

import pytest

from bedrock_meter.usage import headers as token_headers
from bedrock_meter.usage.counts import Counts


def test_every_header_is_read() -> None:
    """Each header is its own count; the names are those of the recorded answers, in lower case."""
    counts, faults = token_headers.counts(
        {
            "x-amzn-bedrock-input-token-count": "1",
            "x-amzn-bedrock-output-token-count": "2",
            "x-amzn-bedrock-cache-read-input-token-count": "3",
            "x-amzn-bedrock-cache-write-input-token-count": "4",
        }
    )
    assert counts == Counts(input=1, output=2, cache_read=3, cache_write=4)
    assert faults == []


def test_an_absent_header_is_unknown() -> None:
    """No header is no count and no fault."""
    assert token_headers.counts({}) == (Counts(), [])


@pytest.mark.parametrize("value", ["", "ten", "-1", "1.5", "9" * 30, "\u0662"])
def test_a_header_that_is_no_count_is_a_fault(value: str) -> None:
    """One bad header is named and unknown; the others still count."""
    counts, faults = token_headers.counts({token_headers.INPUT: value, token_headers.OUTPUT: "2"})
    assert counts == Counts(output=2)
    assert faults == ["header_input_not_a_count"]


@pytest.mark.parametrize(("value", "latency"), [("812", 812), ("812.0", 812), ("soon", None), ("-1", None)])
def test_latency(value: str, latency: int | None) -> None:
    """The latency is whole milliseconds, or unknown."""
    assert token_headers.latency_ms({"x-amzn-bedrock-invocation-latency": value}) == latency


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/", "ThrottlingException"),
        ("ThrottlingException", "ThrottlingException"),
        (" ThrottlingException ", "ThrottlingException"),
        ("", None),
        (":http://x", None),
        ("a sentence of the caller", None),
        ("x" * 129, None),
    ],
)
def test_error_code(value: str, code: str | None) -> None:
    """The name stands before the first colon; what cannot be a name is none."""
    assert token_headers.error_code({"x-amzn-errortype": value}) == code


def test_no_error_code() -> None:
    """Without the header there is no name."""
    assert token_headers.error_code({}) is None


def test_no_latency() -> None:
    """Without the header the latency is unknown."""
    assert token_headers.latency_ms({}) is None
