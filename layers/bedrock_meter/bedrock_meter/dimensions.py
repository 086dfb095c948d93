"""The governor of dimensions: which use case and model a record may show in its metrics, and what is only ``other``.

CloudWatch bills every distinct combination of dimension values by the month, so a value that anybody can make up must
never become one. The full names stay in the properties of the line, which cost nothing extra.
"""

import re
from collections.abc import Container

from bedrock_meter.domain import Record

OTHER = "other"
"""The dimension value of every use case and model that is not registered."""

MAX_WORKED_MODELS = 500
"""Without a register, so many models become dimensions at most; Bedrock has some 150, each under a few profile ids."""

"""What the name of a use case, a team or a key looks like."""

# What CloudWatch accepts as a dimension value, and short enough to read
# (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html).
_VALUE = re.compile(r"(?!:)[!-~]([ -~]{0,253}[!-~])?")

_FIRST_ERROR = 400
_MODEL_FAILED = frozenset({408, 424})
"""Errors of a model at work: Bedrock had found it."""


class Dimensions:
    """Decides about the two dimensions whose values come with the call.

    Args:
        use_cases: The registered use cases; it may be a view that changes.
        models: The registered model ids, each of which stands for its inference profiles too; None registers every
            model as soon as it has worked once.
    """

    def __init__(self, *, use_cases: Container[str], models: frozenset[str] | None) -> None:
        self._use_cases = use_cases
        self._models = None if models is None else frozenset(filter(_is_value, models))
        self._worked: set[str] = set()

    def use_case(self, record: Record) -> str:
        """Give the value of ``UseCase``."""
        name = record.call.use_case
        return name if name is not None and name in self._use_cases and _is_value(name) else OTHER

    def model(self, record: Record) -> str:
        """Give the value of ``ModelId``: the profile that was called, else the foundation model."""
        model = record.call.model
        if model is None:
            return OTHER
        if self._models is not None:
            known = model.id in self._models or (model.base in self._models and _is_value(model.id))
        else:
            known = model.base is not None and self._has_worked(model.id, record)
        return model.id if known else OTHER

    def _has_worked(self, model_id: str, record: Record) -> bool:
        """Tell whether a model of this id ever worked; a throttled call or an outage proves nothing."""
        if model_id in self._worked:
            return True
        status = record.outcome.bedrock_status
        worked = status is not None and (status < _FIRST_ERROR or status in _MODEL_FAILED)
        if not worked or len(self._worked) >= MAX_WORKED_MODELS or not _is_value(model_id):
            return False
        self._worked.add(model_id)
        return True


def _is_value(value: str) -> bool:
    return _VALUE.fullmatch(value) is not None
