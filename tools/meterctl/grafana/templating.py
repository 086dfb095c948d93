"""Dashboard variables in texts, as Grafana's ``templateSrv`` replaces them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from meterctl.grafana.errors import TargetError, Trap

PERIOD_MACRO = "__period_auto"
ALL = "*"
"""What the custom all value of our variables stands for."""

_VARIABLE = re.compile(r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.[^:^}]+)?(?::([^}]+))?\}")

_FORMATS: Mapping[str, Callable[[Sequence[str]], str]] = {
    "csv": ",".join,
    "doublequote": lambda values: ",".join(f'"{value}"' for value in values),
    "json": lambda values: json.dumps(list(values)),
    "pipe": "|".join,
    "raw": ",".join,
    "singlequote": lambda values: ",".join(f"'{value}'" for value in values),
    "sqlstring": lambda values: ",".join("'" + value.replace("'", "''") + "'" for value in values),
    "text": " + ".join,
}
"""How ``${name:format}`` writes several values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A dashboard variable and what is chosen in it."""

    name: str
    """Without the dollar sign."""
    values: tuple[str, ...]
    """What is chosen. ``All`` is ``("*",)`` with the custom all value ``*``, else every option."""
    multi: bool = False
    """Whether several values may be chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Templating:
    """Replaces variables in the members of one target."""

    where: str
    """Which target, for messages."""
    variables: Mapping[str, Variable]
    """By name."""
    alert: bool = False
    """Whether the target belongs to an alert rule, which has no variables."""

    def text(self, text: str, member: str, *, macro: bool = False) -> str:
        """Replace the variables of a text that takes one value of each.

        Args:
            text: The text.
            member: Which member it is, for messages.
            macro: Whether ``$__period_auto`` may stand in it; it is left there.

        Raises:
            TargetError: If a variable is unknown, or has several values and no format says how to write them.
        """

        def replace(match: re.Match[str]) -> str:
            name, form = _parts(match)
            if name == PERIOD_MACRO and macro:
                return match[0]
            values = self._values(name, member)
            if form is not None:
                if form not in _FORMATS:
                    raise TargetError(self.where, Trap.UNSUPPORTED, f"the format {form!r} in {member}")
                return _FORMATS[form](values)
            if len(values) != 1 or ALL in values:
                raise TargetError(self.where, Trap.SEVERAL_VALUES, f"${name} in {member}")
            return values[0]

        return _VARIABLE.sub(replace, text)

    def single(self, text: str, member: str) -> str:
        """Replace the variables of a name. The plugin warns of variables that could have several values."""
        for match in _VARIABLE.finditer(text):
            name = _parts(match)[0]
            if name in self.variables and self.variables[name].multi:
                raise TargetError(self.where, Trap.SEVERAL_VALUES, f"${name} in {member}")
        return self.text(text, member)

    def values(self, text: str, member: str) -> list[str]:
        """Replace the variables of a dimension's value; a variable of several values gives several."""
        first = _VARIABLE.search(text)
        if first is None:
            return [text]
        name = _parts(first)[0]
        values = self._values(name, member)
        if not self.variables[name].multi:
            return [_VARIABLE.sub(lambda match: "|".join(self._values(_parts(match)[0], member)), text)]
        # The plugin joins the values with | and splits the text there.
        if first[0] != text or any("|" in value for value in values):
            raise TargetError(self.where, Trap.SPLIT_VALUE, f"{text!r} in {member}")
        return list(values)

    def mentions(self, text: str) -> bool:
        """Tell whether a text has a variable of the dashboard in it."""
        return any(_parts(match)[0] in self.variables for match in _VARIABLE.finditer(text))

    def _values(self, name: str, member: str) -> tuple[str, ...]:
        if name == PERIOD_MACRO:
            raise TargetError(self.where, Trap.PERIOD_MACRO, member)
        if self.alert:
            raise TargetError(self.where, Trap.ALERT_VARIABLE, f"${name} in {member}")
        if name not in self.variables:
            raise TargetError(self.where, Trap.UNKNOWN_VARIABLE, f"${name} in {member}")
        values = self.variables[name].values
        if not values or not all(values):
            raise TargetError(self.where, Trap.EMPTY_DIMENSION, f"nothing is chosen in ${name} for {member}")
        return values


def has_variable(text: str) -> bool:
    """Tell whether a text looks as if it had a variable in it."""
    return _VARIABLE.search(text) is not None


def _parts(match: re.Match[str]) -> tuple[str, str | None]:
    """Take a variable apart into its name and its format."""
    return match[1] or match[2] or match[4], match[3] or match[5]
