"""Hears of news in the embedded log as soon as they are committed."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.sessions.transactions import reading
from domain.errors import Unavailable, WrongDeployment

_PAUSE_SECONDS = 1.0
_NO_CONNECTION = (Unavailable, WrongDeployment, asyncpg.InterfaceError, SQLAlchemyError)


async def listen(engine: AsyncEngine, topic: str, channels: Mapping[str, Callable[[], None]]) -> None:
    """Call the function of a channel for each notice about `topic`, until cancelled; keeps one connection for itself.

    A lost connection is made anew. What was missed meanwhile counts as heard: every function is called then. As there
    may be no connection for a while, whoever listens has to look by itself now and then as well.
    """

    def hear(_connection: object, _pid: int, channel: str, subject: object) -> None:
        if subject == topic:
            channels[channel]()

    while True:
        with suppress(*_NO_CONNECTION):
            async with reading(engine) as connection:
                try:
                    driver: Any = (await connection.get_raw_connection()).driver_connection
                    lost = asyncio.Event()
                    driver.add_termination_listener(lambda _connection, lost=lost: lost.set())
                    for channel, call in channels.items():
                        await driver.add_listener(channel, hear)
                        call()
                    await lost.wait()
                finally:
                    # Closed rather than given back: the pool's next user did not ask for notices.
                    await connection.invalidate()
        await asyncio.sleep(_PAUSE_SECONDS)
