"""The tokenizer of the layer, built by the layer's own build: right counts, bad input, and what happens without it."""

import fcntl
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from tests.builders import Bench, a_call

from bedrock_meter.adapters.tokenizer import FAILED, MISSING, PACKAGE, SHA256, VOCABULARY, O200k, estimator
from bedrock_meter.domain import Ending, Operation
from bedrock_meter.estimate import CHUNK, Estimator, Method
from bedrock_meter.meter import Meter
from bedrock_meter.modelid import parse

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "layers" / "tokenizer" / "build.py"
LIBRARY = ROOT / "layers" / "bedrock_meter"
CLAUDE = parse("anthropic.claude-sonnet-4-5-20250929-v1:0")
MEGABYTES = 6


class Faults:
    """A fault log that keeps what it was told."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def report(self, code: str, error: BaseException | None = None) -> None:
        """Keep the code."""
        assert error is not None
        self.codes.append(code)


@pytest.fixture(scope="session")
def layer() -> Path:
    """Build the layer for this interpreter as `sam build` does, once: from pip's cache, else from the network."""
    tag = f"{sys.implementation.cache_tag}-{hashlib.sha256(BUILD.read_bytes()).hexdigest()[:12]}"
    target = ROOT / ".local" / "tokenizer" / tag
    target.parent.mkdir(parents=True, exist_ok=True)
    done = target / "bedrock_meter_tokenizer" / "built"
    with (target.parent / "lock").open("w") as lock:  # one of the test processes builds, the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            subprocess.run([sys.executable, str(BUILD), str(target), "--host"], check=True, timeout=60)
            done.touch()
    return target


@pytest.fixture(scope="session")
def build() -> ModuleType:
    """The layer's build script as a module."""
    spec = importlib.util.spec_from_file_location("tokenizer_build", BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def faults() -> Faults:
    """A fault log to look into."""
    return Faults()


@pytest.fixture
def o200k(layer: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> O200k:
    """The tokenizer as a function with the layer has it."""
    monkeypatch.syspath_prepend(str(layer))
    return O200k(faults.report)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("hello world", 2), ("a" * 9000, 1125), ("tiktoken is great!", 6), ("<|endoftext|>", 7)],
)
def test_counts_are_those_of_o200k(o200k: O200k, text: str, tokens: int) -> None:
    """Known texts have their known counts; the name of a special token is text like any other."""
    assert o200k.count(text) == tokens
    assert o200k.failures == 0


def test_it_is_loaded_when_it_is_first_asked(layer: Path) -> None:
    """A process that never asks for a count loads neither tiktoken nor its vocabulary; nothing ever needs requests."""
    code = (
        "import json, sys\n"
        "from bedrock_meter.adapters.tokenizer import O200k\n"
        "from bedrock_meter.adapters.faultlog import OnceLog\n"
        "sys.modules['requests'] = sys.modules['regex'] = None\n"
        "tokenizer = O200k(OnceLog().report)\n"
        "before = 'tiktoken' in sys.modules\n"
        "json.dump([before, tokenizer.count('hello world'), 'tiktoken' in sys.modules], sys.stdout)\n"
    )
    paths = os.pathsep.join((str(LIBRARY), str(layer)))
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": paths}, capture_output=True, check=True, text=True
    )
    assert json.loads(run.stdout) == [False, 2, True]
    assert run.stderr == ""


BAD_INPUT: dict[str, str | bytes] = {
    "one letter": "a" * MEGABYTES * 1_000_000,
    "blanks": " " * MEGABYTES * 1_000_000,
    "tabs": "\t" * MEGABYTES * 1_000_000,
    "emoji": "\U0001f600" * (MEGABYTES * 250_000),
    "no UTF-8": bytes(range(128, 256)) * (MEGABYTES * 7813),
    "half pairs": "\ud800" * (MEGABYTES * 333_000),
    "base64": "QmVkcm9jayBtZXRlciBjb3VudHM0+/" * (MEGABYTES * 33_333),
}


