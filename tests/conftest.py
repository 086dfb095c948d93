"""What holds for every test: no AWS account, profile, metadata service or proxy of this machine is ever looked at."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Properties are about answers; how long an example takes on a busy machine says nothing.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


@pytest.fixture(autouse=True)
def no_aws_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Take every AWS setting and every proxy out of the environment."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "BEDROCK_METER_")) or name.lower() in {"http_proxy", "https_proxy", "all_proxy"}:
            monkeypatch.delenv(name)
    nowhere = _nowhere(tmp_path_factory)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(nowhere / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def _nowhere(factory: pytest.TempPathFactory) -> Path:
    return factory.getbasetemp() / "no-such-directory"
