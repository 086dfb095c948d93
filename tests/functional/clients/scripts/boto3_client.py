"""boto3 as an application uses it. Where it sends its calls stands in its environment."""

import json
from typing import Any

import boto3
from botocore.config import Config
from tests.functional.clients.scripts.harness import Seen, case, main, words

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_ARN = f"arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.{CLAUDE}"
NOVA = "amazon.nova-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
JAMBA = "ai21.jamba-1-5-mini-v1:0"
TITAN_EMBED = "amazon.titan-embed-text-v2:0"

bedrock = boto3.client("bedrock-runtime")
once = boto3.client("bedrock-runtime", config=Config(retries={"total_max_attempts": 1}))

QUESTION: Any = [{"role": "user", "content": [{"text": "What is a meter?"}]}]
SYSTEM: Any = [{"text": words(60)}, {"cachePoint": {"type": "default"}}]
CLAUDE_BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 200,
    "system": [{"type": "text", "text": words(50), "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [{"role": "user", "content": "What is a meter?"}],
}


def _converse_usage(usage: Any) -> dict[str, int]:
    return {
        "input": usage["inputTokens"],
        "output": usage["outputTokens"],
        "total": usage["totalTokens"],
        "cache_read": usage.get("cacheReadInputTokens", 0),
        "cache_write": usage.get("cacheWriteInputTokens", 0),
    }


def _converse(**arguments: Any) -> Seen:
    answer = bedrock.converse(messages=QUESTION, **arguments)
    return {"text": answer["output"]["message"]["content"][0]["text"], "usage": _converse_usage(answer["usage"])}


def _converse_stream(client: Any, **arguments: Any) -> Seen:
    text, usage = "", None
    for event in client.converse_stream(messages=QUESTION, **arguments)["stream"]:
        text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        usage = event["metadata"]["usage"] if "metadata" in event else usage
    return {"text": text, "usage": _converse_usage(usage)}


def _invoke_stream(model: str, body: dict[str, Any]) -> tuple[list[Any], dict[str, int]]:
    answer = bedrock.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
    documents = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    metrics = documents[-1]["amazon-bedrock-invocationMetrics"]
    usage = {"input": metrics["inputTokenCount"], "output": metrics["outputTokenCount"]}
    if "cacheReadInputTokenCount" in metrics:
        usage |= {
            "cache_read": metrics["cacheReadInputTokenCount"],
            "cache_write": metrics["cacheWriteInputTokenCount"],
        }
    return documents, usage


@case
def invoke_model() -> Seen:
    """Claude, with a system prompt that is cached for an hour."""
    document = json.load(bedrock.invoke_model(modelId=CLAUDE, body=json.dumps(CLAUDE_BODY))["body"])
    usage = document["usage"]
    return {
        "text": document["content"][0]["text"],
        "usage": {
            "input": usage["input_tokens"],
            "output": usage["output_tokens"],
            "cache_read": usage["cache_read_input_tokens"],
            "cache_write": usage["cache_creation_input_tokens"],
        },
    }


@case
def invoke_model_embedding() -> Seen:
    """A model that writes nothing."""
    document = json.load(bedrock.invoke_model(modelId=TITAN_EMBED, body=json.dumps({"inputText": words(9)}))["body"])
    return {"usage": {"input": document["inputTextTokenCount"], "output": 0}}


@case
def invoke_model_with_response_stream() -> Seen:
    """Claude again: the prompt is in the cache now."""
    documents, usage = _invoke_stream(CLAUDE, CLAUDE_BODY)
    text = "".join(item["delta"].get("text", "") for item in documents if item["type"] == "content_block_delta")
    return {"text": text, "usage": usage}


@case
def invoke_stream_llama() -> Seen:
    """A body of another family, through an inference profile."""
    documents, usage = _invoke_stream(LLAMA, {"prompt": "What is a meter?"})
    return {"text": "".join(item["generation"] for item in documents), "usage": usage}


@case
def invoke_stream_jamba() -> Seen:
    """Bedrock's counts come in a chunk of their own."""
    messages = [{"role": "user", "content": "What is a meter?"}]
    documents, usage = _invoke_stream(JAMBA, {"messages": messages})
    choices = [choice for item in documents for choice in item.get("choices", [])]
    return {"text": "".join(choice["delta"].get("content") or "" for choice in choices), "usage": usage}


@case
def converse() -> Seen:
    """The first call writes to the cache."""
    return _converse(modelId=NOVA, system=SYSTEM)


@case
def converse_cached() -> Seen:
    """The second call reads from it."""
    return _converse(modelId=NOVA, system=SYSTEM)


@case
def converse_by_arn() -> Seen:
    """The ARN stands in the path, percent-encoded."""
    return _converse(modelId=CLAUDE_ARN)


@case
def converse_stream() -> Seen:
    """A stream to its end."""
    return _converse_stream(bedrock, modelId=CLAUDE, system=SYSTEM)


@case
def left() -> Seen:
    """The application closes the stream after the first piece."""
    stream = bedrock.converse_stream(modelId=CLAUDE, messages=QUESTION)["stream"]
    first = next(event for event in stream if "contentBlockDelta" in event)
    stream.close()
    return {"text": first["contentBlockDelta"]["delta"]["text"]}


@case
def count_tokens() -> Seen:
    """Counting is free."""
    answer = bedrock.count_tokens(modelId=CLAUDE, input={"converse": {"messages": QUESTION}})
    return {"facts": {"inputTokens": answer["inputTokens"]}}


@case
def apply_guardrail() -> Seen:
    """Billed by text unit."""
    content: Any = [{"text": {"text": words(300)}}]
    answer = bedrock.apply_guardrail(guardrailIdentifier="gr1", guardrailVersion="1", source="INPUT", content=content)
    return {"facts": {"units": {name: count for name, count in answer["usage"].items() if count}}}


@case
def invoke_guardrail_checks() -> Seen:
    """The same, for checks that need no guardrail."""
    answer: Any = bedrock.invoke_guardrail_checks(
        checks={"contentFilter": {"categories": [{"category": "HATE"}]}},
        messages=[{"role": "user", "content": [{"text": words(300)}]}],
    )
    return {"facts": {"units": {f"{check}.textUnits": use["textUnits"] for check, use in answer["usage"].items()}}}


@case
def async_invoke() -> Seen:
    """Start a job, ask for it, list it."""
    job = bedrock.start_async_invoke(
        modelId="amazon.nova-reel-v1:0",
        modelInput={"taskType": "TEXT_VIDEO", "videoGenerationConfig": {"durationSeconds": 6}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://videos"}},
    )["invocationArn"]
    status = bedrock.get_async_invoke(invocationArn=job)["status"]
    listed = bedrock.list_async_invokes(maxResults=5, statusEquals="Completed")["asyncInvokeSummaries"]
    return {"facts": {"status": status, "listed": [item["invocationArn"] for item in listed] == [job]}}


@case
def throttled() -> Seen:
    """Bedrock throttles, and the client does not try again."""
    once.converse(modelId="anthropic.simulate-throttling", messages=QUESTION)
    return {}


@case
def throttled_and_tried_again() -> Seen:
    """As boto3 is out of the box: three attempts."""
    bedrock.converse(modelId="anthropic.simulate-throttling", messages=QUESTION)
    return {}


@case
def invalid() -> Seen:
    """A model that does not exist."""
    once.converse(modelId="anthropic.nobody", messages=QUESTION)
    return {}


@case
def access_denied() -> Seen:
    """A model that the account may not call."""
    once.invoke_model(modelId="anthropic.simulate-access-denied", body=json.dumps(CLAUDE_BODY))
    return {}


@case
def throttled_before_the_stream() -> Seen:
    """The answer to a stream operation is an error at once."""
    return _converse_stream(once, modelId="anthropic.simulate-throttling")


@case
def throttled_in_the_stream() -> Seen:
    """The status is 200 already, so the error is a frame."""
    return _converse_stream(once, modelId="anthropic.simulate-stream-throttling")


if __name__ == "__main__":
    main()
