"""How many tokens a text or a request will be, where Bedrock has not said: before the call, and for a cut-off stream.

The estimate is ``base x tokens of o200k_base + sum of factor x bytes of a class``, with one row of factors for each
family of tokenizers. Without a tokenizer its count is estimated from the bytes too. Nothing here raises; every text is
read in pieces of bounded size. docs/estimates.md has the method and the measured errors.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from unicodedata import normalize

from bedrock_meter.domain import MAX_COUNT, ModelRef
from bedrock_meter.estimate import tables
from bedrock_meter.estimate.content import MAX_CHARS, MAX_PAGES, Content, read

CHUNK = 16_384
"""Characters that the tokenizer gets at once. It keeps time linear and the stack of its regular expressions small, and
moves the count by 0.015 % (measured on 1 MB of text)."""

_TEXT_PAGE = 400
_FULL_PAGE = 2_400
_TILE = 28
_WHOLE = 1000
_LINE = b"\n"
_LONGEST_TOKEN = 128  # bytes; a run of blanks, which are in no class


class Tokenizer(Protocol):
    """Counts tokens of o200k_base."""

    def count(self, text: str) -> int | None:
        """Give the number of tokens; None where it cannot. Must not raise."""


class Method(StrEnum):
    """How an estimate was made."""

    TOKENIZER = "tokenizer"
    """From a tokenizer's count and the classes of bytes."""
    BYTES = "bytes"
    """From the classes of bytes alone: the tokenizer is missing or failed."""
    BOUND = "bound"
    """No estimate but a number that the real count does not pass."""


class Confidence(StrEnum):
    """How far an estimate can be trusted; the weakest part decides."""

    CALIBRATED = "calibrated"
    """Fitted against a tokenizer of the family; docs/estimates.md has the errors."""
    ASSUMED = "assumed"
    """No tokenizer of the family is known; it is assumed to be near another."""
    ROUGH = "rough"
    """Some of it is a rule of thumb: images, pages, tool prompts of unknown size, or text without a tokenizer."""
    PARTIAL = "partial"
    """Some of the request could not be counted at all: video, audio, or files that lie elsewhere."""


