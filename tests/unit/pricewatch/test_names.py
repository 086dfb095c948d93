"""Names of models in the Price List: exact ones only."""

from pathlib import Path

import pytest

from meterctl.prices import models
from pricewatch import book
from pricewatch.errors import PriceDataError
from pricewatch.names import Names, load

IDS = [
    "anthropic.claude-opus-4-7",
    "anthropic.claude-3-5-sonnet-20240620-v1:0",
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "mistral.mistral-large-2402-v1:0",
    "mistral.mistral-large-3-675b-instruct",
    "amazon.nova-pro-v1:0",
    "guardrail",
]
NAMES = Names(IDS, {"Claude 3.5 Sonnet v2": [IDS[2]], "Mistral Large": [IDS[3]], "A": IDS[:2]})


@pytest.mark.parametrize(
    ("names", "models_of"),
    [
        (("Claude Opus 4.7",), IDS[:1]),
        (("nova-pro",), IDS[5:6]),
        (("Nova Pro Latency Optimized",), IDS[5:6]),
        (("guardrail",), ["guardrail"]),
        (("claude 3.5 sonnet V2",), IDS[2:3]),
        (("Mistral Large",), IDS[3:4]),
        (("A",), IDS[:2]),
        (("who knows", "Nova Pro"), IDS[5:6]),
        # an id is what it says, in the book or not
        (("zai.glm-9",), ["zai.glm-9"]),
        (("amazon.nova-pro",), IDS[5:6]),
        (("meta.nova-pro",), ["meta.nova-pro"]),
        # one name of two models, and names that are only alike
        (("Claude 3.5 Sonnet",), []),
        (("Mistral Large 4",), []),
        (("Opus 4.7",), []),
        ((), []),
    ],
)
def test_names_are_exact(names: tuple[str, ...], models_of: list[str]) -> None:
    """A name stands for the models that the table or an id gives it, and for nothing that is merely like it."""
    assert list(NAMES.find(*names)) == models_of


def test_the_written_names_are_of_real_models() -> None:
    """Every id of the table is in the book or in the published list of models."""
    known = {row["model"] for row in book.verify(book.PATH.read_text(encoding="utf-8"))}
    known |= {model.id for model in models.load()} | {"anthropic.claude-v2"}
    assert {model for listed in load().values() for model in listed} <= known


@pytest.mark.parametrize("table", ['[names]\n"A" = []\n', '[names]\n"A b" = ["x"]\n"ab" = ["y"]\n'])
def test_a_name_without_a_model_or_with_two_entries_is_refused(tmp_path: Path, table: str) -> None:
    """The table is checked when it is read."""
    (tmp_path / "names.toml").write_text(table, encoding="utf-8")
    with pytest.raises(PriceDataError, match=r"names\.toml"):
        load(tmp_path / "names.toml")
