"""The address of a cluster: which are some, and whether a Ray answers there.

In: text.  Out: an address with its port, or a refusal within seconds.
Not here: joining it (start.py).
"""

from __future__ import annotations

import socket

from liftune.errors import SpecError

#: Of `ray start --head`, and of a Ray client's server.
_PORT, _CLIENT_PORT = 6379, 10001
#: Seconds in which an address must answer.
_REACH = 5.0
#: What a server of HTTP/2, which gRPC is, is greeted with, and the place and value of the kind of its first frame.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4


def parse_address(text: str) -> str:
    """`auto`, or an address with its port.

    Raises:
        SpecError: it is neither.

    >>> parse_address("ray://head"), parse_address("10.0.0.1:6379")
    ('ray://head:10001', '10.0.0.1:6379')
    """
    text = text.strip()
    if text == "auto":
        return text
    scheme, client, rest = text.rpartition("ray://")
    host, colon, port = rest.rpartition(":")
    if client and not colon:
        host, port = rest, str(_CLIENT_PORT)
    good = not scheme and host.strip("[]") and not set("/@? ") & set(rest) and port.isascii() and port.isdigit()
    if not good or not 0 < int(port) < 2**16:
        raise SpecError(
            f"{text!r} is no address of a Ray cluster",
            where="--cluster",
            hint=f"give auto, ray://HOST (port {_CLIENT_PORT}), or HOST:PORT as `ray start --head` prints it, such as "
            f"10.0.0.1:{_PORT}",
        )
    return f"{client}{host}:{port}"


def reach(address: str) -> None:
    """Refuse an address where no Ray answers: Ray itself would try for two minutes."""
    fault = fault_at(address)
    if fault is not None:
        raise SpecError(
            f"no Ray answers at {address}: {fault}",
            where="--cluster",
            hint="start one there with `ray start --head`, or give --cluster auto, which starts one on this machine",
        )


def fault_at(address: str) -> str | None:
    """Why no server of gRPC is there; None where one is."""
    host, port = host_and_port(address)
    try:
        with socket.create_connection((host, port), timeout=_REACH) as link:
            link.sendall(_GREETING)
            answer = link.recv(9)
    except OSError as error:
        return error.strerror or str(error)
    return None if len(answer) > 3 and answer[3] == _SETTINGS else "what is there speaks another language"


def host_and_port(address: str) -> tuple[str, int]:
    """Of an address that is one."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    return host.strip("[]"), int(port)
