"""What a usage type of the bill means: which model, and which kind of tokens. Pure.

AWS publishes no grammar. The shapes are those of its price list: ``USE1-Nova2.0Lite-input-tokens-batch``,
``USE1-openai.gpt-oss-120b-mantle-input-tokens-standard``, ``USE1-Claude4.6Opus-cache-read-input-token-count``, and for
models that are sold on the Marketplace ``USW2-MP:USW2_InputTokenCount_Global-Units``, whose model stands in the name of
the product alone: ``Claude Opus 5.5 (Amazon Bedrock Edition)``.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum


class Kind(StrEnum):
    """What was billed. The bill and the price book do not divide cache writes and tiers in the same way."""

    INPUT = "input"
    OUTPUT = "output"
    CACHE_READ = "cache read"
    CACHE_WRITE = "cache write"
    OTHER = "other"


type Words = tuple[str, ...]
"""A model's name as sorted words, so that ``Claude4.6Opus`` and ``claude-opus-4-6`` are the same."""

# The first pattern that is found decides, so cache comes before input, of which it is a part.
_KINDS = (
    (re.compile(r"cache.?read", re.IGNORECASE), Kind.CACHE_READ),
    (re.compile(r"cache.?write", re.IGNORECASE), Kind.CACHE_WRITE),
    (re.compile(r"output", re.IGNORECASE), Kind.OUTPUT),
    (re.compile(r"input", re.IGNORECASE), Kind.INPUT),
)
EDITION = " (Amazon Bedrock Edition)"
_REGION = re.compile(r"^[A-Z]{2,4}\d?-")
_AFTER_MODEL = re.compile(
    r"[-_](?:text-|mantle|input|output|cache|search|image|video|speech|latency-?optimized|custom|created|provisioned).*",
    re.IGNORECASE,
)
_VERSION = re.compile(r"(?:-\d{8})?(?:-v\d+)?(?:-\d)?(?::\d+)*(?::\d+k)?$")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_FILLERS = frozenset({"0", "instruct", "chat", "text", "amazon", "meta", "anthropic", "mistral", "ai", "openai"})


def kind(usage_type: str) -> Kind:
    """Tell what a usage type counts."""
    return next((kind for pattern, kind in _KINDS if pattern.search(usage_type)), Kind.OTHER)


def model_name(usage_type: str, product: str) -> str:
    """Give what the bill calls the model; the product's name where it is no model's."""
    if product.endswith(EDITION):
        return product.removesuffix(EDITION)
    short = _AFTER_MODEL.sub("", _REGION.sub("", usage_type))
    return short or product or usage_type


def words(name: str) -> Words:
    """Take a model's name apart."""
    found = (word.lower() for word in _WORD.findall(name))
    return tuple(sorted(word for word in found if word not in _FILLERS))


def words_of_id(model_id: str) -> Words:
    """Take a model id apart in the same way: without provider, release date and version."""
    _, _, name = model_id.partition(".")
    return words(_VERSION.sub("", name or model_id))


def matcher(model_ids: Iterable[str]) -> Mapping[Words, str]:
    """Index model ids by the words of their names. Ids that differ by their version alone are one: the newest."""
    return {words_of_id(model_id): model_id for model_id in sorted(model_ids)}


def model_id(name: str, ids: Mapping[Words, str]) -> str:
    """Give the id of the model that the bill names; the name itself where there is none."""
    provider, dot, rest = name.partition(".")
    bare = rest if dot and provider.isalpha() and provider.islower() else name
    return ids.get(words(bare)) or ids.get(words(name)) or name
