"""How many connections a port takes, below what the system lets the process have."""

import logging
import resource
from collections.abc import MutableSet
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import uvicorn

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.header_lines import CommonLines

MAX_REFUSED = 64
"""Connections beyond the limit that are told so at a time; more are cut off without a word."""
_OTHER_DESCRIPTORS = 256
"""Those for PostgreSQL, brokers and files."""

logger = logging.getLogger(__name__)


class Connection(Protocol):
    """As much of one as counts here."""

    opened_at: float

    @property
    def is_idle(self) -> bool:
        """Whether it has asked for nothing that is not answered."""

    def reset(self) -> None:
        """End it at once."""


class ConnectionLimit:
    """Takes at most `most` connections; beyond it the newest is refused.

    Where `evicts_idle` is set the oldest that asks for nothing makes room instead: for health checks, which open a
    connection each, and must be answered whoever holds others.
    """

    def __init__(self, most: int, *, evicts_idle: bool = False) -> None:
        self._most = most
        self._evicts_idle = evicts_idle
        self._refused: set[Connection] = set()
        """They stay a while, so that the client sees the answer, and take nobody's place."""

    def admit(self, newest: Connection, connections: MutableSet[Connection]) -> HttpProblem | None:
        """Make room for `newest`, which is among `connections` already, or say with what to refuse it."""
        if len(connections) - len(self._refused) <= self._most:
            return None
        if self._evicts_idle:
            idle = [each for each in connections if each is not newest and each.is_idle]
            if idle:
                oldest = min(idle, key=lambda each: each.opened_at)
                connections.discard(oldest)
                oldest.reset()
                return None
        self._refused.add(newest)
        if len(self._refused) > MAX_REFUSED:
            newest.reset()
        return HttpProblem(
            HTTPStatus.SERVICE_UNAVAILABLE, "There are too many connections.", headers=[(b"retry-after", b"5")]
        )

    def forget(self, connection: Connection) -> None:
        """Note that a connection is gone."""
        self._refused.discard(connection)


def affordable(wanted: int) -> int:
    """Return how many connections the limit of descriptors leaves room for, at most `wanted`."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY or wanted <= descriptors - _OTHER_DESCRIPTORS - MAX_REFUSED:
        return wanted
    most = max(1, descriptors - _OTHER_DESCRIPTORS - MAX_REFUSED)
    logger.warning(
        "fewer connections than MAX_CONNECTIONS: the limit of open files is low",
        extra={"max_connections": most, "descriptors": descriptors},
    )
    return most


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients of one port may take; times are in seconds."""

    connections: ConnectionLimit
    keep_alive: int
    """How long a connection is kept between requests."""
    silence: float
    """How long nothing may come of a request's content."""
    content: float
    """By when all of it has come."""


class ServerConfig(uvicorn.Config):
    """uvicorn's settings, and what its connections have to know beside them."""

    limits: Limits
    common: CommonLines
    announcement: bytes
    """The lines that say for how long a connection is kept."""
