"""Take over a table `events` that the predecessor made, or refuse what is none of its kind."""

from sqlalchemy import Connection, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.interfaces import ReflectedColumn

from adapters.postgres.schema import EVENTS
from domain.errors import WrongDeployment

_TEXT = (postgresql.TEXT, postgresql.VARCHAR)
_ACCEPTED: dict[str, tuple[type, ...]] = {
    "id": (postgresql.UUID,),
    "user_id": _TEXT,
    "event_type": _TEXT,
    "payload": (postgresql.JSONB,),
    "created_at": (postgresql.TIMESTAMP,),
}
_UTC_NAMES = {"UTC", "ETC/UTC", "UCT", "ETC/UCT", "ZULU", "ETC/ZULU", "UNIVERSAL", "ETC/UNIVERSAL", "GMT", "ETC/GMT"}


def adopt(connection: Connection) -> bool:
    """Check a table `events` that stands already; False when there is none.

    `connection` must not have set its own time zone. Raises `WrongDeployment` with the remedy when the table is not
    the predecessor's, or holds local times.
    """
    inspector = inspect(connection)
    if not inspector.has_table(EVENTS):
        return False
    columns = {column["name"]: column for column in inspector.get_columns(EVENTS)}
    problems = [
        *_missing_or_wrong(columns),
        *_unfillable(columns),
    ]
    if inspector.get_pk_constraint(EVENTS)["constrained_columns"] != ["id"]:
        problems.append("its primary key is not (id)")
    if problems:
        raise WrongDeployment(
            f"the table {EVENTS} is not the predecessor's and was left as it is: {'; '.join(problems)}. "
            "Rename it, or give DB_NAME another database"
        )
    _require_utc(connection)
    return True


def _missing_or_wrong(columns: dict[str, ReflectedColumn]) -> list[str]:
    problems = []
    for name, accepted in _ACCEPTED.items():
        column = columns.get(name)
        if column is None:
            problems.append(f"it has no column {name}")
        elif not isinstance(column["type"], accepted) or getattr(column["type"], "timezone", False):
            problems.append(f"its column {name} is of type {column['type']}")
    return problems


def _unfillable(columns: dict[str, ReflectedColumn]) -> list[str]:
    return [
        f"its column {name} must be filled, and we do not know with what"
        for name, column in columns.items()
        if name not in _ACCEPTED and not column["nullable"] and not _fills_itself(column)
    ]


def _fills_itself(column: ReflectedColumn) -> bool:
    return column["default"] is not None or "identity" in column or "computed" in column


def _require_utc(connection: Connection) -> None:
    """`created_at` has no time zone: what it means is decided by the sessions that filled it."""
    zone = str(connection.execute(text("SHOW timezone")).scalar_one())
    if zone.upper() in _UTC_NAMES:
        return
    name = str(connection.execute(text("SELECT current_database()")).scalar_one())
    raise WrongDeployment(
        f"the database's TimeZone is {zone}, so that the rows of {EVENTS} are in its local time, while created_at is "
        f"read as UTC. With all writers stopped: ALTER TABLE {EVENTS} ALTER created_at TYPE timestamp USING "
        f"created_at AT TIME ZONE '{zone}' AT TIME ZONE 'UTC'; ALTER DATABASE \"{name}\" SET timezone TO 'UTC'"
    )
