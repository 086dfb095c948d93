"""The tokenizer of the tokenizer layer: ``O200k(failed).count(text) -> int | None``, and ``estimator(failed)``.

Nothing is fetched, ever: tiktoken's own loader, which would, is not used. The vocabulary is a file of the layer; it is
read when the first count is asked for, once for the process, and checked by its SHA-256. Whatever goes wrong, the
answer is None, and the estimate is made from bytes.
"""

import hashlib
import importlib
import importlib.util
import marshal
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from bedrock_meter.estimate import Estimator

PACKAGE = "bedrock_meter_tokenizer"
VOCABULARY = "o200k_base.tokens"
SHA256 = "c8cd7e7486eede6ff48e15d6a03148669592b67a7c472a0314e85c5e116a26d1"
"""The tokens in the order of their ranks, as layers/tokenizer/build.py writes them."""

MISSING = "tokenizer_missing"
FAILED = "tokenizer_failed"

_loading = threading.Lock()

_CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
# How o200k_base cuts text into words; it belongs to the vocabulary. The group changes nothing but the time, a fifth of
# it: what looks ahead needs a backtracking engine, which hands the group to the fast one in one piece.
_WORDS = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTION}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTION}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
    )
)
_PATTERN = rf"(?:{_WORDS})|\s+(?!\S)|\s+"


def estimator(failed: Callable[[str, BaseException], None]) -> Estimator:
    """Make an estimator, with the tokenizer where its layer is there. Nothing is loaded before the first estimate.

    Args:
        failed: Is told of a tokenizer that is there and cannot be used, by fault code and error.
    """
    return Estimator(None if importlib.util.find_spec(PACKAGE) is None else O200k(failed))


class O200k:
    """Counts tokens of o200k_base; a `Tokenizer` of `bedrock_meter.estimate`. Safe to share between threads.

    Args:
        failed: Is told of a vocabulary that is missing or wrong, once, and of each failure of the tokenizer.
        vocabulary: The file; None for that of the layer.
    """

    def __init__(self, failed: Callable[[str, BaseException], None], vocabulary: Path | None = None) -> None:
        self._failed = failed
        self._vocabulary = vocabulary
        self._core: Any = None
        self._tried = False
        self.failures = 0
        """How many counts could not be given."""

    def count(self, text: str) -> int | None:
        """Give the number of tokens, or None. The text must be no longer than some 10^5 characters: see `estimate`."""
        core = self._core or self._load()
        if core is None:
            self.failures += 1
            return None
        try:
            return len(core.encode_ordinary(text))
        except BaseException as error:
            if not _is_ours(error):
                raise
            self.failures += 1
            self._failed(FAILED, error)
            return None

    def _load(self) -> Any:
        with _loading:
            if not self._tried:
                try:
                    self._core = _core(self._vocabulary or _installed())
                except BaseException as error:
                    if not _is_ours(error):
                        raise
                    self._failed(MISSING, error)
                self._tried = True
            return self._core


def _is_ours(error: BaseException) -> bool:
    """Tell a failure of the tokenizer from an order to stop: a panic of its Rust code is no `Exception`."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _installed() -> Path:
    """Find the file that the layer put beside the library.

    Raises:
        FileNotFoundError: The layer is not there.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(PACKAGE)
    return Path(spec.origin).parent / VOCABULARY


@cache
def _core(vocabulary: Path) -> Any:
    """Make the tokenizer from its file, one for all meters of the process: it takes some 60 MB.

    tiktoken's public class would keep a second copy of the ranks, 30 MB; its core is what the layer pins by hash.

    Raises:
        OSError: There is no such file.
        ImportError: There is no tiktoken for this interpreter.
        ValueError: It is not the vocabulary that the estimates are calibrated with.
    """
    data = vocabulary.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        message = f"{VOCABULARY} is not the one that is expected"
        raise ValueError(message)
    tokens = marshal.loads(data)  # noqa: S302 - it is known to the last bit; text takes three times as long to read
    ranks = dict(zip(tokens, range(len(tokens)), strict=True))
    core = importlib.import_module("tiktoken._tiktoken")
    return core.CoreBPE(ranks, {}, _PATTERN)
