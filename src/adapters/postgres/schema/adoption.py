"""Take over a table `events` that the predecessor made; refuse tables that are somebody else's."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import DBAPIError

from adapters.postgres.schema.tables import EVENTS
from adapters.postgres.sessions.errors import sqlstate
from domain.errors import Unavailable, WrongDeployment

logger = logging.getLogger(__name__)

_TEXT = (postgresql.TEXT, postgresql.VARCHAR)
_ACCEPTED: dict[str, tuple[type, ...]] = {
    "id": (postgresql.UUID,),
    "user_id": _TEXT,
    "event_type": _TEXT,
    "payload": (postgresql.JSONB,),
    "created_at": (postgresql.TIMESTAMP,),
}
_STANDS_ALREADY = {"23505", "42710", "42P07"}
"""By how far the other one is: in the catalogue's index only, with its type, or with its table."""
_UTC_NAMES = {"UTC", "ETC/UTC", "UCT", "ETC/UCT", "ZULU", "ETC/ZULU", "UNIVERSAL", "ETC/UNIVERSAL", "GMT", "ETC/GMT"}

_TIME_ZONE = """
SELECT setting, source, quote_ident(current_database()) AS database, quote_ident(session_user) AS role
FROM pg_settings WHERE name = 'TimeZone'
"""


def adopt(connection: Connection) -> bool:
    """Check a table `events` that stands already; False when there is none.

    `connection` must not have set its own time zone. Raises `WrongDeployment` with the remedy when the table is not
    the predecessor's, or holds local times.
    """
    inspector = inspect(connection)
    local = _local_time(connection)
    if not inspector.has_table(EVENTS):
        if local:
            logger.warning(
                "the database's TimeZone is %s: the predecessor would write local times into our table. Before it "
                "writes: %s",
                *(local.zone, local.remedy),
            )
        return False
    problems = list(_problems({column["name"]: column for column in inspector.get_columns(EVENTS)}))
    if inspector.get_pk_constraint(EVENTS)["constrained_columns"] != ["id"]:
        problems.append("its primary key is not (id)")
    if problems:
        raise WrongDeployment(
            f"the table {EVENTS} is not the predecessor's and was left as it is: {'; '.join(problems)}. "
            "Rename it, or give DB_NAME another database"
        )
    if local:
        # `created_at` has no time zone: what it means is decided by the sessions that filled it.
        raise WrongDeployment(
            f"the database's TimeZone is {local.zone}, so that the rows of {EVENTS} are in its local time, while "
            "created_at is read as UTC. Once only (again would shift the rows again) and with all writers stopped: "
            f"BEGIN; ALTER TABLE {EVENTS} ALTER created_at TYPE timestamp USING created_at AT TIME ZONE "
            f"'{local.zone}' AT TIME ZONE 'UTC'; {local.remedy}; COMMIT"
        )
    return True


def refuse_foreign(connection: Connection, *tables: str) -> None:
    """Raise `WrongDeployment` with the remedy where tables that are about to be made are somebody else's already."""
    inspector = inspect(connection)
    if foreign := [table for table in tables if inspector.has_table(table)]:
        raise WrongDeployment(
            f"the database has tables that this release would make, and they were left as they are: "
            f"{', '.join(foreign)}. Rename them, or give DB_NAME another database"
        )


@contextmanager
def may_be_overtaken() -> Iterator[None]:
    """Raise `Unavailable` where the predecessor makes the table at the same moment: the next attempt adopts it."""
    try:
        yield
    except DBAPIError as error:
        if sqlstate(error) in _STANDS_ALREADY:
            raise Unavailable(f"database: the table {EVENTS} was made by another at this moment") from error
        raise


def _problems(columns: Mapping[str, ReflectedColumn]) -> Iterator[str]:
    for name, accepted in _ACCEPTED.items():
        column = columns.get(name)
        if column is None:
            yield f"it has no column {name}"
        elif not isinstance(column["type"], accepted) or getattr(column["type"], "timezone", False):
            yield f"its column {name} is of type {column['type']}"
    for name, column in columns.items():
        fills_itself = column["default"] is not None or "identity" in column or "computed" in column
        if name not in _ACCEPTED and not column["nullable"] and not fills_itself:
            yield f"its column {name} must be filled, and we do not know with what"


@dataclass(frozen=True, slots=True)
class _LocalTime:
    zone: str
    remedy: str
    """The statement that brings later sessions to UTC."""


def _local_time(connection: Connection) -> _LocalTime | None:
    """Find out whether sessions are in another zone than UTC, and where that was set; what is nearer prevails."""
    found = connection.execute(text(_TIME_ZONE)).one()
    if found.setting.upper() in _UTC_NAMES:
        return None
    owner = {
        "user": f"ROLE {found.role}",
        "database user": f"ROLE {found.role} IN DATABASE {found.database}",
    }.get(found.source, f"DATABASE {found.database}")
    return _LocalTime(found.setting, f"ALTER {owner} SET timezone TO 'UTC'")
