"""A database that is not UTF-8 is rejected before anything is written, with statements that solve it."""

import asyncio
import os
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.schema.migrate import migrate
from adapters.postgres.sessions.database import Database
from adapters.postgres.sessions.engine import create_engine
from application.ports import Outcome
from domain.errors import WrongDeployment
from entrypoints.dev.cluster import program
from tests.support.command import Finished, user_events
from tests.support.events import an_event, delivered
from tests.support.kafka import KafkaServer
from tests.support.legacy_service import RELATIONS, TABLE, execute, fetch
from tests.support.postgres import PostgresServer, environment_of
from tests.support.records import Topics
from tests.support.service import Kind, Services
from tests.support.world import World

EMOJI = b'{"a":"\\u00e9 \xf0\x9f\x99\x82"}'


@pytest.fixture(params=["SQL_ASCII", "LATIN1"])
async def database(request: pytest.FixtureRequest, postgres: PostgresServer) -> AsyncIterator[Database]:
    """A database in another encoding, with the table of the legacy service."""
    name = f"test_{uuid4().hex}"
    await postgres.execute(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{request.param}' "
        "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    await postgres.execute(f"ALTER DATABASE {name} SET timezone TO 'UTC'")
    made = replace(postgres.admin, name=name)
    await execute(made, TABLE)
    yield made
    await postgres.drop(f"{name}_utf8")
    await postgres.drop(name)


def _line(text: str) -> str:
    """Return the log line with the reason."""
    (line,) = [line for line in text.splitlines() if "is encoded in" in line]
    return line


async def test_migrate_rejects_other_encoding_and_changes_nothing(database: Database) -> None:
    """Exit code 1."""
    before = await fetch(database, RELATIONS)
    finished: Finished = await user_events("migrate", environment=environment_of(database))
    assert finished.exit_code == 1
    assert "it has to be UTF8" in _line(finished.stderr)
    assert await fetch(database, RELATIONS) == before


@pytest.mark.parametrize("migrates", ["true", "false"])
@pytest.mark.parametrize("kind", ["api", "consumer"])
async def test_other_database_encoding_stops_start(
    services: Services, database: Database, kafka: KafkaServer, kind: Kind, migrates: str
) -> None:
    """In one line, with exit code 1."""
    world = World(services, database, Topics(kafka.bootstrap))
    process = await world.start(kind, DB_MIGRATE=migrates)
    assert await process.ended() == 1
    assert "Traceback" not in process.text
    (last,) = [line for line in process.lines() if line["level"] == "critical"]
    assert "it has to be UTF8" in last["event"]


async def test_suggested_statements_move_every_row_to_utf8(database: Database) -> None:
    """The statements run as printed; then every text can be stored."""
    await execute(database, f"ALTER DATABASE {database.name} SET timezone TO 'Etc/UTC'")
    await execute(database, "INSERT INTO events (id, user_id, event_type) VALUES (gen_random_uuid(), 'café', 'LOGIN')")
    with pytest.raises(WrongDeployment) as refused:
        await migrate(database)
    _, _, remedy = str(refused.value).partition("copy everything into it: ")
    create, keep_zone, command, _setting = remedy.split("; ", maxsplit=3)
    await execute(database, create)
    await execute(database, keep_zone)
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-o", "pipefail", "-c", command.removeprefix("in a shell: ")),
        env={"PATH": f"{Path(program('psql')).parent}:{os.environ['PATH']}"}
        | {"PGHOST": database.host, "PGPORT": str(database.port)}
        | {"PGUSER": database.user, "PGPASSWORD": database.password},
        stdout=PIPE,
        stderr=STDOUT,
    )
    output, _ = await shell.communicate()
    assert shell.returncode == 0, output.decode()
    moved = replace(database, name=f"{database.name}_utf8")
    assert f"DB_NAME={moved.name}" in remedy
    assert await fetch(moved, "SHOW timezone") == [("Etc/UTC",)]
    await migrate(moved)
    assert await fetch(moved, "SELECT user_id FROM events") == [("café",)]
    engine = create_engine(moved, application_name="tests", pool_size=1)
    assert await PostgresEventStore(engine, settle=25.0).add(delivered(an_event(payload=EMOJI))) == [Outcome.STORED]
    await engine.dispose()


async def test_client_encoding_of_role_does_no_harm(empty_database: Database, postgres: PostgresServer) -> None:
    """The sessions of the service use UTF-8 regardless."""
    await postgres.execute(f"ALTER DATABASE \"{empty_database.name}\" SET client_encoding TO 'LATIN1'")
    await migrate(empty_database)
    engine = create_engine(empty_database, application_name="tests", pool_size=1)
    store, event = PostgresEventStore(engine, settle=25.0), an_event("usér-🙂", EMOJI)
    assert await store.add(delivered(event)) == [Outcome.STORED]
    stored = await store.get(event.id)
    assert stored is not None
    assert (stored.user_id, stored.payload) == ("usér-🙂", '{"a": "é 🙂"}')
    await engine.dispose()
