"""``use_case("…")``: the use case of a block of code, over the client's own."""

import asyncio
import contextlib
import io
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest
from tests.functional.layer.clients import CLAUDE, HELLO, AwaitedSink, only, plain_client

import bedrock_meter
from bedrock_meter import Settings, use_case
from bedrock_meter.adapters.label import current_use_case
from meterctl.simulate import Simulator

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient


def test_a_block_names_the_use_case_of_its_calls(client: "BedrockRuntimeClient", sink: AwaitedSink) -> None:
    """Calls in a block count for the block's use case; before and after it, for the client's."""
    client.converse(modelId=CLAUDE, messages=HELLO)
    with use_case("summarizer"):
        client.converse(modelId=CLAUDE, messages=HELLO)
    client.converse(modelId=CLAUDE, messages=HELLO)

    assert [record.call.use_case for record in sink.records] == ["chatbot", "summarizer", "chatbot"]


def test_a_stream_counts_for_the_block_of_its_call(client: "BedrockRuntimeClient", sink: AwaitedSink) -> None:
    """A stream that is read after its block has ended counts for the block in which it was asked for."""
    with use_case("summarizer"):
        stream = client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]
    list(stream)

    assert only(sink).call.use_case == "summarizer"


def test_blocks_nest() -> None:
    """The innermost block counts, also when a name comes twice and when an inner block is left by an exception."""
    with use_case("outer"), use_case("middle"):
        with contextlib.suppress(ZeroDivisionError), use_case("outer"):
            assert current_use_case() == "outer"
            raise ZeroDivisionError
        assert current_use_case() == "middle"
    assert current_use_case() is None


def test_one_object_may_be_entered_again() -> None:
    """A use case that is kept in a variable can be entered any number of times, within itself too."""
    block = use_case("summarizer")
    with block, block:
        pass
    with block:
        assert current_use_case() == "summarizer"
    assert current_use_case() is None


def test_threads_do_not_see_each_other() -> None:
    """Two threads in blocks of their own at the same time each see their own; a new thread starts without."""
    barrier = threading.Barrier(2, timeout=20)
    seen: dict[str, tuple[str | None, str | None]] = {}

    def work(name: str) -> None:
        before = current_use_case()
        with use_case(name):
            barrier.wait()
            seen[name] = (before, current_use_case())
            barrier.wait()

    with use_case("main"):
        threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == {"one": (None, "one"), "two": (None, "two")}


def test_tasks_do_not_see_each_other() -> None:
    """Tasks that take turns each keep their own use case, hand it to a thread, and start with that of their maker."""

    async def work(name: str) -> list[str | None]:
        inherited = current_use_case()
        with use_case(name):
            await asyncio.sleep(0)
            return [inherited, current_use_case(), await asyncio.to_thread(current_use_case)]

    async def main() -> list[list[str | None]]:
        with use_case("main"):
            return [*await asyncio.gather(work("one"), work("two"))]

    assert asyncio.run(main()) == [["main", "one", "one"], ["main", "two", "two"]]


def test_functions_and_coroutines_are_decorated() -> None:
    """A decorated function or coroutine runs in the block, keeps its name, and takes and gives what it did."""

    @use_case("summarizer")
    def plain(value: int) -> tuple[int, str | None]:
        return value, current_use_case()

    @use_case("summarizer")
    async def coroutine(value: int) -> tuple[int, str | None]:
        await asyncio.sleep(0)
        return value, current_use_case()

    assert plain(1) == (1, "summarizer")
    assert asyncio.run(coroutine(2)) == (2, "summarizer")
    assert (plain.__name__, coroutine.__name__) == ("plain", "coroutine")
    assert current_use_case() is None


def test_generator_functions_are_refused() -> None:
    """A generator function cannot be decorated: between its steps, other code would run in the block."""

    def generator() -> Iterator[int]:
        yield 1

    async def asynchronous() -> AsyncIterator[int]:
        yield 1

    for function in (generator, asynchronous):
        decorate: Any = use_case("summarizer")
        with pytest.raises(TypeError, match="with block"):
            decorate(function)


def test_a_bad_name_is_refused() -> None:
    """A name that could not be a dimension is refused where it is given."""
    with pytest.raises(bedrock_meter.ConfigError, match="use_case"):
        use_case("two words")


def test_only_registered_use_cases_become_dimensions(simulator: Simulator) -> None:
    """A registered use case is a dimension; another is counted as ``other``, and its name is no new series."""
    settings = Settings(use_cases=frozenset({"summarizer"}))
    client = bedrock_meter.instrument(plain_client(simulator.url), use_case="chatbot", settings=settings)
    with redirect_stdout(io.StringIO()) as stdout:
        for name in ("summarizer", "made-up"):
            with use_case(name):
                client.converse(modelId=CLAUDE, messages=HELLO)

    assert [json.loads(line)["UseCase"] for line in stdout.getvalue().splitlines()] == ["summarizer", "other"]
