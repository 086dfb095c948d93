"""Meter every ``bedrock-runtime`` client of a process, with no line of it changed.

``python -m bedrock_meter.auto script.py args…`` (or ``-m module args…``) runs a program so. In a Lambda function
``AWS_LAMBDA_EXEC_WRAPPER=/opt/bedrock-meter`` does it, by the layer's `bedrock_meter.startup.sitecustomize`.

botocore has a hook for the making of a client class, and a list of the hooks with which every session starts. One entry
more in that list reaches the sessions that are made later, whoever makes them.

The use case is ``BEDROCK_METER_USE_CASE``. Nothing here stops the program: a setting that is missing or wrong is logged
once, and the calls are counted as ``other``.
"""

import logging
import os
import runpy
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bedrock_meter.adapters.client import instrument, is_asynchronous
from bedrock_meter.adapters.registryview import registered
from bedrock_meter.adapters.sharedtable import shared_table
from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.config import USE_CASE, Settings
from bedrock_meter.dimensions import OTHER
from bedrock_meter.errors import ConfigError

_EVENT = "creating-client-class.bedrock-runtime"
_USAGE = "usage: python -m bedrock_meter.auto (script.py | -m module) [argument ...]"
_BAD_USAGE = 2

_logger = logging.getLogger("bedrock_meter")


def install() -> None:
    """Meter the clients of every botocore session that is made from now on. A second time does nothing.

    Raises:
        ImportError: There is no botocore.
    """
    from botocore import handlers  # noqa: PLC0415 - importing the library must not import botocore

    entry = (_EVENT, _add_metering)
    if entry not in handlers.BUILTIN_HANDLERS:
        handlers.BUILTIN_HANDLERS.append(entry)


def _add_metering(base_classes: list[type], **_: Any) -> None:
    """Put `_MeteredFromBirth` before the bases of the client class that botocore is about to make."""
    base_classes.insert(0, _MeteredFromBirth)


class _MeteredFromBirth:
    """Instruments a client as soon as it is made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        try:
            _meter(self)
        except Exception as error:  # noqa: BLE001 - the program gets its client whatever happens here
            _log_once("a client is not metered: %s", type(error).__name__)


def _meter(client: Any) -> None:
    if is_asynchronous(client):
        _log_once("asynchronous clients (aiobotocore, aioboto3) are not metered")
        return
    settings, sink = _wiring(client.meta.region_name)
    instrument(client, use_case=settings.use_case or OTHER, settings=settings, sink=sink)


@cache
def _wiring(region: str | None) -> tuple[Settings, StreamSink]:
    """Read the settings and make the sink that all clients of the process share, if they are of one Region."""
    try:
        settings = Settings.from_env(os.environ)
    except ConfigError as error:
        _log_once("%s; every setting takes its default and calls are counted as %r", error, OTHER)
        settings = Settings()
    else:
        if settings.use_case is None:
            _log_once("%s is not set; calls without a use_case block are counted as %r", USE_CASE, OTHER)
    table = shared_table(settings, region)
    return settings, StreamSink.for_settings(
        settings, use_cases=registered(settings.use_cases, None if table is None else table.view)
    )


@cache
def _log_once(message: str, *arguments: object) -> None:
    _logger.warning(f"bedrock-meter: {message}", *arguments)  # noqa: G004 - the message is one of the literals above


def main(arguments: Sequence[str]) -> int:
    """Run a program as ``python`` would, with its clients metered.

    Returns:
        2 when no program is named; a program that ends by itself gives 0 or leaves by `SystemExit`.
    """
    by_module = arguments[:1] == ["-m"]
    program = arguments[1:] if by_module else arguments
    if not program or program[0].startswith("-"):
        sys.stderr.write(_USAGE + "\n")
        return _BAD_USAGE
    try:
        install()
    except ImportError:
        _log_once("there is no botocore here, so there is nothing to meter")
    sys.argv[:] = program
    if by_module:
        runpy.run_module(program[0], run_name="__main__", alter_sys=True)
        return 0
    if not Path(program[0]).exists():
        sys.stderr.write(f"bedrock_meter.auto: there is no file {program[0]!r}\n")
        return _BAD_USAGE
    if not sys.flags.safe_path:
        # `python -m` put the working directory first; a script expects its own.
        sys.path[0] = str(Path(program[0]).resolve().parent)
    runpy.run_path(program[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
