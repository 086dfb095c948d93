"""One well-formed call for each operation and model family, with boto3 and as bare HTTP."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
QUESTION = "Name three rivers of Europe."

INVOKE_BODIES: Mapping[str, Mapping[str, Any]] = {
    CLAUDE: {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 200,
        "messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}],
    },
    "amazon.nova-lite-v1:0": {
        "schemaVersion": "messages-v1",
        "messages": [{"role": "user", "content": [{"text": QUESTION}]}],
        "inferenceConfig": {"maxTokens": 200},
    },
    "amazon.titan-text-express-v1": {"inputText": QUESTION, "textGenerationConfig": {"maxTokenCount": 200}},
    "us.meta.llama3-1-8b-instruct-v1:0": {"prompt": QUESTION, "max_gen_len": 200},
}
"""A body for InvokeModel by model id, one for each family."""

CLAUDE_BODY = json.dumps(INVOKE_BODIES[CLAUDE]).encode()
CLAUDE_PATH = f"/model/{CLAUDE.replace(':', '%3A')}/invoke"
CONVERSE_BODY = json.dumps({"messages": [{"role": "user", "content": [{"text": QUESTION}]}]}).encode()
CONVERSE_PATH = CLAUDE_PATH.replace("/invoke", "/converse")

CACHED_CLAUDE_BODY = json.dumps(
    {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 64,
        "system": [
            {"type": "text", "text": "long " * 400, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "text", "text": "short " * 100, "cache_control": {"type": "ephemeral", "ttl": "5m"}},
        ],
        "messages": [{"role": "user", "content": QUESTION}],
    }
).encode()


def invoke(client: "BedrockRuntimeClient", model: str, body: Mapping[str, Any]) -> tuple[Mapping[str, Any], bytes]:
    """Call InvokeModel; give the HTTP side of the answer, and its body."""
    answer = client.invoke_model(modelId=model, body=json.dumps(body).encode())
    return answer["ResponseMetadata"], answer["body"].read()


def converse(client: "BedrockRuntimeClient", model: str) -> Mapping[str, Any]:
    """Call Converse."""
    return client.converse(
        modelId=model,
        messages=[{"role": "user", "content": [{"text": QUESTION}]}],
        inferenceConfig={"maxTokens": 200},
    )


def count_tokens(client: "BedrockRuntimeClient", model: str) -> Mapping[str, Any]:
    """Call CountTokens."""
    return client.count_tokens(
        modelId=model, input={"converse": {"messages": [{"role": "user", "content": [{"text": QUESTION}]}]}}
    )