class Watched:
    """A tokenizer that keeps the length of each piece that it was given."""

    def __init__(self, tokenizer: O200k) -> None:
        self._tokenizer = tokenizer
        self.lengths: list[int] = []

    def count(self, text: str) -> int | None:
        """Count, and keep the length."""
        self.lengths.append(len(text))
        return self._tokenizer.count(text)


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_bounded(o200k: O200k, faults: Faults, name: str) -> None:
    """6 MB of anything is tokenized once, in pieces of a bounded size, and the tokenizer does not fail.

    A piece takes a bounded time (benchmarks/estimate_speed.py has figures), so that of the whole is linear.
    """
    bad = BAD_INPUT[name]
    watched = Watched(o200k)
    estimate = Estimator(watched).text(CLAUDE, bad)
    size = len(bad if isinstance(bad, str) else bad.decode(errors="replace"))
    assert max(watched.lengths) <= CHUNK
    assert sum(watched.lengths) == size
    assert len(watched.lengths) == -(-size // CHUNK)
    assert estimate.method is Method.TOKENIZER
    assert estimate.tokens > MEGABYTES * 1000
    assert faults.codes == []


def test_a_panic_is_no_end(o200k: O200k, faults: Faults) -> None:
    """The panic of a regular expression on a million blanks, which is no Exception, is a count that is missing."""
    assert o200k.count(" " * 3_000_000) is None
    assert faults.codes == [FAILED]
    assert o200k.failures == 1
    assert o200k.count("hello world") == 2


@pytest.mark.parametrize("order", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_order_to_stop_passes(
    o200k: O200k, faults: Faults, monkeypatch: pytest.MonkeyPatch, order: type[BaseException]
) -> None:
    """Only failures of the tokenizer are kept; an order to stop is not one."""

    def obey(_text: str) -> list[int]:
        raise order

    assert o200k.count("a") == 1
    monkeypatch.setattr(o200k, "_core", SimpleNamespace(encode_ordinary=obey))
    with pytest.raises(order):
        o200k.count("a")
    assert faults.codes == []


def test_an_estimator_takes_the_layer_that_is_there(
    layer: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the layer on the path estimates are made by the tokenizer, without it from bytes, and that is no fault."""
    assert estimator(faults.report).text(CLAUDE, "hello world").method is Method.BYTES
    monkeypatch.syspath_prepend(str(layer))
    assert estimator(faults.report).text(CLAUDE, "hello world").method is Method.TOKENIZER
    assert faults.codes == []


def test_the_vocabulary_is_loaded_once(o200k: O200k, faults: Faults) -> None:
    """Every client of a process has a meter of its own, and all share one vocabulary of some 60 MB."""
    other = O200k(faults.report)
    assert o200k.count("hello world") == other.count("hello world") == 2
    assert o200k._core is other._core  # noqa: SLF001 - there is no other way to see it


def test_a_damaged_layer_is_counted_on_a_record(layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The estimate is made from bytes, the record counts the fault, and a person is told once."""
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "__init__.py").touch()
    (package / VOCABULARY).write_bytes((layer / PACKAGE / VOCABULARY).read_bytes() + b"x")
    monkeypatch.syspath_prepend(str(tmp_path))
    bench = Bench()
    bench.meter = Meter(
        sink=bench.sink,
        clock=bench.clock,
        faults=bench.faults,
        estimator=estimator(lambda code, error: bench.meter.carry(code, error)),  # noqa: PLW0108 - not yet this meter
        estimate_sample=1,
    )
    counted = b'{"usage":{"inputTokens":9,"outputTokens":1}}'
    records = []
    for _ in range(2):
        session = bench.meter.open(a_call(operation=Operation.CONVERSE), body=b'{"messages":[{"content":"hi"}]}')
        session.head(200, {"content-type": "application/json"})
        session.feed(counted)
        records.append(session.close(Ending.COMPLETE))
    assert [record and record.faults for record in records] == [(MISSING,), ()]
    assert [record and record.forecast and record.forecast.method for record in records] == ["bytes", "bytes"]
    assert bench.faults.codes == [MISSING]


def test_without_the_layer(faults: Faults) -> None:
    """Without the layer every estimate is made from bytes; each is counted, and it is told once."""
    tokenizer = O200k(faults.report)
    estimates = [Estimator(tokenizer).text(CLAUDE, "hello world") for _ in range(3)]
    assert estimates == [Estimator().text(CLAUDE, "hello world")] * 3
    assert tokenizer.failures == 3
    assert faults.codes == [MISSING]


@pytest.mark.parametrize("content", [b"", b"IQ== 0\n", None])
def test_another_vocabulary_is_not_used(tmp_path: Path, faults: Faults, content: bytes | None) -> None:
    """A vocabulary that is missing, empty or another one is refused: the factors belong to one only."""
    path = tmp_path / VOCABULARY
    if content is not None:
        path.write_bytes(content)
    assert O200k(faults.report, path).count("hello") is None
    assert faults.codes == [MISSING]


def test_one_changed_byte_is_seen(layer: Path, tmp_path: Path, faults: Faults) -> None:
    """A damaged vocabulary is not used."""
    data = bytearray((layer / "bedrock_meter_tokenizer" / VOCABULARY).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / VOCABULARY).write_bytes(data)
    assert O200k(faults.report, tmp_path / VOCABULARY).count("hello") is None
    assert faults.codes == [MISSING]


def test_the_build_checks_the_vocabulary(build: ModuleType) -> None:
    """The build fails when the carrier holds other ranks, and checks what the library checks."""
    assert build.VOCABULARY_SHA256 == SHA256
    assert build.VOCABULARY == VOCABULARY
    table = b"\x01\x00\x00\x00" + b"\x02\x00ab" + b"\x07\x00\x00\x00"
    assert build.tokens_of(table) == [b"ab"]
    assert build.as_tiktoken([b"ab", b"\n"]) == b"YWI= 0\nCg== 1\n"
    with pytest.raises(build.BuildError, match="SHA-256"):
        build.checked(build.as_tiktoken([b"ab"]), build.ORIGINAL_SHA256)


def test_the_layer_serves_every_runtime(build: ModuleType) -> None:
    """What is downloaded is pinned by hash, for each runtime of the template on both architectures."""
    assert len(build.wheels_of_lambda()) == 6
    for name in ("tiktoken.lock", "vocabulary.lock"):
        lines = (BUILD.parent / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        assert [line for line in lines if "--hash=sha256:" not in line] == []
        assert "://" not in "".join(lines)
