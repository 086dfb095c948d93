"""The names of errors: in headers and bodies of error answers, and inside streams whose status was 200 already."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bedrock_meter.usage import headers as token_headers

# The exceptions of the two stream operations and their modelled statuses
# (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ResponseStream.html). In a stream their names
# begin with a small letter.
STREAM_EXCEPTIONS: Mapping[str, int] = MappingProxyType(
    {
        "validationException": 400,
        "modelTimeoutException": 408,
        "modelStreamErrorException": 424,
        "throttlingException": 429,
        "internalServerException": 500,
        "serviceUnavailableException": 503,
    }
)

# The errors of the Anthropic Messages API and of the OpenAI APIs
# (https://docs.claude.com/en/api/errors, https://platform.openai.com/docs/guides/error-codes).
COMPATIBLE_ERRORS: Mapping[str, int] = MappingProxyType(
    {
        "invalid_request_error": 400,
        "authentication_error": 401,
        "permission_error": 403,
        "not_found_error": 404,
        "request_too_large": 413,
        "rate_limit_error": 429,
        "rate_limit_exceeded": 429,
        "api_error": 500,
        "server_error": 500,
        "timeout_error": 504,
        "overloaded_error": 529,
    }
)

_INTERNAL = 500
_MAX_NAME = 128
"""Longer than any error's name."""


def in_stream(name: str) -> tuple[str, int]:
    """Give an in-stream exception its AWS name and the status that it stands for; an unknown one is a server error."""
    small, capital = name[:1].lower() + name[1:], name[:1].upper() + name[1:]
    status = STREAM_EXCEPTIONS.get(small, _INTERNAL)
    return (_name(capital) or "InternalServerException"), status


def in_document(document: Mapping[str, Any]) -> tuple[str, int] | None:
    """Find the error in a parsed event of the OpenAI- and Anthropic-compatible streams, or None.

    The forms: ``{"error": {"type", "code"}}``, ``{"type": "error", "code"}`` and ``{"response": {"error": {"code"}}}``.
    """
    response = document.get("response")
    error = document.get("error") or (response.get("error") if isinstance(response, dict) else None)
    if not isinstance(error, dict):
        if document.get("type") != "error":
            return None
        error = {"code": document.get("code")}
    name = _compatible_name(error) or "server_error"
    return name, COMPATIBLE_ERRORS.get(name, COMPATIBLE_ERRORS.get(str(error.get("type")), _INTERNAL))


def of_answer(headers: Mapping[str, str], document: Mapping[str, Any]) -> str | None:
    """Find the name of an error answer: in the header, else in the body.

    Recorded Bedrock errors carry the name in the header; ``__type`` is where other AWS JSON services put it, ``error``
    where the OpenAI- and Anthropic-compatible routes do.
    """
    code = token_headers.error_code(headers)
    if code is not None:
        return code
    stated, error = document.get("__type"), document.get("error")
    if isinstance(stated, str):
        return token_headers.error_code({token_headers.ERROR_TYPE: stated.rpartition("#")[2]})
    return _compatible_name(error) if isinstance(error, dict) else None


def _compatible_name(error: Mapping[str, Any]) -> str | None:
    return _name(error.get("code")) or _name(error.get("type"))


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and value.isidentifier() and len(value) <= _MAX_NAME else None
