"""The table of model families."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from meterctl.simulate import bodies, mediamodels, openai, readers, streams, textmodels
from meterctl.simulate.bodies import Completion
from meterctl.simulate.prompt import Prompt
from meterctl.simulate.streams import StreamBuilder


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One row: how a family of models is called and how it answers InvokeModel."""

    name: str
    """Short name, for people."""
    pattern: re.Pattern[str]
    """Foundation model ids of this family."""
    fault_prefix: str
    """What stands before `simulate-<fault>` in the family's fault ids."""
    read: Callable[[dict[str, Any]], Prompt]
    """Request document to prompt."""
    build: Callable[[Completion], dict[str, Any]]
    """Completion to answer document."""
    stream: StreamBuilder | None = None
    """Completion to the documents of a streamed answer; None where the family cannot stream."""
    bills: Literal["text", "input", "units"] = "text"
    """Input and output tokens; input tokens alone; no tokens at all. The token headers say as much and no more."""
    caches: bool = False
    """Supports prompt caching: cache marks are honoured and cache counts are always given."""
    caches_by_itself: bool = False
    """Caches all but the last piece of a prompt without being told."""
    counts_cache_twice: bool = False
    """ConverseStream's usage has the cached tokens in the input too."""
    metrics_apart: bool = False
    """Bedrock's counts come in a document of their own at the end of a stream."""
    counts_tokens: bool = False
    """Supports CountTokens."""
    routes: frozenset[str] = frozenset()
    """The operations with the model in the body that take this family."""
    runs: Literal["at once", "later", "both"] = "at once"
    """Whether it takes InvokeModel, StartAsyncInvoke or both."""


_VERSION: Final = r"(?:-v\d+)?(?::\d+)?(?::\d+k)?"
_CHAT: Final = frozenset({"ChatCompletions"})
_OPENAI: Final = frozenset({"ChatCompletions", "Responses"})


def _family(name: str, pattern: str, fault_prefix: str, /, **row: Any) -> Family:
    return Family(name=name, pattern=re.compile(pattern + _VERSION), fault_prefix=fault_prefix, **row)


def _chat_family(name: str, pattern: str, fault_prefix: str, /, **row: Any) -> Family:
    """Return a family whose own schema is OpenAI's chat completions."""
    defaults: dict[str, Any] = {
        "read": openai.read_chat,
        "build": openai.chat_body,
        "stream": openai.chat_chunks,
        "routes": _CHAT,
    }
    return _family(name, pattern, fault_prefix, **defaults | row)


