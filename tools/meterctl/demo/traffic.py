"""The traffic of the demo: two applications, written as any boto3 application is, that know nothing of a meter."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from meterctl.demo.registry import CHATBOT, SUMMARIZER

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
INVENTED = "acme.a-model-that-never-was-v1"
"""Bedrock refuses it, so it must not become a metric that somebody pays for."""

ROUNDS = 20
"""How often each application repeats its calls."""


type Call = Callable[["BedrockRuntimeClient"], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One call of one application."""

    use_case: str
    call: Call


def script() -> Iterator[Work]:
    """Give every call of the demo, the two applications in turn."""
    for turn in range(ROUNDS):
        question = f"Question {turn}: how do I reset my password? " * (1 + turn % 5)
        document = f"Report {turn % 4}. " + "Revenue rose in the north and fell in the south. " * (20 + 7 * (turn % 4))
        yield Work(use_case=CHATBOT, call=converse(CLAUDE, question, max_tokens=300))
        yield Work(use_case=SUMMARIZER, call=_invoke_claude(document, cache="1h" if turn % 2 else "5m"))
        yield Work(use_case=CHATBOT, call=converse(NOVA, question, max_tokens=200))
        yield Work(use_case=SUMMARIZER, call=_invoke_llama(document))
        if turn % 5 == 0:
            yield Work(use_case=CHATBOT, call=converse(INVENTED, question, max_tokens=10))


def attempt(call: Call, bedrock: "BedrockRuntimeClient") -> BotoCoreError | ClientError | None:
    """Make one call and read its answer; give what boto3 raised, None for a success."""
    try:
        call(bedrock)
    except (BotoCoreError, ClientError) as error:
        return error
    return None


def converse(model: str, text: str, *, max_tokens: int) -> Call:
    """Give a call of Converse."""
    return lambda bedrock: bedrock.converse(
        modelId=model,
        messages=[{"role": "user", "content": [{"text": text}]}],
        inferenceConfig={"maxTokens": max_tokens},
    )


def _invoke(model: str, body: object) -> Call:
    return lambda bedrock: bedrock.invoke_model(modelId=model, body=json.dumps(body))["body"].read()


def _invoke_claude(document: str, *, cache: str) -> Call:
    return _invoke(
        CLAUDE,
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 400,
            "system": [{"type": "text", "text": document, "cache_control": {"type": "ephemeral", "ttl": cache}}],
            "messages": [{"role": "user", "content": "Summarise the report in three sentences."}],
        },
    )


def _invoke_llama(document: str) -> Call:
    return _invoke(LLAMA, {"prompt": f"Summarise: {document}", "max_gen_len": 256})
