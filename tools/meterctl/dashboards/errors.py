"""What can go wrong with dashboards, each as one sentence for a person."""

from collections.abc import Sequence

from bedrock_meter import MeterError


class DashboardError(MeterError):
    """A dashboard or an alert rule would not work.

    Attributes:
        problems: A sentence for each, which names the dashboard and the panel, or the rule.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class GrafanaError(MeterError):
    """Grafana cannot be reached, or does not let us do what was asked."""