FAMILIES: Final = (
    _family(
        "claude",
        r"anthropic\.claude-[a-z0-9-]+?",
        "anthropic.",
        read=readers.read_claude,
        build=bodies.claude_body,
        stream=streams.claude_chunks,
        caches=True,
        counts_tokens=True,
        routes=frozenset({"Messages"}),
    ),
    _family(
        "nova",
        r"amazon\.nova-(?:\d+-)?(?:micro|lite|pro|premier)",
        "amazon.nova-",
        read=readers.read_nova,
        build=bodies.nova_body,
        stream=streams.nova_chunks,
        caches=True,
    ),
    _family(
        "titan",
        r"amazon\.titan-text-(?:lite|express|premier)",
        "amazon.titan-text-",
        read=readers.read_titan,
        build=bodies.titan_body,
        stream=streams.titan_chunks,
    ),
    _family(
        "llama",
        r"meta\.llama[a-z0-9-]+?",
        "meta.",
        read=readers.read_llama,
        build=bodies.llama_body,
        stream=streams.llama_chunks,
    ),
    _family(
        "mistral",
        r"mistral\.mi[sx]tral-(?:7b|8x7b|small-2402|large-24\d\d)[a-z0-9-]*?",
        "mistral.",
        read=textmodels.read_prompt,
        build=textmodels.mistral_body,
        stream=textmodels.mistral_chunks,
    ),
    _chat_family("mistral-chat", r"mistral\.(?:pixtral|ministral|magistral|mistral-large-3)[a-z0-9-]*?", "mistral.p-"),
    _family(
        "command",
        r"cohere\.command(?:-light)?-text",
        "cohere.command-",
        read=textmodels.read_prompt,
        build=textmodels.command_body,
        stream=textmodels.command_chunks,
    ),
    _family(
        "command-r",
        r"cohere\.command-r(?:-plus)?",
        "cohere.command-r-",
        read=textmodels.read_message,
        build=textmodels.command_r_body,
        stream=textmodels.command_r_chunks,
    ),
    _family(
        "jamba",
        r"ai21\.jamba-[a-z0-9-]+?",
        "ai21.jamba-",
        read=openai.read_chat,
        build=textmodels.jamba_body,
        stream=textmodels.jamba_chunks,
        metrics_apart=True,
    ),
    _family(
        "jurassic",
        r"ai21\.j2-(?:mid|ultra)",
        "ai21.j2-",
        read=textmodels.read_jurassic,
        build=textmodels.jurassic_body,
    ),
    _family(
        "deepseek-r1",
        r"deepseek\.r1",
        "deepseek.r1-",
        read=textmodels.read_prompt,
        build=textmodels.deepseek_body,
        stream=streams.llama_chunks,
    ),
    _chat_family("deepseek", r"deepseek\.v[a-z0-9.-]+?", "deepseek."),
    _chat_family("qwen", r"qwen\.qwen[a-z0-9.-]+?", "qwen."),
    _chat_family("moonshot", r"moonshot(?:ai)?\.kimi[a-z0-9.-]+?", "moonshotai."),
    _chat_family("writer", r"writer\.palmyra-[a-z0-9-]+?", "writer."),
    _chat_family("gpt-oss", r"openai\.gpt-oss-[a-z0-9-]+?", "openai.gpt-oss-", routes=_OPENAI),
    _chat_family(
        "gpt",
        r"openai\.gpt-\d[a-z0-9.-]*?",
        "openai.",
        caches=True,
        caches_by_itself=True,
        counts_cache_twice=True,
        routes=_OPENAI,
    ),
    _family(
        "pegasus",
        r"twelvelabs\.pegasus-[a-z0-9-]+?",
        "twelvelabs.pegasus-",
        read=textmodels.read_pegasus,
        build=textmodels.pegasus_body,
        stream=textmodels.pegasus_chunks,
    ),
    _family(
        "imported",
        r"imported\.[a-z0-9]+",
        "imported.",
        read=openai.read_prompt,
        build=openai.text_body,
        stream=openai.text_chunks,
    ),
    _family(
        "titan-embed",
        r"amazon\.titan-embed-(?:g1-text-\d+|text|image)",
        "amazon.titan-embed-",
        read=mediamodels.read_titan_embed,
        build=mediamodels.titan_embed_body,
        bills="input",
    ),
    _family(
        "nova-embed",
        r"amazon\.nova-2-multimodal-embeddings",
        "amazon.nova-2-multimodal-",
        read=mediamodels.read_nova_embed,
        build=mediamodels.nova_embed_body,
        bills="input",
        runs="both",
    ),
    _family(
        "cohere-embed",
        r"cohere\.embed-(?:english|multilingual|v\d)",
        "cohere.embed-",
        read=mediamodels.read_cohere_embed,
        build=mediamodels.cohere_embed_body,
        bills="input",
    ),
    _family(
        "rerank",
        r"(?:cohere|amazon)\.rerank(?:-v\d-\d)?",
        "cohere.rerank-",
        read=mediamodels.read_rerank,
        build=mediamodels.rerank_body,
        bills="units",
    ),
    _family(
        "amazon-image",
        r"amazon\.(?:nova-canvas|titan-image-generator)",
        "amazon.nova-canvas-",
        read=mediamodels.read_amazon_image,
        build=mediamodels.amazon_image_body,
        bills="units",
    ),
    _family(
        "stability",
        r"stability\.(?:sd3|stable-)[a-z0-9-]*?",
        "stability.",
        read=mediamodels.read_stability,
        build=mediamodels.stability_body,
        bills="units",
    ),
    _family(
        "marengo",
        r"twelvelabs\.marengo-[a-z0-9-]+?",
        "twelvelabs.marengo-",
        read=mediamodels.read_marengo,
        build=mediamodels.marengo_body,
        bills="units",
        runs="both",
    ),
    _family(
        "video",
        r"(?:amazon\.nova-reel|luma\.ray)",
        "amazon.nova-reel-",
        read=mediamodels.read_marengo,
        build=mediamodels.marengo_body,
        bills="units",
        runs="later",
    ),
)
