"""The time of an estimate, warm, and of loading the tokenizer, by CPU time.

Needs the tokenizer layer on the path: ``python layers/tokenizer/build.py .local/tokenizer/bench --host``, which this
program runs by itself where it is missing.
"""

import pydoc_data.topics
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Row, Target, clean_environment, interleaved, report

from bedrock_meter.adapters.faultlog import OnceLog
from bedrock_meter.adapters.tokenizer import O200k
from bedrock_meter.estimate import Estimator, Method
from bedrock_meter.modelid import parse

ROOT = Path(__file__).parents[1]
LAYER = ROOT / ".local" / "tokenizer" / "bench"
TEXT_MICROSECONDS = 60.0
LOAD_SECONDS = 0.3
LOADS = 11

_LOAD = """
import time
from bedrock_meter.adapters.faultlog import OnceLog
from bedrock_meter.adapters.tokenizer import O200k
tokenizer = O200k(OnceLog().report)
started = time.process_time()
assert tokenizer.count("hello world") == 2
print(time.process_time() - started)
"""


def main() -> None:
    """Check, measure, print."""
    if not (LAYER / "tiktoken").is_dir():
        subprocess.run([sys.executable, str(ROOT / "layers/tokenizer/build.py"), str(LAYER), "--host"], check=True)
    sys.path.append(str(LAYER))
    prose = "".join(pydoc_data.topics.topics.values())
    model = parse("anthropic.claude-sonnet-4-5-20250929-v1:0")
    o200k = O200k(OnceLog().report)
    with_tokenizer, without = Estimator(o200k), Estimator()
    body = {"messages": [{"role": "user", "content": [{"text": prose[:1024]}]}]}
    assert with_tokenizer.text(model, prose[:1024]).method is Method.TOKENIZER
    assert with_tokenizer.text(model, "hello world").tokens == 2  # noqa: PLR2004 - what Claude counts too
    times = interleaved(
        {
            "text": lambda: with_tokenizer.text(model, prose[:1024]),
            "request": lambda: with_tokenizer.request(model, body),
            "bound": lambda: with_tokenizer.upper_bound(model, 1100, body),
            "count": lambda: o200k.count(prose[:1024]),
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
            Row(name="tiktoken alone", samples=times["count"]),
            Row(name="text without a tokenizer", samples=times["bytes"]),
        ],
        [Target(name="text, median", value=statistics.median(times["text"]), limit=TEXT_MICROSECONDS, unit=" µs")],
    )
    library = str(ROOT / "layers" / "bedrock_meter")
    environment = clean_environment(PYTHONPATH=f"{library}:{LAYER}")
    loads = [
        float(subprocess.run([sys.executable, "-c", _LOAD], env=environment, check=True, capture_output=True).stdout)
        for _ in range(LOADS)
    ]
    report(
        "Loading the tokenizer",
        "s of CPU",
        [Row(name="first count in a process", samples=loads)],
        [Target(name="load, median", value=statistics.median(loads), limit=LOAD_SECONDS, unit=" s")],
    )


if __name__ == "__main__":
    main()
