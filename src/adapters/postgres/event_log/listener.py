"""Hears of news in the embedded log as soon as they are committed."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import Unavailable, WrongDeployment

_PAUSE_SECONDS = 1.0
_NO_CONNECTION = (
    *(Unavailable, WrongDeployment, OSError, TimeoutError, SQLAlchemyError),
    *(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
)


async def listen(engine: AsyncEngine, topic: str, channels: Mapping[str, Callable[[], None]]) -> None:
    """Call the function of a channel for each notice about `topic`, until cancelled; keeps one connection for itself.

    A lost connection is made anew. What was missed meanwhile counts as heard: every function is called then. As there
    may be no connection for a while, whoever listens has to look by itself now and then as well.
    """

    def hear(_connection: object, _pid: int, channel: str, subject: object) -> None:
        if subject == topic:
            channels[channel]()

    while True:
        try:
            await _listen_once(engine, channels, hear)
        except _NO_CONNECTION:
            await asyncio.sleep(_PAUSE_SECONDS)


async def _listen_once(
    engine: AsyncEngine, channels: Mapping[str, Callable[[], None]], hear: Callable[[object, int, str, object], None]
) -> None:
    """Listen until the connection is lost."""
    lost = asyncio.Event()
    async with engine.connect() as connection:
        try:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            driver.add_termination_listener(lambda _connection: lost.set())
            for channel, call in channels.items():
                await driver.add_listener(channel, hear)
                call()
            await lost.wait()
        finally:
            # Closed rather than given back: the pool's next user did not ask for notices.
            await connection.invalidate()
