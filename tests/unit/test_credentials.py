"""Where the credentials for signing come from."""

from pathlib import Path

import pytest

from awshttp.credentials import provider
from bedrock_meter.errors import GatewayFault

# botocore looks for credentials in all of these places; a test must not find the developer's own.
ELSEWHERE = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Close every place where botocore looks; gives the path of its empty credentials file."""
    for name in ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    path = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    return path


@pytest.mark.parametrize(("token", "expected"), [("session", "session"), ("", None), (None, None)])
def test_the_environments_credentials_come_first(token: str | None, expected: str | None) -> None:
    """A key pair in the environment is used as it stands; an empty token is none."""
    environ = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
    if token is not None:
        environ["AWS_SESSION_TOKEN"] = token
    found = provider(environ)()
    assert (found.access_key, found.secret_key, found.token) == ("AKIDEXAMPLE", "secret", expected)


@pytest.mark.parametrize(
    "environ",
    [{}, {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE"}, {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": ""}],
)
def test_half_a_key_pair_is_none(nowhere: Path, environ: dict[str, str]) -> None:
    """Without a whole pair botocore's chain is asked."""
    nowhere.write_text("[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = file-secret\n")
    found = provider(environ)()
    assert (found.access_key, found.secret_key, found.token) == ("AKIDFILE", "file-secret", None)


@pytest.mark.usefixtures("nowhere")
def test_no_credentials_anywhere() -> None:
    """The fault comes with the call and says what to do; making the provider does not fail."""
    current = provider({})
    with pytest.raises(GatewayFault, match="no AWS credentials") as refused:
        current()
    assert refused.value.http_status == 500
