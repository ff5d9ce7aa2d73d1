"""Free loopback ports."""

import random
import socket
from contextlib import ExitStack
from pathlib import Path

_LOWEST_PORT = 15_000


def _first_ephemeral_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32_768


def free_ports(count: int) -> list[int]:
    """`count` different TCP ports that nothing listens on, on 127.0.0.1.

    They lie below the ports that the kernel gives to outgoing connections. Otherwise a client that retries
    while its server is down would sooner or later get the server's own port, connect to itself, and keep the
    server from coming back.
    """
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            port = random.SystemRandom().randrange(_LOWEST_PORT, _first_ephemeral_port())
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
        return ports
