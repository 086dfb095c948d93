"""The time of an estimate, warm, and of loading the tokenizer, by CPU time.

The baselines are what tiktoken itself does: its own pattern of o200k_base, and its own text file of the vocabulary.

Needs the tokenizer layer on the path: ``python layers/tokenizer/build.py .local/tokenizer/bench --host``, which this
program runs by itself where it is missing.
"""

import importlib
import marshal
import pydoc_data.topics
import statistics
import subprocess
import sys
import tempfile
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, Target, clean_environment, interleaved, report

from bedrock_meter.adapters.faultlog import OnceLog
from bedrock_meter.adapters.tokenizer import _WORDS, PACKAGE, VOCABULARY, O200k
from bedrock_meter.estimate import Estimator, Method
from bedrock_meter.modelid import parse

ROOT = Path(__file__).parents[1]
LAYER = ROOT / ".local" / "tokenizer" / "bench"
TEXT_MICROSECONDS = 60.0
LOAD_SECONDS = 0.3
LOADS = 11

_LOAD = """
import sys, time
from bedrock_meter.adapters.faultlog import OnceLog
from bedrock_meter.adapters.tokenizer import O200k
started = time.process_time()
if len(sys.argv) > 1:
    from binascii import a2b_base64
    from bedrock_meter.adapters.tokenizer import _PATTERN
    tokens = open(sys.argv[1], "rb").read().split()[::2]
    ranks = dict(zip(map(a2b_base64, tokens), range(len(tokens))))
    from tiktoken._tiktoken import CoreBPE
    assert len(CoreBPE(ranks, {}, _PATTERN).encode_ordinary("hello world")) == 2
else:
    assert O200k(OnceLog().report).count("hello world") == 2
print(time.process_time() - started)
"""


def as_published(tokens: Sequence[bytes]) -> Callable[[str], int]:
    """Make a counter with the pattern as tiktoken has it: one alternation, without a group."""
    core: Any = importlib.import_module("tiktoken._tiktoken").CoreBPE(
        dict(zip(tokens, range(len(tokens)), strict=True)), {}, rf"{_WORDS}|\s+(?!\S)|\s+"
    )
    return lambda text: len(core.encode_ordinary(text))


def main() -> None:
    """Check, measure, print."""
    if not (LAYER / PACKAGE / VOCABULARY).is_file():
        subprocess.run([sys.executable, str(ROOT / "layers/tokenizer/build.py"), str(LAYER), "--host"], check=True)
    sys.path.append(str(LAYER))
    prose = "".join(pydoc_data.topics.topics.values())
    model = parse("anthropic.claude-sonnet-4-5-20250929-v1:0")
    o200k = O200k(OnceLog().report)
    tokens = marshal.loads((LAYER / PACKAGE / VOCABULARY).read_bytes())  # noqa: S302 - the layer that was just built
    published = as_published(tokens)
    with_tokenizer, without = Estimator(o200k), Estimator()
    body = {"messages": [{"role": "user", "content": [{"text": prose[:1024]}]}]}
    assert with_tokenizer.text(model, prose[:1024]).method is Method.TOKENIZER
    assert with_tokenizer.text(model, "hello world").tokens == 2  # noqa: PLR2004 - what Claude counts too
    assert o200k.count(prose[:100_000]) == published(prose[:100_000])
    times = interleaved(
        {
            "text": lambda: with_tokenizer.text(model, prose[:1024]),
            "request": lambda: with_tokenizer.request(model, body),
            "bound": lambda: with_tokenizer.upper_bound(model, 1100, body),
            "count": lambda: o200k.count(prose[:1024]),
            "published": lambda: published(prose[:1024]),
            "bytes": lambda: without.text(model, prose[:1024]),
        },
        batches=100,
        calls=200,
        warm_up=500,
    )
    report(
        "An estimate of 1 KB of English",
        "µs of CPU",
        [
            Row(name="text", samples=times["text"]),
            Row(name="Converse body", samples=times["request"]),
            Row(name="upper bound of the body", samples=times["bound"]),
            Row(name="its count of o200k_base", samples=times["count"]),
            Row(name="tiktoken with its own pattern", samples=times["published"]),
            Row(name="text without a tokenizer", samples=times["bytes"]),
        ],
        [Target(name="text, median", value=statistics.median(times["text"]), limit=TEXT_MICROSECONDS, unit=" µs")],
    )
    library = str(ROOT / "layers" / "bedrock_meter")
    environment = clean_environment(PYTHONPATH=f"{library}:{LAYER}")
    loads: dict[str, list[float]] = {"ours": [], "text": []}
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "o200k_base.tiktoken"
        text.write_bytes(b"".join(b"%s %d\n" % (b2a_base64(each, newline=False), at) for at, each in enumerate(tokens)))
        for _ in range(LOADS):
            for name, arguments in (("ours", []), ("text", [str(text)])):
                command = [sys.executable, "-c", _LOAD, *arguments]
                run = subprocess.run(command, env=environment, check=True, capture_output=True)
                loads[name].append(float(run.stdout))
    report(
        "Loading the tokenizer",
        "s of CPU",
        [
            Row(name="first count in a process", samples=loads["ours"]),
            Row(name="from tiktoken's text file", samples=loads["text"]),
        ],
        [Target(name="load, median", value=statistics.median(loads["ours"]), limit=LOAD_SECONDS, unit=" s")],
    )


if __name__ == "__main__":
    main()
