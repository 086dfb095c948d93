"""The use case of a block of code: ``with use_case("summarizer"): …``.

It lives in a context variable, so every thread and every asyncio task has its own. A task inherits the one under which
it was made, and so does `asyncio.to_thread`; a plain thread or a pool's worker starts without.
"""

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, Self, cast

from bedrock_meter.settingvalues import check_use_case

# The blocks that are open around the running code, the innermost last. A tuple, and no token to reset by, so that a
# block may be left in another context than it was entered in, as an abandoned async generator does.
_open: ContextVar[tuple[str, ...]] = ContextVar("bedrock_meter_use_case", default=())


class use_case:  # noqa: N801 - it is used like a function
    """Count the calls of a block, or of a decorated function, for a use case, whatever the client's own is.

    Blocks may be nested; the innermost counts. A name that is not registered (``BEDROCK_METER_USE_CASES``) is kept on
    the record and counted as ``other``. What counts is where a call is made, not where its stream is read.

    Args:
        name: The use case.

    Raises:
        ConfigError: It cannot be the name of a use case.
    """

    def __init__(self, name: str) -> None:
        check_use_case(name, setting="use_case")
        self._name = name

    def __enter__(self) -> Self:
        _open.set((*_open.get(), self._name))
        return self

    def __exit__(self, *_: object) -> None:
        blocks = list(_open.get())
        for position in range(len(blocks) - 1, -1, -1):
            if blocks[position] == self._name:
                del blocks[position]
                break
        _open.set(tuple(blocks))

    def __call__[F: Callable[..., Any]](self, function: F) -> F:
        """Decorate a function or coroutine function.

        Raises:
            TypeError: It is a generator function: between its steps the use case would be that of other code.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("use_case cannot decorate a generator function; put the call to Bedrock in a with block")
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def labelled_coroutine(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return cast("F", labelled_coroutine)

        @wraps(function)
        def labelled(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return cast("F", labelled)


def current_use_case() -> str | None:
    """Give the use case of the innermost block around the running code; None outside of any."""
    blocks = _open.get()
    return blocks[-1] if blocks else None
