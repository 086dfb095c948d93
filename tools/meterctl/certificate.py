"""A certificate for 127.0.0.1 that lives as long as one server: boto3 sends a bearer token over https only.

The authority is made anew each time and its key is never written, so that nobody has to trust it any longer than the
server runs. HTTP/1.1 alone is offered by ALPN: docs/clients.md says what HTTP/2 would lose.
"""

import ssl
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import trustme

ALPN = "http/1.1"


class LocalCertificate(AbstractContextManager["LocalCertificate"]):
    """Files that a server and its clients need for TLS on the loopback, while the ``with`` block runs.

    Attributes:
        authority: What clients have to trust: a PEM file for ``AWS_CA_BUNDLE``, ``SSL_CERT_FILE``, …
        chain: The server's key and certificate in one PEM file, which only its owner can read.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="meterctl-tls-")
        folder = Path(self._folder.name)
        self.authority = folder / "authority.pem"
        self.chain = folder / "server.pem"

    def __enter__(self) -> Self:
        """Make them."""
        authority = trustme.CA(organization_name="bedrock-meter, this machine only")
        authority.cert_pem.write_to_path(self.authority)
        self.chain.touch(mode=0o600)
        authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(self.chain)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete them."""
        self._folder.cleanup()

    def server_context(self) -> ssl.SSLContext:
        """Give what a server's socket is wrapped with."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.chain)
        context.set_alpn_protocols([ALPN])
        return context
