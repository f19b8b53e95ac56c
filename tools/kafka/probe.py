"""Readiness of brokers, asked in Kafka's own protocol, and free ports."""

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from random import SystemRandom
from typing import Final

_METADATA_V1: Final = struct.pack(">hhi h i", 3, 1, 0, -1, 0)  # correlation id 0, no client id, no topics
_TIMEOUT: Final = 5.0
# Below the ports that Linux, macOS and Windows give to outgoing connections: while a broker is down, a client that
# keeps dialling a port of that range can connect to itself, and the broker cannot take the port back.
_PORTS: Final = range(20_000, 32_000)
_BLOCK: Final = 25


def registered_brokers(port: int) -> set[int]:
    """The ids of the live brokers, as the broker at a port knows them; empty if it does not answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT) as connection:
            connection.sendall(struct.pack(">i", len(_METADATA_V1)) + _METADATA_V1)
            with connection.makefile("rb") as stream:
                (size,) = struct.unpack(">i", stream.read(4))
                return set(_broker_ids(stream.read(size)))
    except (OSError, struct.error):
        return set()


def _broker_ids(response: bytes) -> Iterator[int]:
    _correlation, count = struct.unpack_from(">ii", response)
    at = 8
    for _ in range(count):
        number, host_length = struct.unpack_from(">ih", response, at)
        at += 6 + host_length + 4
        (rack_length,) = struct.unpack_from(">h", response, at)
        at += 2 + max(0, rack_length)
        yield number


def accepts(port: int) -> bool:
    """Whether anything listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT).close()
    except OSError:
        return False
    return True


def is_free(port: int) -> bool:
    """Whether a server could listen on a port now."""
    with closing(socket.socket()) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Different free ports, each handed out once: no other process gets them while this one runs."""
    return list(islice(_free, count))


def _hand_out() -> Iterator[int]:
    blocks = SystemRandom().sample(_PORTS[::_BLOCK], len(_PORTS) // _BLOCK)
    for block in filter(_claim, blocks):
        yield from filter(is_free, range(block, block + _BLOCK))


def _claim(block: int) -> bool:
    """Reserve a block of ports for this process by binding its first number for UDP, which nothing else uses."""
    claim = socket.socket(type=socket.SOCK_DGRAM)
    try:
        claim.bind(("127.0.0.1", block))
    except OSError:
        claim.close()
        return False
    # The system closes it with the process.
    claim.detach()
    return True


_free: Final = _hand_out()
