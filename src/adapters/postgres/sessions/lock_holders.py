"""Who keeps a session waiting for a lock: named, so that a person can end what was forgotten."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.schema.tables import metadata
from adapters.postgres.sessions.errors import LOCK_NOT_AVAILABLE, LockTimeout, sqlstate, translated
from application import stopping

logger = logging.getLogger(__name__)

_LOOKS = 10
"""How often within the limit for locks it is looked who is waited for."""
_BLOCKING = "SELECT unnest(pg_blocking_pids($1))"
_HOLDING_KEY = """
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND (classid::bigint << 32) | objid::bigint = $1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# After the wait, which leaves nothing to say whom it was for.
_HOLDING_OURS = """
SELECT pid FROM pg_locks LEFT JOIN pg_stat_activity AS activity USING (pid)
WHERE granted AND mode <> 'AccessShareLock' AND pid IS DISTINCT FROM pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (locktype = 'advisory' OR relation = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS name))
  AND coalesce(xact_start, '-infinity') < clock_timestamp() - interval '1 s'
"""
# Of other roles' sessions only pid, user and application are visible, unless one may read all statistics.
_NAMES = """
SELECT CASE WHEN holder.pid = 0 THEN 'a prepared transaction (see pg_prepared_xacts)' ELSE format(
    'pid %s (%s)', holder.pid, concat_ws(
        ', ', 'application ' || coalesce(nullif(application_name, ''), 'unnamed'), 'user ' || usename,
        'from ' || host(client_addr), state || ' since ' || to_char(
            coalesce(xact_start, state_change, backend_start) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"+0000"'
        )
    )
) END
FROM unnest($1::int[]) AS holder (pid) LEFT JOIN pg_stat_activity AS activity USING (pid) ORDER BY pid
"""


@asynccontextmanager
async def holders_told(engine: AsyncEngine, *, of_events: bool = False) -> AsyncIterator[None]:
    """Translate errors as `translated` does; name in a `LockTimeout` those who have held locks of ours for as long."""
    try:
        with translated(of_events=of_events):
            yield
    except LockTimeout as timeout:
        try:
            async with engine.connect() as connection:
                holders = await _named(connection, _HOLDING_OURS, list(metadata.tables))
        except Exception:  # noqa: BLE001 - the database has said enough to go by
            holders = ""
        # Not all of several have stood in the way.
        held_by = f"held by {'one of ' if ';' in holders else ''}{holders}" if holders else "by now free"
        raise LockTimeout(f"{timeout}, {held_by}") from timeout


async def holding_key(connection: AsyncConnection, key: int) -> str:
    """Name the sessions that hold the advisory lock with this key."""
    return await _named(connection, _HOLDING_KEY, key)


@asynccontextmanager
async def waits_told(watching: AsyncConnection, pid: int, limit: float) -> AsyncIterator[None]:
    """Name, over another connection, those whom the session with this process id waits for.

    Where it gives up after `limit` seconds they are named in a `LockTimeout`; a wait without a limit is logged.
    """
    done, seen = asyncio.Event(), ["", ""]

    async def watch() -> None:
        looks = 0
        while not done.is_set():
            await stopping.pause(limit / _LOOKS, done)
            seen[:] = await _named(watching, _BLOCKING, pid), seen[0]
            looks = looks + 1 if seen[0] and seen[0] == seen[1] else 0
            # By now a wait with a limit has ended; the build of an index waits for every transaction older than itself.
            if looks == 2 * _LOOKS:
                logger.warning("waiting for a transaction of another to end", extra={"held_by": seen[0]})

    watch_task = asyncio.create_task(watch())
    try:
        yield
    except DBAPIError as error:
        holders = seen[0] or seen[1]
        if sqlstate(error) == LOCK_NOT_AVAILABLE and holders:
            raise LockTimeout(
                f"database: SQLSTATE {LOCK_NOT_AVAILABLE}: no lock within {limit:g} s, held by {holders}"
            ) from error
        raise
    finally:
        done.set()
        await asyncio.wait([watch_task])
        if (trouble := watch_task.exception()) is not None:
            logger.debug("who is waited for could not be seen", extra={"cause": repr(trouble)})


async def _named(connection: AsyncConnection, query: str, parameter: object) -> str:
    pids = {pid or 0 for pid in (await connection.exec_driver_sql(query, (parameter,))).scalars()}
    return "; ".join((await connection.exec_driver_sql(_NAMES, (list(pids),))).scalars())
