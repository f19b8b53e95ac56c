"""Whether the server and its tables keep what they confirm."""

import asyncpg

from adapters.postgres import log_schema  # noqa: F401 - its tables join the metadata
from adapters.postgres.schema import VERSION_TABLE, metadata
from domain.errors import WrongDeployment

# With the parts of a partitioned table, which may differ. In the given order, since a table may not become LOGGED
# before the one that it refers to.
_UNLOGGED = """
WITH RECURSIVE ours AS (
    SELECT to_regclass(name) AS oid, place FROM unnest($1::text[]) WITH ORDINALITY AS given (name, place)
    UNION ALL
    SELECT inhrelid::regclass, place FROM pg_inherits JOIN ours ON inhparent = ours.oid
)
SELECT ours.oid::text AS name FROM ours JOIN pg_class USING (oid) WHERE relpersistence = 'u' ORDER BY place
"""
_RISKS = {
    "fsync": "a crash of its machine may lose what was stored, or damage it",
    "full_page_writes": "a crash of its machine may damage what was stored, unless its disk writes pages whole",
}
_SETTINGS = "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])"


async def require_logged(session: asyncpg.Connection) -> None:
    """Raise `WrongDeployment` with the remedy where a crash of the server would empty a table of ours."""
    tables = [*(table.name for table in metadata.sorted_tables), VERSION_TABLE]
    if found := [row["name"] for row in await session.fetch(_UNLOGGED, tables)]:
        remedy = "; ".join(f"ALTER TABLE {name} SET LOGGED" for name in found)
        raise WrongDeployment(
            f"UNLOGGED: {', '.join(found)}: a crash of the database server would empty this, and no standby has it. "
            f"In a quiet hour, since it is written anew: {remedy}"
        )


async def risks(session: asyncpg.Connection) -> list[str]:
    """Say what is lost by which setting of the server."""
    found = dict(await session.fetch(_SETTINGS, [*_RISKS]))
    return [
        f"the database server runs with {name} = off: {risk}" for name, risk in _RISKS.items() if found[name] == "off"
    ]
