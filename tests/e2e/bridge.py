"""Let containers reach a server that listens on this machine's loopback address, and nobody else.

The forward is bound to the address of Docker's bridge, to which only containers of this machine have a route; binding
the server itself to every address would open it to the network. Docker Desktop needs none of this: its containers reach
the loopback address of the host as ``host.docker.internal``.

``python -m tests.e2e.bridge 8787 8788`` forwards both ports until Ctrl-C, for `sam local` runs by hand.
"""

import argparse
import contextlib
import ipaddress
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

_CHUNK = 64 * 1024


def bridge_address() -> str:
    """Ask Docker for the address of this machine on its default bridge; containers know it as ``host-gateway``."""
    command = ["docker", "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"]
    networks = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    network = next(one for one in networks if ":" not in one["Subnet"])
    # The gateway is left out where Docker chose the subnet itself; it then takes the first address.
    return str(network.get("Gateway") or next(ipaddress.ip_network(network["Subnet"]).hosts()))


@contextlib.contextmanager
def forwarded_to_containers(port: int, *, outside: int = 0) -> Iterator[int]:
    """Forward a port of the bridge's address to 127.0.0.1.

    Args:
        port: The port on 127.0.0.1.
        outside: The port on the bridge's address; 0 takes a free one.

    Yields:
        The port on the bridge's address.
    """
    with socket.create_server((bridge_address(), outside)) as listener:
        threading.Thread(target=_accept, args=(listener, port), daemon=True).start()
        taken: int = listener.getsockname()[1]
        try:
            yield taken
        finally:
            # wakes the thread that waits in accept(), which a close alone does not
            listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def reachable(url: str) -> Iterator[str]:
    """Give the URL by which containers reach a server whose URL names a port of 127.0.0.1."""
    parts = urlsplit(url)
    assert parts.port is not None
    with forwarded_to_containers(parts.port) as port:
        yield parts._replace(netloc=f"host.docker.internal:{port}").geturl()


def _accept(listener: socket.socket, port: int) -> None:
    while True:
        try:
            outer, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_relay, args=(outer, port), daemon=True).start()


def _relay(outer: socket.socket, port: int) -> None:
    with outer, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as inner:
        answers = threading.Thread(target=_copy, args=(inner, outer), daemon=True)
        answers.start()
        _copy(outer, inner)
        answers.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def main() -> None:
    """Forward ports until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Let containers reach 127.0.0.1:PORT as host.docker.internal:PORT.")
    parser.add_argument("port", type=int, nargs="+")
    with contextlib.ExitStack() as stack:
        for port in parser.parse_args().port:
            stack.enter_context(forwarded_to_containers(port, outside=port))
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
