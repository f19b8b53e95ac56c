"""Limits on the clients of one port: timeouts, and the number of connections."""

import logging
import resource
from collections.abc import MutableSet
from dataclasses import dataclass
from typing import Protocol

import uvicorn

from entrypoints.http.headers import HeaderFields
from entrypoints.http.problems import HttpProblem, unavailable

MAX_REJECTED = 64
"""Connections over the limit that wait for their 503 at one time. Any more are reset without a response."""
_OTHER_DESCRIPTORS = 256
"""File descriptors reserved for PostgreSQL, brokers and files."""

logger = logging.getLogger(__name__)


class Connection(Protocol):
    """A connection as `ConnectionLimit` sees it."""

    opened_at: float

    @property
    def is_idle(self) -> bool:
        """Whether all its requests are answered."""

    def reset(self) -> None:
        """Reset the connection at once."""


class ConnectionLimit:
    """Allows `maximum` connections and rejects the newest beyond that.

    With `evicts_idle` it resets the oldest idle connection instead. Health checks need this: each opens a connection,
    and each must be answered even if other clients hold connections open.
    """

    def __init__(self, maximum: int, *, evicts_idle: bool = False) -> None:
        self._maximum = maximum
        self._evicts_idle = evicts_idle
        self._rejected: set[Connection] = set()
        """These stay open until the client has read its 503. They do not count towards `maximum`."""

    def admit(self, newest: Connection, connections: MutableSet[Connection]) -> HttpProblem | None:
        """Admit `newest`, which `connections` already contains; otherwise return the problem to reject it with."""
        if len(connections) - len(self._rejected) <= self._maximum:
            return None
        if self._evicts_idle:
            idle = [each for each in connections if each is not newest and each.is_idle]
            if idle:
                oldest = min(idle, key=lambda each: each.opened_at)
                connections.discard(oldest)
                oldest.reset()
                return None
        self._rejected.add(newest)
        if len(self._rejected) > MAX_REJECTED:
            newest.reset()
        return unavailable("There are too many connections.")

    def forget(self, connection: Connection) -> None:
        """Stop counting a connection that is closed."""
        self._rejected.discard(connection)


def affordable_connections(wanted: int) -> int:
    """Return `wanted`, or fewer if the limit of open files requires it; the reduction is logged."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    affordable = max(1, descriptors - _OTHER_DESCRIPTORS - MAX_REJECTED)
    if descriptors == resource.RLIM_INFINITY or wanted <= affordable:
        return wanted
    logger.warning(
        "MAX_CONNECTIONS reduced: the limit of open files is low",
        extra={"max_connections": affordable, "descriptors": descriptors},
    )
    return affordable


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the clients of one port. Times are in seconds."""

    connections: ConnectionLimit
    keep_alive: int
    """How long a connection stays open between requests."""
    content_idle: float
    """The longest pause between two pieces of a request's content."""
    content_total: float
    """The time limit for all of a request's content."""


class ServerConfig(uvicorn.Config):
    """uvicorn's settings, and those of `HardenedProtocol`."""

    limits: Limits
    keep_alive_headers: HeaderFields
    """Sent with every response after which the connection stays open."""
