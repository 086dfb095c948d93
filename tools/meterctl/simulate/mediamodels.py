"""Families that write no text: embeddings, rerankers, images.

Shapes: "Inference request parameters and response fields", Amazon Bedrock user guide, and Amazon Nova user guide.
Embeddings bill input tokens; the others images, requests or search units, which no header and no body tells.
"""

import base64
from typing import Any, Final

from meterctl.simulate.answer import invalid
from meterctl.simulate.bodies import Completion
from meterctl.simulate.prompt import Prompt, Segment, take_limit, take_list, take_object, take_text
from meterctl.simulate.tokens import fingerprint

_DIMENSIONS: Final = 4
_DOCUMENTS_PER_UNIT: Final = 100
_IMAGE_BYTES: Final = 16


def read_titan_embed(document: dict[str, Any]) -> Prompt:
    """Read `inputText`, `inputImage` or both: Titan embeddings."""
    members = [name for name in ("inputText", "inputImage") if document.get(name)]
    if not members:
        raise invalid("inputText: Field required")
    return Prompt(
        segments=tuple(Segment.of(name, take_text(document[name], name)) for name in members),
        units={"images": 1} if "inputImage" in members else {},
    )


def titan_embed_body(completion: Completion) -> dict[str, Any]:
    """Build the vector of Titan embeddings, with the input count."""
    return {"embedding": _vector(completion, 0), "inputTextTokenCount": completion.tokens.input}


def read_nova_embed(document: dict[str, Any]) -> Prompt:
    """Read `taskType` and `singleEmbeddingParams`: Nova embeddings."""
    take_text(document.get("taskType"), "taskType")
    asked = take_object(document.get("singleEmbeddingParams"), "singleEmbeddingParams")
    return Prompt(segments=(Segment.of("singleEmbeddingParams", asked),))


def nova_embed_body(completion: Completion) -> dict[str, Any]:
    """Build the vector of Nova embeddings, without usage."""
    return {"embeddings": [{"embeddingType": "TEXT", "embedding": _vector(completion, 0)}]}


def read_cohere_embed(document: dict[str, Any]) -> Prompt:
    """Read `texts` and `input_type`: Cohere Embed."""
    take_text(document.get("input_type"), "input_type")
    texts = take_list(document.get("texts"), "texts", least=1)
    return Prompt(segments=tuple(Segment.of("texts", take_text(text, "texts")) for text in texts), amount=len(texts))


def cohere_embed_body(completion: Completion) -> dict[str, Any]:
    """Build the vectors of Cohere Embed, without usage and, unlike the real one, without the texts."""
    vectors = [_vector(completion, number) for number in range(completion.amount)]
    return {"id": completion.key.hex(), "response_type": "embeddings_floats", "embeddings": vectors}


def read_rerank(document: dict[str, Any]) -> Prompt:
    """Read `query` and `documents`: Cohere Rerank and Amazon Rerank. A search unit is a query of up to 100 texts."""
    query = Segment.of("query", take_text(document.get("query"), "query"))
    documents = take_list(document.get("documents"), "documents", least=1)
    units = -(-len(documents) // _DOCUMENTS_PER_UNIT)
    return Prompt(segments=(query,), amount=len(documents), units={"search_units": units})


def rerank_body(completion: Completion) -> dict[str, Any]:
    """Build the ranks, best first."""
    scores = sorted((_vector(completion, number)[0], number) for number in range(completion.amount))
    return {"results": [{"index": number, "relevance_score": abs(score)} for score, number in reversed(scores)]}


def read_amazon_image(document: dict[str, Any]) -> Prompt:
    """Read `taskType` and `imageGenerationConfig.numberOfImages`: Nova Canvas and Titan Image."""
    task = take_text(document.get("taskType"), "taskType")
    config = take_object(document.get("imageGenerationConfig", {}), "imageGenerationConfig")
    images = take_limit(config.get("numberOfImages"), "imageGenerationConfig.numberOfImages") or 1
    return Prompt(segments=(Segment.of("taskType", task),), amount=images, units={"images": images})


def amazon_image_body(completion: Completion) -> dict[str, Any]:
    """Build the images of Nova Canvas and Titan Image."""
    return {"images": _images(completion), "error": None}


def read_stability(document: dict[str, Any]) -> Prompt:
    """Read `prompt`: Stability AI. One image for each call."""
    return Prompt(segments=(Segment.of("prompt", take_text(document.get("prompt"), "prompt")),), units={"images": 1})


def stability_body(completion: Completion) -> dict[str, Any]:
    """Build the image of a Stability model."""
    return {"images": _images(completion), "seeds": [completion.key[0]], "finish_reasons": [None]}


def read_marengo(document: dict[str, Any]) -> Prompt:
    """Read `inputType`: TwelveLabs Marengo, billed by request."""
    asked = take_text(document.get("inputType"), "inputType")
    return Prompt(segments=(Segment.of("inputType", asked),), units={"requests": 1})


def marengo_body(completion: Completion) -> dict[str, Any]:
    """Build the vector of TwelveLabs Marengo."""
    return {"data": [{"embedding": _vector(completion, 0)}]}


def _vector(completion: Completion, number: int) -> list[float]:
    drawn = fingerprint(completion.key, b"vector", str(number).encode())
    return [round((drawn[place] - 128) / 128, 4) for place in range(_DIMENSIONS)]


def _images(completion: Completion) -> list[str]:
    drawn = (fingerprint(completion.key, b"image", str(number).encode()) for number in range(completion.amount))
    return [base64.b64encode(image[:_IMAGE_BYTES]).decode() for image in drawn]
