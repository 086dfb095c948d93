"""The tokenizer of the tokenizer layer: ``O200k(faults).count(text) -> int | None``.

Nothing is fetched, ever: tiktoken's own loader, which would, is not used. The vocabulary is a file of the layer; it is
read when the first count is asked for, and checked by its SHA-256. Whatever goes wrong, the answer is None, and the
estimate is made from bytes.
"""

import binascii
import hashlib
import importlib
import importlib.util
import threading
from pathlib import Path
from typing import Any

from bedrock_meter.ports import FaultLog

PACKAGE = "bedrock_meter_tokenizer"
VOCABULARY = "o200k_base.tiktoken"
SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

MISSING = "tokenizer_missing"
FAILED = "tokenizer_failed"

_CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
# How o200k_base cuts text into words; it belongs to the vocabulary.
_PATTERN = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTION}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTION}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


class O200k:
    """Counts tokens of o200k_base; a `Tokenizer` of `bedrock_meter.estimate`. Safe to share between threads.

    Args:
        faults: Where a vocabulary that is missing or wrong, or a failing tokenizer, is told of.
        vocabulary: The file; None for that of the layer.
    """

    def __init__(self, faults: FaultLog, vocabulary: Path | None = None) -> None:
        self._faults = faults
        self._vocabulary = vocabulary
        self._lock = threading.Lock()
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
            self._failed(FAILED, error)
            return None

    def _load(self) -> Any:
        with self._lock:
            if not self._tried:
                try:
                    self._core = _core(self._vocabulary or _installed())
                except BaseException as error:
                    if not _is_ours(error):
                        raise
                    self._faults.report(MISSING, error)
                self._tried = True
            return self._core

    def _failed(self, code: str, error: BaseException) -> None:
        self.failures += 1
        self._faults.report(code, error)


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


def _core(vocabulary: Path) -> Any:
    """Make the tokenizer from a file of lines ``base64 rank``.

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
    tokens = data.split()[::2]  # its ranks are 0, 1, 2, …
    ranks = dict(zip(map(binascii.a2b_base64, tokens), range(len(tokens)), strict=True))
    core = importlib.import_module("tiktoken._tiktoken")
    return core.CoreBPE(ranks, {}, _PATTERN)
