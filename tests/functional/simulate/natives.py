"""A request in the own schema of every family."""

from typing import Any

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "hello there"}]}
PROMPT: dict[str, Any] = {"prompt": "hello there"}

SPEAKING: dict[str, dict[str, Any]] = {
    "anthropic.claude-opus-4-8": {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 90, **CHAT},
    "anthropic.claude-sonnet-4-5-20250929-v1:0": {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 300,
        **CHAT,
    },
    "amazon.nova-lite-v1:0": {"messages": [{"role": "user", "content": [{"text": "hello there"}]}]},
    "amazon.nova-2-lite-v1:0": {"messages": [{"role": "user", "content": [{"text": "hello there"}]}]},
    "amazon.titan-text-express-v1": {"inputText": "hello there"},
    "meta.llama3-1-8b-instruct-v1:0": PROMPT,
    "mistral.mistral-7b-instruct-v0:2": PROMPT,
    "mistral.pixtral-large-2502-v1:0": CHAT,
    "cohere.command-text-v14": PROMPT,
    "cohere.command-r-plus-v1:0": {"message": "hello there"},
    "ai21.jamba-1-5-mini-v1:0": CHAT,
    "deepseek.r1-v1:0": PROMPT,
    "deepseek.v3-v1:0": CHAT,
    "qwen.qwen3-32b-v1:0": CHAT,
    "moonshotai.kimi-k3": CHAT,
    "writer.palmyra-x5-v1:0": CHAT,
    "openai.gpt-oss-120b-1:0": CHAT,
    "openai.gpt-6-sol": CHAT,
    "twelvelabs.pegasus-1-2-v1:0": {"inputPrompt": "hello there", "mediaSource": {}},
    "arn:aws:bedrock:us-east-1:111122223333:imported-model/simdeepseek0": PROMPT,
}
"""Families that write text and can stream it."""

SILENT: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "amazon.titan-embed-text-v2:0": ({"inputText": "hello there"}, {}),
    "amazon.nova-2-multimodal-embeddings-v1:0": (
        {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {"text": {"value": "hello there"}}},
        {},
    ),
    "cohere.embed-english-v3": ({"texts": ["hello there", "you"], "input_type": "search_query"}, {}),
    "cohere.rerank-v3-5:0": ({"query": "which", "documents": ["a"] * 101}, {"search_units": 2}),
    "amazon.nova-canvas-v1:0": (
        {"taskType": "TEXT_IMAGE", "imageGenerationConfig": {"numberOfImages": 3}},
        {"images": 3},
    ),
    "stability.sd3-5-large-v1:0": (PROMPT, {"images": 1}),
    "twelvelabs.marengo-embed-2-7-v1:0": ({"inputType": "text", "inputText": "hello there"}, {"requests": 1}),
}
"""Families that write no text, each with what is billed besides tokens."""
