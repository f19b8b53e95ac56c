"""The service's own command, with a store that hangs; `HANG` says how: `await` or `block`."""

import asyncio
import os
import time
from typing import NoReturn

from adapters.postgres.events.event_store import PostgresEventStore
from entrypoints.cli.main import main

_FOR_EVER = 1_000_000


async def hang_in_an_await(*_: object) -> NoReturn:
    """Wait for what never comes, as on a lock that nobody releases."""
    await asyncio.Event().wait()
    raise AssertionError


async def hang_in_the_loop(*_: object) -> NoReturn:
    """Keep the event loop from anything else, as code in C may."""
    time.sleep(_FOR_EVER)  # noqa: ASYNC251 - this is what it is for
    raise AssertionError


if __name__ == "__main__":
    hang = hang_in_the_loop if os.environ["HANG"] == "block" else hang_in_an_await
    setattr(PostgresEventStore, "add", hang)  # noqa: B010 - its type does not allow what is done here
    main()
