"""Fit the factors of estimates anew, on texts that `estimate_accuracy` does not measure with; prints the rows.

Runs where `estimate_accuracy` does: ``make estimates-fit``. A fit starts from the row that the first fit gave (285
samples of texts from Debian packages, November 2026) and moves away from it as far as new texts ask for it: least
squares of the relative error, with a penalty on the distance. Whether a row gets better is judged on the training
texts alone, six times with a sixth of the texts left out. The texts of `estimate_accuracy` are looked at afterwards.
"""

import ast
import base64
import json
import random
import statistics
import sysconfig
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.estimate_accuracy import catalogue, package, samples, source, tokenizers

from bedrock_meter.adapters.faultlog import OnceLog
from bedrock_meter.adapters.tokenizer import O200k
from bedrock_meter.estimate.tables import CLASS_OF_BYTE, CLASSES

LENGTHS = (4000, 800)
PENALTY = 0.003
FOLDS = 6

# No language of the group that `estimate_accuracy` calls unseen is here; of the nine that it shares, these are other
# parts of Django's catalogues.
_SHARED = ("de", "fr", "es")
_MORE = ("it", "nl", "sv", "cs", "da", "fi", "hu", "ro", "id", "ca", "sk", "hr", "nb", "lt", "gl", "eu")
_SHARED_SCRIPTS = ("zh_Hans", "ja", "ko", "ar", "ru", "hi")
_MORE_SCRIPTS = ("bg", "sr", "fa", "ur", "bn", "mr", "ka", "mk", "be", "kk", "zh_Hant", "kn", "te")

