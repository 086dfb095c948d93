"""What of a request body the model reads: ``read(document) -> Content``. Pure, never raises, bounded.

One walk fits Converse, the InvokeModel bodies of every family, Chat Completions, Responses and Messages, because their
names do not collide: whatever stands below a member that carries content is content, except where a name says
otherwise. Tools are counted as compact JSON, as models get them in about that form.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bedrock_meter.estimate.images import decoded, size

MAX_CHARS = 8 * 1024 * 1024
"""How much text is kept; the estimate of a longer one is scaled up."""
MAX_NODES = 1_000_000
"""How many JSON values are looked at; one with more is `unseen` from there on."""
MAX_PAGES = 600
"""The most pages of one document that are believed."""
_DOCUMENT_BYTES = 8 * 1024 * 1024

_CONTENT = ("system", "messages", "prompt", "inputText", "message", "preamble", "chat_history", "texts", "instructions")
_MORE_CONTENT = ("input", "query", "documents", "inputs", "text", "suffix", "singleEmbeddingParams")
_SILENT = frozenset(
    {
        "role",
        "type",
        "id",
        "signature",
        "cache_control",
        "cachePoint",
        "citations",
        "tool_use_id",
        "toolUseId",
        "status",
    }
    | {"tool_call_id", "call_id", "media_type", "format", "detail", "redactedContent", "encrypted_content"}
)
_UNSEEN = frozenset({"video", "audio", "input_audio", "video_url", "searchResult", "search_result"})
_AS_JSON = frozenset({"json", "toolUse", "tool_use", "function_call", "tool_calls", "function"})
_IMAGES = frozenset({"image", "image_url", "input_image"})
_PLAIN_TEXT = frozenset({"txt", "md", "csv", "html", "text/plain"})
_PAGE = re.compile(rb"/Type\s{0,8}/Page(?![A-Za-z])")
_PAGE_COUNT = re.compile(rb"/Count\s{1,8}(\d{1,5})")
_LONG = 64  # bits: a longer number takes long to write down
_DIGITS = "0" * 20
_ZIPPED_BYTES_PER_PAGE = 20_000
_PDF_BYTES_PER_PAGE = 50_000


@dataclass(slots=True, kw_only=True)
class Content:
    """What was found; it lives for one estimate and leaves it never."""

    pieces: list[str] = field(default_factory=list)
    """The text, in pieces of which none is a copy, `MAX_CHARS` characters at most."""
    chars: int = 0
    """How many characters there are in all."""
    messages: int = 0
    tools: int = 0
    forced: bool = False
    """A tool has to be used."""
    images: list[tuple[int, int] | None] = field(default_factory=list)
    """The size of each image; None where it cannot be read."""
    text_pages: int = 0
    """Pages of documents of which the model gets the text."""
    full_pages: int = 0
    """Pages of which it gets text and picture."""
    packed: int = 0
    """Documents whose number of pages could only be guessed."""
    unseen: int = 0
    """Parts whose cost cannot be told from the request: video, audio, and what lies in S3 or behind a URL."""
    media: int = 0
    """The size of images and documents as they stand in the body, in bytes."""

    def add(self, text: str) -> None:
        """Take a text."""
        room = MAX_CHARS - self.chars
        if text and room > 0:
            self.pieces.append(text if len(text) <= room else text[:room])
        self.chars += len(text)


def read(document: Any) -> Content:
    """Walk a request body; what was read of one already is given back as it is."""
    if isinstance(document, Content):
        return document
    found = Content()
    if not isinstance(document, Mapping):
        if isinstance(document, str):
            found.add(document)
        return found
    messages = document.get("messages") or document.get("input")
    found.messages = len(messages) if isinstance(messages, list) else 1
    _read_tools(document, found)
    waiting: list[tuple[str, Any]] = [
        (name, document[name]) for name in (*_CONTENT, *_MORE_CONTENT) if name in document
    ]
    waiting.reverse()
    _walk(waiting, found)
    return found


def _walk(waiting: list[tuple[str, Any]], found: Content) -> None:
    """Go through content without recursion, so that no nesting is too deep."""
    nodes = 0
    while waiting:
        name, node = waiting.pop()
        nodes += 1
        if nodes > MAX_NODES:
            found.unseen += 1
            return
        if name in _IMAGES and isinstance(node, str | bytes):
            _read_image({"source": node}, found)
        elif isinstance(node, str):
            found.add(node)
        elif name in _UNSEEN:
            found.unseen += 1
        elif name in _AS_JSON:
            found.add(compact(node))
        elif isinstance(node, Mapping):
            _read_block(name, node, found, waiting)
        elif isinstance(node, Sequence) and not isinstance(node, bytes | bytearray | memoryview):
            waiting.extend((name, each) for each in reversed(node))
        elif isinstance(node, int | float) and not isinstance(node, bool):
            found.add(str(node) if isinstance(node, float) or node.bit_length() <= _LONG else _DIGITS)


def _read_block(name: str, node: Mapping[str, Any], found: Content, waiting: list[tuple[str, Any]]) -> None:
    kind = node.get("type")
    kind = kind if isinstance(kind, str) else name
    if name in _IMAGES or kind in _IMAGES:
        _read_image(node, found)
    elif "source" in node and (name == "document" or kind == "document"):
        _read_document(node, found, waiting)
    elif kind in _UNSEEN:
        found.unseen += 1
    elif kind in {"tool_use", "function_call"}:
        found.add(compact({key: value for key, value in node.items() if key not in _SILENT}))
    else:
        waiting.extend((key, value) for key, value in reversed(list(node.items())) if key not in _SILENT)


def _read_image(node: Mapping[str, Any], found: Content) -> None:
    data = _file(node)
    found.images.append(size(data) if data else None)
    found.media += len(data)


def _read_document(node: Mapping[str, Any], found: Content, waiting: list[tuple[str, Any]]) -> None:
    source = node["source"]
    source = source if isinstance(source, Mapping) else {}
    for name in ("name", "title", "context"):
        if isinstance(node.get(name), str):
            found.add(node[name])
    if "text" in source or "content" in source:
        waiting.extend((name, source[name]) for name in ("text", "content") if name in source)
        return
    kind = node.get("format") or source.get("media_type") or "pdf"
    data = _file(node)
    if kind in _PLAIN_TEXT:
        found.add(data if source.get("type") == "text" and isinstance(data, str) else _text(data))
        return
    found.media += len(data)
    if not data:
        found.unseen += 1
        return
    # Converse reads the text of a document unless it is asked to cite; the Messages API shows the model each page.
    citations = node.get("citations")
    cites = isinstance(citations, Mapping) and citations.get("enabled") is True
    pages = _pages(data, found, pdf="pdf" in str(kind))
    if cites or "format" not in node:
        found.full_pages += pages
    else:
        found.text_pages += pages


def _file(node: Mapping[str, Any]) -> bytes | str:
    """Find the bytes or base64 text of an image or document block; empty when it lies elsewhere."""
    at: Any = node
    for name in ("image", "image_url", "source", "url", "bytes", "data"):
        if isinstance(at, Mapping) and name in at:
            at = at[name]
    if isinstance(at, str) and "://" in at[:16]:
        return b""
    if isinstance(at, bytearray | memoryview):
        at = bytes(at)
    return at if isinstance(at, bytes | str) else b""


def _text(data: bytes | str) -> str:
    try:
        return decoded(data, _DOCUMENT_BYTES).decode("utf-8", "replace")
    except ValueError:
        return data if isinstance(data, str) else ""


def _pages(data: bytes | str, found: Content, *, pdf: bool) -> int:
    """Count the pages of a PDF where they are not packed; else guess by the size."""
    length = len(data) * 3 // 4 if isinstance(data, str) else len(data)
    pages = 0
    if pdf:
        try:
            head = decoded(data, _DOCUMENT_BYTES)
        except ValueError:
            head = b""
        counts = (int(each) for each in _PAGE_COUNT.findall(head))
        pages = max(sum(1 for _ in _PAGE.finditer(head)), max(counts, default=0))
    if not pages:
        found.packed += 1
        pages = 1 + length // (_PDF_BYTES_PER_PAGE if pdf else _ZIPPED_BYTES_PER_PAGE)
    return min(pages, MAX_PAGES)


def _read_tools(document: Mapping[str, Any], found: Content) -> None:
    config = document.get("toolConfig")
    config = config if isinstance(config, Mapping) else document
    tools = config.get("tools")
    if not isinstance(tools, list) or not tools:
        return
    found.tools = len(tools)
    found.add(compact(tools))
    choice = config.get("toolChoice") or config.get("tool_choice")
    if isinstance(choice, Mapping):
        # A tuple, because what a caller wrote there may be a list, which no set can look for.
        forcing = choice.get("type") in ("any", "tool", "function")
        found.forced = forcing or not choice.keys().isdisjoint({"any", "tool"})
    else:
        found.forced = choice == "required"


def compact(value: Any) -> str:
    """Give a value as JSON without blanks; of one that is none, what Python makes of it, or nothing."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_stand_in)
    except (TypeError, ValueError, RecursionError):
        return ""


def _stand_in(value: object) -> str:
    return "" if isinstance(value, bytes | bytearray | memoryview) else str(type(value).__name__)
