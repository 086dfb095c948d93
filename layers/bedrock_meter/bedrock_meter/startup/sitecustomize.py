"""Python imports a module of this name when it starts, before the program: here the metering is prepared.

It costs a program that never touches Bedrock nothing: bedrock_meter is imported only when botocore is. And it cleans up
behind itself: this folder leaves ``sys.path`` and ``PYTHONPATH``, so that the program and its child processes find both
as they were, and a ``sitecustomize`` that this one stands before (another layer's) is run as ever.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType

_HERE = Path(__file__).resolve().parent
_HOOK_LIST = "botocore.handlers"


class _UntilBotocore(MetaPathFinder):
    """Waits for the import of botocore's list of hooks, and adds to it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module as without this finder, and have the metering installed behind its code."""
        if fullname != _HOOK_LIST:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            self._follow(spec.loader)
        return spec

    def _follow(self, loader: Loader) -> None:
        run = loader.exec_module

        def run_and_install(module: ModuleType) -> None:
            run(module)
            # The loader of a zip file is one for all its modules.
            if module.__name__ == _HOOK_LIST:
                vars(loader).pop("exec_module", None)
                sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]
                _install()

        vars(loader)["exec_module"] = run_and_install


def _install() -> None:
    try:
        if find_spec("bedrock_meter") is None:
            sys.path.append(str(_HERE.parent.parent))
        from bedrock_meter.auto import install  # noqa: PLC0415 - not before botocore is imported

        install()
    except Exception as error:  # noqa: BLE001 - the program runs on, unmetered
        sys.stderr.write(f"bedrock-meter: calls are not metered ({type(error).__name__})\n")


def _is_here(entry: str) -> bool:
    return bool(entry) and Path(entry).resolve() == _HERE


def _clean_up() -> None:
    sys.path[:] = [entry for entry in sys.path if not _is_here(entry)]
    before = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if not _is_here(entry)]
    if any(before):
        os.environ["PYTHONPATH"] = os.pathsep.join(before)
    else:
        os.environ.pop("PYTHONPATH", None)


def _run_the_next() -> None:
    spec = PathFinder.find_spec("sitecustomize")
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


# Imported by its full name (by a test, or a tool that reads the package) it does nothing.
if __name__ == "sitecustomize":
    sys.meta_path.insert(0, _UntilBotocore())
    _clean_up()
    _run_the_next()
