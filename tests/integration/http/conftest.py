"""Fixtures for tests of the HTTP server."""

import asyncio

import pytest

from entrypoints.http.server.hardened_protocol import HardenedProtocol


@pytest.fixture
def protocols(monkeypatch: pytest.MonkeyPatch) -> list[HardenedProtocol]:
    """The server's connections, in the order in which they were made."""
    made: list[HardenedProtocol] = []
    connect = HardenedProtocol.connection_made

    def connection_made(self: HardenedProtocol, transport: asyncio.Transport) -> None:
        made.append(self)
        connect(self, transport)

    monkeypatch.setattr(HardenedProtocol, "connection_made", connection_made)
    return made
