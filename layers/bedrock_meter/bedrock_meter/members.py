"""Members of a JSON object, written out; the encoder of the json module takes longer to set up than to write them."""

from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as _quote

_NOTHING = frozenset({"0.000", "-0.000"})


def texts(properties: Mapping[str, str | None]) -> str:
    """Encode text members, each with a comma before it; None stands for none."""
    return "".join([f',"{name}":{_quote(value)}' for name, value in properties.items() if value is not None])


def numbers(properties: Mapping[str, float | str | None]) -> str:
    """Encode the same of numbers, some written out already; what Python prints for a finite one is its JSON."""
    return "".join([f',"{name}":{value}' for name, value in properties.items() if value is not None])


def fixed(value: float | None) -> str | None:
    """Write a measured value with three decimals; None for what is unknown or rounds to nothing."""
    # The shortest exact text of a float takes three times as long to find.
    text = None if value is None else f"{value:.3f}"
    return None if text in _NOTHING else text
