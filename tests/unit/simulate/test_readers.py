"""The readers measure what each family's request says, and refuse what the family would refuse."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.simulate.asking import claude, converse

from meterctl.simulate.answer import RefusedError
from meterctl.simulate.families import FAMILIES
from meterctl.simulate.openai import read_responses
from meterctl.simulate.prompt import Prompt
from meterctl.simulate.readers import read_claude, read_converse, read_llama, read_nova, read_titan

CANARY = "canary-7f3a"
EPHEMERAL = {"type": "ephemeral"}
READERS = (read_claude, read_converse, *(family.read for family in FAMILIES), read_responses)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = (
    "messages system tools toolConfig inferenceConfig textGenerationConfig inputText prompt max_gen_len max_tokens "
    "anthropic_version role content text cache_control cachePoint ttl type maxTokens max_new_tokens maxTokenCount "
    "input instructions message query documents texts input_type taskType imageGenerationConfig numberOfImages "
    "inputPrompt mediaSource inputType inputImage singleEmbeddingParams max_output_tokens"
)
documents = st.recursive(
    json_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS.split()), inner, max_size=6),
    max_leaves=12,
)


def lifetimes(prompt: Prompt) -> list[str | None]:
    """Return the cache mark of each piece."""
    return [segment.lifetime for segment in prompt.segments]


def test_claude_reads_tools_system_and_messages_in_the_order_of_the_cache() -> None:
    """Every piece of a Claude request is measured; its marks stay with it."""
    prompt = read_claude(
        claude(
            max_tokens=7,
            tools=[{"name": "f", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            system=[{"type": "text", "text": "12345678", "cache_control": EPHEMERAL}],
            messages=[
                {"role": "user", "content": "1234"},
                {"role": "assistant", "content": [{"type": "text", "text": "12345"}]},
            ],
        )
    )
    assert [segment.size for segment in prompt.segments] == [len('{"name":"f"}'), 8, 4, 5]
    assert lifetimes(prompt) == ["1h", "5m", None, None]
    assert prompt.max_tokens == 7


def test_a_cache_point_marks_the_piece_before_it() -> None:
    """Converse's `cachePoint` is no piece of its own."""
    prompt = read_converse(
        converse({"text": "a"}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "b"})
        | {"system": [{"text": "s"}, {"cachePoint": {"type": "default"}}]}
    )
    assert lifetimes(prompt) == ["5m", "1h", None]


@pytest.mark.parametrize("name", ["maxTokens", "max_new_tokens"])
def test_nova_knows_two_names_of_the_limit(name: str) -> None:
    """Both spellings of Nova's limit are read."""
    assert read_nova(converse(inferenceConfig={name: 9})).max_tokens == 9


def test_titan_and_llama_have_one_piece() -> None:
    """The text families count their text in bytes, not in characters."""
    titan = read_titan({"inputText": "é" * 4, "textGenerationConfig": {"maxTokenCount": 3}})
    llama = read_llama({"prompt": "é" * 4, "max_gen_len": 3})
    assert titan.tokens == llama.tokens == 2
    assert titan.max_tokens == llama.max_tokens == 3


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"messages": [], "max_tokens": 1}, "anthropic_version"),
        (claude(max_tokens=0), "max_tokens"),
        (claude(max_tokens=True), "max_tokens"),
        (claude(max_tokens=None), "max_tokens"),
        (claude(messages=[]), "messages"),
        (claude(messages=[{"role": CANARY, "content": "x"}]), "messages.role"),
        (claude(system=[{"type": "text", "text": "x", "cache_control": {"ttl": CANARY}}]), "system.cache_control.ttl"),
        (claude(system=[CANARY]), "system"),
    ],
)
def test_a_refusal_names_the_place_and_not_the_content(document: dict[str, Any], place: str) -> None:
    """What is wrong with a Claude request is said without quoting it."""
    with pytest.raises(RefusedError) as caught:
        read_claude(document)
    assert caught.value.refusal.message.startswith(f"{place}:")
    assert CANARY not in caught.value.refusal.message


@given(document=st.dictionaries(st.sampled_from(MEMBERS.split()), documents, max_size=8))
def test_any_object_is_read_or_refused(document: dict[str, Any]) -> None:
    """No reader fails in any other way than by a refusal."""
    for reader in READERS:
        try:
            prompt = reader(document)
        except RefusedError as error:
            assert error.refusal.kind.status == 400  # noqa: PT017 - either outcome is right
        else:
            assert prompt.tokens >= 0


def test_lone_surrogates_are_measured() -> None:
    """JSON may carry half a surrogate pair, which strict UTF-8 cannot."""
    assert read_llama({"prompt": "\ud800"}).tokens == 1