# What the first fit gave: thousandths for o200k_base, then for each class.
FIRST: Mapping[str, tuple[int, ...]] = {
    "Claude 3 to 4.6": (1116, -122, 284, -14, 87, 2362, 126, 401, 458, -30, 326, 604, 730),
    "Claude 4.7 and later": (1056, -97, 569, 95, 321, 3488, 139, 425, 477, 14, 378, 641, 939),
    "Llama 3": (1020, -5, 28, 1, -54, 1569, 47, 85, 257, -100, 24, 22, 463),
    "Llama 4": (1007, -4, -7, -2, -8, -46, -36, 61, 13, -244, -141, -111, -47),
    "Mistral tekken": (1003, 488, 53, 3, 34, 100, 40, -21, 71, -102, 245, -30, 1329),
    "Mistral SentencePiece": (1373, 180, -112, -52, -39, 2078, 82, 593, 741, 96, 95, 454, 896),
    "Qwen3": (982, 522, -1, 9, -24, 1532, 79, 85, 737, -91, -67, 115, -498),
    "DeepSeek V3": (983, -14, 87, 8, 65, 1316, 43, 80, 292, -71, -135, 94, -19),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A piece of text."""

    text: str
    """Which text it is of."""
    latin: bool
    """Whether that is Latin text or code."""
    features: tuple[int, ...]
    """Tokens of o200k_base, then bytes of each class."""
    real: Mapping[str, int]
    """Real tokens by family."""


def docstrings(folder: Path, *, limit: int = 400_000) -> str:
    """Join the longer docstrings of a package: English as people write it about code."""
    found: list[str] = []
    for path in sorted(folder.glob("**/*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        documented = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
        texts = (ast.get_docstring(node) for node in nodes if isinstance(node, documented))
        found += [text for text in texts if text and len(text) > 200]  # noqa: PLR2004 - a sentence or two say little
        if sum(map(len, found)) > limit:
            break
    return "\n\n".join(found)


def synthetic() -> dict[str, str]:
    """Make machine text of other kinds than `estimate_accuracy` has."""
    dice = random.Random(7)  # noqa: S311 - the same texts on each run
    cells = [f"{dice.random() * 10 ** dice.randint(0, 6):.{dice.randint(0, 4)}f}" for _ in range(9000)]
    web = (
        f"[{dice.randint(1, 28):02d}/Mar/2026:{dice.randint(0, 23):02d}:11:52 +0000] "
        f'"GET /api/v{dice.randint(1, 3)}/items/{dice.randint(1, 99999)} HTTP/1.1" '
        f"{dice.choice([200, 404, 500])} {dice.randint(100, 99999)}"
        for _ in range(1500)
    )
    events = (
        json.dumps({"ts": 1_700_000_000 + dice.randint(0, 10**8), "id": str(dice.getrandbits(48)), "ms": dice.random()})
        for _ in range(900)
    )
    faces = [*map(chr, range(0x1F600, 0x1F64F)), *map(chr, range(0x1F300, 0x1F320)), " ", "hello ", "lol ", "❤️"]
    return {
        "web log": "\n".join(web),
        "JSON lines": "\n".join(events),
        "numbers": "\n".join("\t".join(cells[at : at + 6]) for at in range(0, len(cells), 6)),
        "faces": "".join(dice.choices(faces, k=40_000)),
        "ids": "\n".join(f"{dice.getrandbits(32):08x}-{dice.getrandbits(64):016x}" for _ in range(2500)),
        "base64 of URLs": base64.urlsafe_b64encode(dice.randbytes(60_000)).decode(),
        "capital hex": "\n".join(dice.randbytes(32).hex().upper() for _ in range(700)),
    }


def latin() -> dict[str, str]:
    """Give the training texts in Latin letters, and code, by name."""
    standard, litellm, django = Path(sysconfig.get_path("stdlib")), package("litellm"), package("django")
    proxy = litellm / "proxy"
    texts = {
        "docstrings of Python": "".join(docstrings(standard / name) for name in ("asyncio", "email", "unittest")),
        "docstrings of Django": docstrings(django / "db"),
        "docstrings of litellm": docstrings(litellm / "llms"),
        "Markdown": source(litellm, "**/*.md"),
        "Python": source(standard, "[n-z]*.py"),
        "Python of Django": source(django / "db", "**/*.py"),
        "Python of litellm": source(proxy, "*.py"),
        "Python of IDLE": source(standard / "idlelib", "*.py"),
        "CSS": source(proxy / "swagger", "*.css"),
        "packed CSS": source(proxy / "_experimental", "**/*.css"),
        "packed JavaScript": source(proxy / "_experimental", "**/*.js"),
        "packed HTML": source(proxy / "_experimental", "**/index.html"),
        "HTML": (standard / "idlelib" / "help.html").read_text(encoding="utf-8"),
        "JSON of OpenAPI": source(proxy, "_lazy_openapi_snapshot.json")[:400_000],
        "JSON of policies": source(litellm, "policy_templates_backup.json"),
        "JSON of providers": source(litellm, "provider_endpoints_support_backup.json"),
        "JSON of forms": source(proxy / "public_endpoints", "provider_create_fields.json"),
        "YAML": source(litellm, "**/*.yaml"),
    }
    if (linux := Path("/usr/include/linux")).is_dir():  # on most machines; without it C is an unseen kind of text
        texts |= {"C of Linux": source(linux, "[a-m]*.h"), "C of libraries": source(linux.parent, "*.h")}
    texts |= {language: catalogue(language, "contrib") for language in _SHARED}
    return texts | {language: catalogue(language, ".") for language in _MORE}


def other() -> dict[str, str]:
    """Give the training texts in other scripts, and machine text, by name."""
    texts = {language: catalogue(language, "contrib") for language in _SHARED_SCRIPTS}
    return texts | {language: catalogue(language, ".") for language in _MORE_SCRIPTS} | synthetic()


def collect() -> list[Sample]:
    """Count every sample by every tokenizer."""
    o200k, real = O200k(OnceLog().report), {name: count for name, (_, count) in tokenizers().items() if name in FIRST}
    found, of_latin = [], latin()
    for name, text in (of_latin | other()).items():
        for piece in (each for length in LENGTHS for each in samples(text, length)):
            classes = piece.encode().translate(CLASS_OF_BYTE)
            count = o200k.count(piece)
            assert count is not None, "the tokenizer layer is not on the path"
            features = (count, *(classes.count(kind) for kind in range(1, len(CLASSES) + 1)))
            counts = {family: each(piece) for family, each in real.items()}
            found.append(Sample(text=name, latin=name in of_latin, features=features, real=counts))
    return found


def solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve a small system of linear equations by elimination."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for at in range(size):
        pivot = max(range(at, size), key=lambda row: abs(rows[row][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        for row in range(size):
            if row != at and rows[row][at]:
                factor = rows[row][at] / rows[at][at]
                rows[row] = [value - factor * other for value, other in zip(rows[row], rows[at], strict=True)]
    return [rows[at][size] / rows[at][at] for at in range(size)]


def fit(training: Sequence[Sample], family: str) -> tuple[int, ...]:
    """Move the first row of a family towards the samples; every text has the same weight."""
    first = FIRST[family]
    size, sizes = len(first), Counter(each.text for each in training)
    matrix, right = [[0.0] * size for _ in range(size)], [0.0] * size
    for each in training:
        shares = [value / each.real[family] for value in each.features]
        missing = 1 - sum(map(float.__mul__, shares, (value / 1000 for value in first)))
        for row, share in enumerate(shares):
            weighted = share / sizes[each.text]
            right[row] += weighted * missing
            matrix[row] = [value + weighted * other for value, other in zip(matrix[row], shares, strict=True)]
    for row in range(size):
        matrix[row][row] += PENALTY * len(sizes)
    return tuple(round(value + 1000 * change) for value, change in zip(first, solve(matrix, right), strict=True))


def errors(row: Sequence[int], tested: Sequence[Sample], family: str) -> list[float]:
    """Give the absolute errors in percent."""
    estimates = (sum(map(int.__mul__, row, each.features)) / 1000 for each in tested)
    return [abs(100 * (tokens / each.real[family] - 1)) for tokens, each in zip(estimates, tested, strict=True)]


def main() -> None:
    """Fit every family, print."""
    collected = collect()
    texts = sorted({each.text for each in collected})
    titles = [
        f"{group}, {row}" for group in ("Latin and code", "other") for row in ("first row", "left out of the fit")
    ]
    print(f"Absolute error in percent: median / p90\n\n| family | {' | '.join(titles)} | fitted to all |")
    print(f"|---|{'---|' * (len(titles) + 1)}")
    for family, first in FIRST.items():
        left_out: dict[bool, list[float]] = {True: [], False: []}
        for fold in range(FOLDS):
            tested = set(texts[fold::FOLDS])
            row = fit([each for each in collected if each.text not in tested], family)
            for group, errors_of_group in left_out.items():
                pieces = [each for each in collected if each.text in tested and each.latin is group]
                errors_of_group.extend(errors(row, pieces, family))
        cells = [
            f"{statistics.median(found):.1f} / {statistics.quantiles(found, n=10)[-1]:.1f}"
            for group, fitted in left_out.items()
            for found in (errors(first, [each for each in collected if each.latin is group], family), fitted)
        ]
        print(f"| {family} | {' | '.join(cells)} | {fit(collected, family)} |", flush=True)


if __name__ == "__main__":
    main()