_ORDER = tuple(Confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number of tokens that nobody reported."""

    tokens: int
    """The estimate."""
    method: Method
    """How it was made."""
    confidence: Confidence
    """How far it can be trusted."""
    margin: int
    """Percent of `tokens` that covers the real count of 95 texts of 100; 100 for a bound."""


class Estimator:
    """Estimates for every family.

    Args:
        tokenizer: Counts tokens of o200k_base; None where there is none.
    """

    def __init__(self, tokenizer: Tokenizer | None = None) -> None:
        self._tokenizer = tokenizer

    def text(self, model: ModelRef | None, text: str | bytes) -> Estimate:
        """Estimate a text by itself, such as what a stream has given so far.

        Args:
            model: Whose tokens; None when it is not known.
            text: The text. Bytes are read as UTF-8, what is none of it as replacement characters.
        """
        string = text if isinstance(text, str) else bytes(text).decode("utf-8", "replace")
        return self._count(tables.row(model), string, len(string))

    def request(self, model: ModelRef | None, document: Any) -> Estimate:
        """Estimate the input tokens of a request.

        Args:
            model: The model that is called; None when it is not known.
            document: The body as JSON gives it, or the parameters of boto3, where files are bytes.
        """
        row, frame = tables.row(model), tables.frame(model)
        content = read(document)
        text = self._count(row, "\n".join(content.pieces), content.chars)
        tokens = text.tokens + frame.base + frame.message * content.messages + _tools(frame, content)
        tokens += sum(_image(size, frame) for size in content.images)
        tokens += _TEXT_PAGE * content.text_pages + _FULL_PAGE * content.full_pages
        confidence = max(text.confidence, _confidence(content), key=_ORDER.index)
        return Estimate(tokens=min(tokens, MAX_COUNT), method=text.method, confidence=confidence, margin=text.margin)

    def upper_bound(self, model: ModelRef | None, size: int, document: Any = None) -> Estimate:
        """Give a number of input tokens that a request does not pass. It needs no tokenizer.

        A byte-level tokenizer cannot make more tokens than there are bytes; Claude's, which marks words and capitals,
        made 1.82 at worst of what was tried, and is taken at 2. `ROUGH` says that tools, images or documents are in it,
        whose limits are rules of thumb; packed documents count with `MAX_PAGES` pages. With `PARTIAL` there is no
        bound: video, audio and files elsewhere are not in it.

        Args:
            model: The model that is called; None when it is not known.
            size: The size of the body in bytes.
            document: The body, so that text counts by what it says, and images and documents by what they are. Without
                it they count by their size, of which nothing is known: the bound is then for text and tools only.
        """
        row, frame = tables.row(model), tables.frame(model)
        if document is None:
            longer = tables.COMPOSED if row.composes else 1
            tokens = row.bound * longer * size + frame.base + frame.message + frame.forced_tools
            return Estimate(tokens=min(tokens, MAX_COUNT), method=Method.BOUND, confidence=Confidence.ROUGH, margin=100)
        content = read(document)
        written, read_as = _sizes(content.pieces, composes=row.composes)
        text = max(size - content.media, written) + max(read_as - written, 0)
        tokens = row.bound * text + frame.base + frame.message * content.messages + frame.image * len(content.images)
        tokens += max(frame.tools, frame.forced_tools) if content.tools else 0
        pages = MAX_PAGES * content.packed + content.text_pages + content.full_pages
        return Estimate(
            tokens=min(tokens + _FULL_PAGE * pages, MAX_COUNT),
            method=Method.BOUND,
            confidence=_confidence(content),
            margin=100,
        )

    def _count(self, row: tables.Row, text: str, chars: int) -> Estimate:
        """Estimate `text`, which stands for `chars` characters."""
        tokens = floor = size = 0
        exact = self._tokenizer is not None
        for piece, data, kinds in _pieces(text[:MAX_CHARS]):
            count = self._tokenizer.count(piece) if exact and self._tokenizer is not None else None
            if count is None:
                exact = False
                count = _without_tokenizer(data, kinds)
            tokens += row.base * count + sum(map(int.__mul__, row.classes, kinds))
            floor += count
            size += len(data)
        most = row.bound * size * (tables.COMPOSED if row.composes else 1)
        tokens = min(max(tokens // _WHOLE, floor // 4, 1 if size else 0), most)
        if chars > MAX_CHARS:
            tokens = tokens * chars // MAX_CHARS
        if not exact:
            margin = max(row.margin, tables.FALLBACK_MARGIN)
            return Estimate(tokens=tokens, method=Method.BYTES, confidence=Confidence.ROUGH, margin=margin)
        confidence = Confidence.CALIBRATED if row.calibrated else Confidence.ASSUMED
        return Estimate(tokens=tokens, method=Method.TOKENIZER, confidence=confidence, margin=row.margin)


def _pieces(text: str) -> Iterator[tuple[str, bytes, list[int]]]:
    """Cut a text; give each piece, its UTF-8, and how many bytes of each class it has."""
    for start in range(0, len(text), CHUNK):
        piece = text[start : start + CHUNK]
        try:
            data = piece.encode()
        except UnicodeEncodeError:  # half a surrogate pair, which is no character
            piece = piece.encode("utf-8", "replace").decode()
            data = piece.encode()
        classes = data.translate(tables.CLASS_OF_BYTE)
        kinds = 4 if len(data) == len(piece) else len(tables.CLASSES)  # ASCII has but the first four
        yield piece, data, [classes.count(kind) for kind in range(1, kinds + 1)]


def _sizes(pieces: Iterable[str], *, composes: bool) -> tuple[int, int]:
    """Give the bytes of texts as they stand, and the bytes that a tokenizer reads in their place."""
    written = read_as = 0
    for piece in pieces:
        length = len(piece.encode("utf-8", "replace"))
        written += length
        if composes and not piece.isascii():
            length = max(length, len(normalize("NFC", piece).encode("utf-8", "replace")))
        read_as += length
    return written, read_as


def _without_tokenizer(data: bytes, kinds: list[int]) -> int:
    weighed = sum(map(int.__mul__, tables.FALLBACK_CLASSES, kinds))
    weighed += tables.FALLBACK_WORD * len(data.split()) + tables.FALLBACK_LINE * data.count(_LINE)
    return max(weighed // _WHOLE, len(data) // _LONGEST_TOKEN)


def _tools(frame: tables.Frame, content: Content) -> int:
    if not content.tools:
        return 0
    return frame.forced_tools if content.forced else frame.tools


def _image(size: tuple[int, int] | None, frame: tables.Frame) -> int:
    """Count the tiles of 28 by 28 pixels that an image has after it was fitted to the longest side."""
    if size is None:
        return frame.image
    longest = max(size)
    if longest > frame.edge:
        size = (max(1, size[0] * frame.edge // longest), max(1, size[1] * frame.edge // longest))
    return min(-(-size[0] // _TILE) * -(-size[1] // _TILE), frame.image)


def _confidence(content: Content) -> Confidence:
    if content.unseen:
        return Confidence.PARTIAL
    rough = content.images or content.text_pages or content.full_pages or content.tools
    return Confidence.ROUGH if rough else Confidence.CALIBRATED
