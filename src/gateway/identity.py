"""Who calls, and for which use case: ``identify(headers, settings) -> tags``.

In this version the use case is the deployment's own setting. A header may choose among the registered ones only where
the deployment allows it: a free header could charge anybody's calls to anybody.
"""

from collections.abc import Mapping

from bedrock_meter.config import Settings
from bedrock_meter.errors import AccessDenied

USE_CASE_HEADER = "x-bedrock-meter-use-case"


def identify(headers: Mapping[str, str], settings: Settings) -> Mapping[str, str]:
    """Find the tags of a call.

    Args:
        headers: The request headers with lower-case names.
        settings: The deployment's settings.

    Raises:
        AccessDenied: No use case is set, or the caller may not choose this one.
    """
    chosen = headers.get(USE_CASE_HEADER)
    if chosen is None:
        if settings.use_case is None:
            raise AccessDenied(f"The call names no use case and the gateway has no default. {_advice(settings)}")
        return {"use_case": settings.use_case}
    if not settings.use_case_header:
        raise AccessDenied(f"This gateway does not take the use case from the header {USE_CASE_HEADER}; leave it out.")
    if chosen not in settings.use_cases:
        raise AccessDenied(f"The use case in the header {USE_CASE_HEADER} is not registered. {_advice(settings)}")
    return {"use_case": chosen}


def _advice(settings: Settings) -> str:
    if not settings.use_case_header:
        return "Ask the owner of the gateway to set one."
    return f"Send {USE_CASE_HEADER} with one of: {', '.join(sorted(settings.use_cases)) or '(none is registered)'}."
