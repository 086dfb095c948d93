"""What is known of each family's tokenizer, as numbers: factors, frames, tool prompts, image limits. Pure data.

The factors are in thousandths of a token, so that an estimate is whole numbers throughout. They come from ridge fits
against the tokenizers themselves; docs/estimates.md says which, and how far each can be trusted.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from bedrock_meter.domain import Family, ModelRef

CLASSES = ("digit", "upper", "lower", "mark", "latin", "cyrillic", "arabic", "indic", "kana", "han", "korean", "emoji")
"""The classes of bytes: four of ASCII, and eight of bytes that begin a character of UTF-8."""

# First and last byte of each class; what is in none (control characters, blanks, continuation bytes) counts nothing.
_RANGES = (
    *(
        (0x30, 0x39, 1),
        (0x41, 0x5A, 2),
        (0x61, 0x7A, 3),
        (0x21, 0x2F, 4),
        (0x3A, 0x40, 4),
        (0x5B, 0x60, 4),
        (0x7B, 0x7E, 4),
    ),
    *((0xC3, 0xCB, 5), (0xCD, 0xD4, 6), (0xD6, 0xDF, 7), (0xE0, 0xE0, 8), (0xE3, 0xE3, 9), (0xE4, 0xE9, 10)),
    *((0xEA, 0xED, 11), (0xF0, 0xF4, 12)),
)
CLASS_OF_BYTE = bytes(next((kind for low, high, kind in _RANGES if low <= byte <= high), 0) for byte in range(256))
"""For ``bytes.translate``: the class of each byte, from 1, or 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The tokenizer of a family."""

    base: int
    """Thousandths of a token for each token of o200k_base."""
    classes: tuple[int, ...] = ()
    """Thousandths of a token for each byte of a class, in the order of `CLASSES`; empty for none."""
    margin: int
    """Percent of the estimate that covers the real count of 95 texts of 100."""
    bound: int
    """The most tokens that a byte of text can become, once it is in the form that the tokenizer reads."""
    composes: bool = False
    """Whether the tokenizer composes characters first (Unicode's NFC), which makes some longer."""
    calibrated: bool = True
    """Whether the factors were fitted against a tokenizer of the family; otherwise they are an assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a request costs beside its content, in tokens."""

    base: int
    """Once for each request."""
    message: int
    """For each message."""
    tools: int
    """Once for a request with tools: the prompt that explains them, which the caller never sees."""
    forced_tools: int
    """The same where the request demands that a tool be used."""
    image: int = 1568
    """The most tokens of one image."""
    edge: int = 1568
    """The longest side of an image, in pixels, before it is made smaller."""


CLAUDE_OLD = Row(
    base=1015, classes=(-67, 270, 16, 241, 1506, 134, 451, 563, 110, 391, 640, 637), margin=118, bound=2, composes=True
)
CLAUDE_NEW = Row(
    base=956, classes=(-34, 555, 125, 428, 2574, 157, 478, 593, 148, 448, 677, 805), margin=118, bound=2, composes=True
)
LLAMA_3 = Row(base=1020, classes=(-5, 28, 1, -54, 1569, 47, 85, 257, -100, 24, 22, 463), margin=107, bound=1)
LLAMA_4 = Row(base=1007, classes=(-4, -7, -2, -8, -46, -36, 61, 13, -244, -141, -111, -47), margin=107, bound=1)
TEKKEN = Row(base=1003, classes=(488, 53, 3, 34, 100, 40, -21, 71, -102, 245, -30, 1329), margin=107, bound=1)
SENTENCEPIECE = Row(base=1228, classes=(304, -22, -8, 104, 1467, 77, 636, 797, 222, 156, 485, 931), margin=120, bound=1)
QWEN = Row(
    base=982, classes=(522, -1, 9, -24, 1532, 79, 85, 737, -91, -67, 115, -498), margin=107, bound=1, composes=True
)
DEEPSEEK = Row(base=983, classes=(-14, 87, 8, 65, 1316, 43, 80, 292, -71, -135, 94, -19), margin=110, bound=1)
GEMMA = Row(base=959, classes=(528, 38, 18, 80, -329, -1, 42, -46, -281, -75, -11, -266), margin=124, bound=1)
GPT_OSS = Row(base=1000, margin=105, bound=1)
GPT = Row(base=1000, margin=115, bound=2, composes=True, calibrated=False)
NEAR = Row(base=1050, margin=115, bound=2, composes=True, calibrated=False)
FAR = Row(base=1200, margin=130, bound=2, composes=True, calibrated=False)

# By the beginning of the foundation model id; the first that fits wins. Claude is told by its version, below.
_ROWS: tuple[tuple[str, Row], ...] = (
    ("meta.llama4", LLAMA_4),
    ("meta.llama2", SENTENCEPIECE),
    ("meta.llama", LLAMA_3),
    ("mistral.mistral-7b", SENTENCEPIECE),
    ("mistral.mixtral", SENTENCEPIECE),
    ("mistral.mistral-large-24", SENTENCEPIECE),
    ("mistral.mistral-small-24", SENTENCEPIECE),
    ("mistral.pixtral-large", SENTENCEPIECE),
    ("mistral.", TEKKEN),
    ("qwen.", QWEN),
    ("deepseek.", DEEPSEEK),
    ("google.gemma", GEMMA),
    ("openai.gpt-oss", GPT_OSS),
    ("openai.", GPT),
    ("amazon.nova", NEAR),
    ("moonshot", NEAR),
    ("zai.", NEAR),
    ("minimax.", NEAR),
    ("xai.", NEAR),
    ("nvidia.", NEAR),
)

# Thousandths of an o200k token where there is no tokenizer: per byte of each class, per word, per line.
FALLBACK_CLASSES = (801, 660, 153, 460, 57, 193, 282, 281, 696, 731, 578, 2138)
FALLBACK_WORD = 351
FALLBACK_LINE = 796
FALLBACK_MARGIN = 150

COMPOSED = 3
"""The most bytes of UTF-8 that NFC makes of one (https://unicode.org/faq/normalization.html)."""

_CLAUDE = re.compile(r"anthropic\.claude-[a-z]+-(\d{1,2})(?:-(\d{1,2}))?(?!\d)")
_CLAUDE_BEFORE_4 = re.compile(r"anthropic\.claude-(?:v|instant|\d)")

_NEW_TOKENIZER = (4, 7)
_SHORT_FRAME = (4, 8)

# The hidden prompt of Claude's tools, for `auto` and for `any` or a named tool
# (https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview); the first that the id contains wins.
_CLAUDE_TOOLS: tuple[tuple[str, int, int], ...] = (
    ("opus-5-5", 286, 406),
    ("opus-5", 286, 406),
    ("sonnet-5", 354, 474),
    ("opus-4-8", 290, 410),
    ("opus-4-7", 675, 804),
    ("opus-4-6", 497, 589),
    ("sonnet-4-6", 497, 589),
    ("opus-4-5", 496, 588),
    ("sonnet-4-5", 496, 588),
    ("haiku-4-5", 496, 588),
    ("opus-4", 313, 315),
    ("sonnet-4", 313, 315),
    ("3-5-haiku", 264, 355),
)
_CLAUDE_TOOLS_ELSE = (497, 589)
_FRAMES: tuple[tuple[str, Frame], ...] = (
    ("meta.llama", Frame(base=14, message=4, tools=193, forced_tools=193)),
    ("mistral.", Frame(base=2, message=1, tools=60, forced_tools=60)),
    ("qwen.", Frame(base=7, message=4, tools=138, forced_tools=138)),
    ("deepseek.", Frame(base=5, message=2, tools=143, forced_tools=143)),
    ("openai.gpt-oss", Frame(base=67, message=4, tools=150, forced_tools=150)),
    ("amazon.nova", Frame(base=0, message=2, tools=394, forced_tools=394)),
)
_ANY_FRAME = Frame(base=7, message=4, tools=200, forced_tools=200)


@lru_cache(maxsize=256)
def row(model: ModelRef | None) -> Row:
    """Find the tokenizer of a model; that of an opaque one is assumed by its family."""
    if model is None:
        return FAR
    if model.family is Family.CLAUDE:
        return CLAUDE_NEW if _claude_version(model) >= _NEW_TOKENIZER else CLAUDE_OLD
    base = model.base or ""
    return next((found for prefix, found in _ROWS if base.startswith(prefix)), FAR)


@lru_cache(maxsize=256)
def frame(model: ModelRef | None) -> Frame:
    """Find what a request costs beside its content."""
    base = (model.base or "") if model is not None else ""
    if model is None or model.family is not Family.CLAUDE:
        return next((found for prefix, found in _FRAMES if base.startswith(prefix)), _ANY_FRAME)
    version = _claude_version(model)
    tools = next(((auto, forced) for name, auto, forced in _CLAUDE_TOOLS if name in base), _CLAUDE_TOOLS_ELSE)
    first = 7 if version < _NEW_TOKENIZER else 11 if version < _SHORT_FRAME else 6
    fine = version >= _NEW_TOKENIZER
    return Frame(
        base=first - 3,
        message=3,
        tools=tools[0],
        forced_tools=tools[1],
        image=4784 if fine else 1568,
        edge=2576 if fine else 1568,
    )


def _claude_version(model: ModelRef) -> tuple[int, int]:
    """Give (major, minor). A name that says none is taken for a new one, whose counts are the higher ones."""
    base = model.base or ""
    if _CLAUDE_BEFORE_4.match(base):
        return (3, 0)
    found = _CLAUDE.match(base)
    return (int(found[1]), int(found[2] or 0)) if found else (99, 0)
