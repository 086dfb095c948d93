"""What a limit cannot be."""

from decimal import Decimal
from typing import Any

import pytest
from tests.builders import a_limit

from bedrock_meter.limits import Unit


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"amount": Decimal(-1)}, "above 0"),
        ({"amount": Decimal(0)}, "above 0"),
        ({"amount": Decimal("NaN")}, "above 0"),
        ({"amount": Decimal("sNaN")}, "above 0"),
        ({"amount": Decimal("Infinity")}, "above 0"),
        ({"amount": Decimal("1e19")}, "38 digits"),
        ({"amount": Decimal("0.1234567890123")}, "38 digits"),
        ({"amount": Decimal("1e-40")}, "38 digits"),
        ({"amount": Decimal("1.5"), "unit": Unit.TOKENS}, "whole number"),
        ({"amount": Decimal("0.5"), "unit": Unit.REQUESTS}, "whole number"),
        ({"id": ""}, "id has to match"),
        ({"id": "a b"}, "id has to match"),
        ({"id": "x" * 129}, "id has to match"),
        ({"id": "LIMIT#x"}, "id has to match"),
        ({"pattern": ""}, "printable"),
        ({"pattern": "x" * 257}, "printable"),
        ({"pattern": "a\nb"}, "printable"),
    ],
)
def test_a_limit_that_cannot_hold(changes: dict[str, Any], says: str) -> None:
    """A limit that could never refuse, or always would, is refused itself, with what is wrong."""
    with pytest.raises(ValueError, match=says):
        a_limit(**changes)


@pytest.mark.parametrize("amount", ["0.00000000001", "1e18", "999999999999999999.999999999999"])
def test_how_small_or_large_a_limit_may_be(amount: str) -> None:
    """From a billionth of a cent to more than anybody has, the number is kept as it is."""
    assert a_limit(amount).amount == Decimal(amount)
