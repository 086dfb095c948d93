"""Which model of a price book a name of the AWS Price List stands for.

The list has no attribute for a model's id. Some usage types carry it; for the rest there are exact names: those of
``names.toml``, and those that follow from the ids of the book itself. Nothing is matched by likeness, for "Mistral
Large" is not "Mistral Large 3".
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from bedrock_meter.charge import GUARDRAIL
from bedrock_meter.modelid import PROVIDERS
from pricewatch.errors import PriceDataError

TABLE = Path(__file__).with_name("names.toml")

_VERSION = re.compile(r"(-\d{8})?(-v\d+)?(:\d+)*$")
_ID = re.compile(r"[a-z0-9]+\.[a-z0-9][a-z0-9._:-]*")
_PUNCTUATION = re.compile(r"[^a-z0-9]")
_LATENCY = re.compile(r"[ -]latency[ -]optimized$", re.IGNORECASE)


class Names:
    """Finds models by the names that the list has for them.

    Args:
        ids: The model ids of the book.
        written: Further names, by how they are written; see `load`.
    """

    def __init__(self, ids: Iterable[str], written: Mapping[str, Iterable[str]]) -> None:
        self._ids = frozenset(ids)
        found: dict[str, set[str]] = {}
        for model in self._ids:
            found.setdefault(_bare(model), set()).add(model)
        self._follow = {name: tuple(models) for name, models in found.items() if len(models) == 1}
        self._written = {_key(name): tuple(models) for name, models in written.items()}

    def find(self, *names: str) -> tuple[str, ...]:
        """Give the models that the first name with an answer stands for; none when no name has one.

        Args:
            names: What the usage type and the attributes call the model, in the order in which they are believed.
        """
        for name in names:
            if name == GUARDRAIL or name in self._ids:
                return (name,)
            if _is_id(name):
                return (self._known(name),)
            key = _key(_LATENCY.sub("", name))
            models = self._written.get(key) or self._follow.get(key)
            if models:
                return models
        return ()

    def _known(self, model: str) -> str:
        """Give an id as the book has it; some usage types leave the version out. One that it has not stays as it is."""
        known = self._follow.get(_bare(model), ("",))[0]
        return known if known.partition(".")[0] == model.partition(".")[0] else model


def load(path: Path = TABLE) -> Mapping[str, tuple[str, ...]]:
    """Read the table of names.

    Raises:
        PriceDataError: An entry has no models, or two names come to the same.
    """
    written = {name: tuple(models) for name, models in tomllib.loads(path.read_text("utf-8"))["names"].items()}
    if not all(written.values()) or len({_key(name) for name in written}) != len(written):
        raise PriceDataError(f"{path.name}: an entry has no model, or a name stands there twice")
    return written


def _bare(model: str) -> str:
    """Give the key of the name that follows from an id."""
    return _key(_VERSION.sub("", model.partition(".")[2]))


def _key(name: str) -> str:
    return _PUNCTUATION.sub("", name.lower())


def _is_id(name: str) -> bool:
    return _ID.fullmatch(name) is not None and name.partition(".")[0] in PROVIDERS
