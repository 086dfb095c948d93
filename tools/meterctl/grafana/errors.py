"""What is wrong with a panel's target or a variable's query."""

from enum import StrEnum

from bedrock_meter import MeterError


class Trap(StrEnum):
    """The ways in which Grafana's CloudWatch plugin fails; most of them silently, with an empty panel."""

    SKIPPED = "the plugin skips the target without a word"
    NO_STATISTIC = "the backend fails: every target needs a statistic, expressions too"
    EMPTY_DIMENSION = "the backend fails: unknown type as dimension value"
    ARRAY_VARIABLE = "variables in a list are not replaced: write the dimension as a string"
    SPLIT_VALUE = "a variable of several values must be the whole text of a dimension"
    SEVERAL_VALUES = "a variable of several values, or All, has no meaning there"
    UNKNOWN_VARIABLE = "the variable does not exist, so its name is sent as it is"
    LABEL_VARIABLE = "variables in a label are not replaced: use ${PROP('Dim.NAME')}"
    PERIOD_MACRO = "$__period_auto is replaced in Search and Code only"
    MATCH_EXACT = "matchExact is missing: the editor and the backend take it differently"
    BAD_ID = "an id begins with a lowercase letter, has letters, digits and _ only, and is there once"
    BAD_PERIOD = "a period is empty, auto, seconds in quotes or an interval such as 5m that CloudWatch has"
    UNESCAPED = "the plugin escapes quotes alone, and CloudWatch wants a backslash before \\\\ ( and ) too"
    TOO_LONG = "a search has at most 1024 characters: use the variable's custom all value *"
    LEGACY = "an outdated member: write statistic and label"
    TWO_INSIGHTS = "CloudWatch takes one Metrics Insights query in a request"
    NO_SCHEMA = "without SCHEMA every dimension set is added up, so the same calls count several times"
    BAD_EXPRESSION = "the expression is not valid"
    UNKNOWN_ROW = "the expression names a row that is not in the same request"
    ALERT_VARIABLE = "an alert rule has no variables"
    ALERT_MATH = "an alert rule's query cannot use other rows: use a Grafana expression"
    UNSUPPORTED = "the compiler does not know it"


class TargetError(MeterError):
    """A target or a variable that would not do what it says.

    Attributes:
        where: The ``refId`` of the target, or the name of the variable's query.
        trap: What it falls into.
    """

    def __init__(self, where: str, trap: Trap, detail: str) -> None:
        super().__init__(f"{where}: {detail}: {trap}")
        self.where = where
        self.trap = trap
