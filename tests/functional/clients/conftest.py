"""Each client runs once in a test run, however many workers share its cases."""

import fcntl
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from tests.functional.clients.running import Session, require_sdks, run_client

type Client = Callable[[str], Session]


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Client:
    """Give the session of a client by its name; the first test that wants it runs it."""
    require_sdks()
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    @cache
    def session(name: str) -> Session:
        folder = _folder(shared, name)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "tried").exists():
                (folder / "tried").touch()
                run_client(name, folder)
                (folder / "done").touch()
        if not (folder / "done").exists():
            pytest.fail(f"The client {name} could not be run; the first test that wanted it says why.", pytrace=False)
        return Session.load(folder)

    return session


def _folder(shared: Path, name: str) -> Path:
    folder = shared / f"client-{name}"
    folder.mkdir(exist_ok=True)
    return folder
