"""Passwords in files, rotated while processes run: who has a session keeps it, each new one takes the new password."""

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.postgres.sessions.database import Database
from tests.support.command import user_events
from tests.support.kafka import KafkaServer
from tests.support.load import load
from tests.support.postgres import PostgresServer
from tests.support.records import Topics
from tests.support.service import Services
from tests.support.waiting import eventually
from tests.support.world import World


class Account:
    """A role of the database whose password is in a file; `environment` has the file in place of the password."""

    def __init__(self, server: PostgresServer, name: str, file: Path) -> None:
        self._server, self._name, self.file = server, name, file
        self.password = secrets.token_hex()
        self.file.write_text(f"{self.password}\n")
        self.environment: Mapping[str, str] = {"DB_PASSWORD": "", "DB_PASSWORD_FILE": str(file)}

    async def rotate(self) -> None:
        """Change the password on the server, and not yet in the file."""
        self.password = secrets.token_hex()
        await self._server.execute(f"ALTER ROLE {self._name} PASSWORD '{self.password}'")

    def publish(self) -> None:
        """Put the password into the file as a secret's mount does: by renaming another over it."""
        other = self.file.with_suffix(".new")
        other.write_text(f"{self.password}\n")
        other.rename(self.file)

    async def end_sessions(self) -> None:
        """Have everybody log in again."""
        await self._server.execute(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{self._name}'"
        )


@pytest.fixture
async def account(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Account]:
    """The owner of `database`."""
    account = Account(postgres, f"test_{uuid4().hex}", tmp_path / "password")
    await postgres.execute(f"CREATE ROLE {account._name} LOGIN PASSWORD '{account.password}'")
    yield account
    await postgres.execute(f"DROP ROLE {account._name}")


@pytest.fixture
async def database(postgres: PostgresServer, account: Account) -> AsyncIterator[Database]:
    """An empty database."""
    await postgres.create(account._name)
    await postgres.execute(f"ALTER DATABASE {account._name} OWNER TO {account._name}")
    yield replace(postgres.admin, name=account._name, user=account._name, password="none")
    await postgres.drop(account._name)


@pytest.fixture
def world(services: Services, database: Database, kafka: KafkaServer, postgres: PostgresServer) -> World:
    """A world that is asked past the rotated password."""
    return World(services, replace(postgres.admin, name=database.name), Topics(kafka.bootstrap))


async def test_rotated_database_password_is_taken_for_the_next_session(
    world: World, database: Database, account: Account
) -> None:
    """Without a restart: by api, consumer and commands."""
    environment = {"DB_USER": database.user, **account.environment}
    api, _ = [await world.run(kind, **environment) for kind in ("api", "consumer")]
    async with load(api) as posted:
        await posted.more(20)
        await account.rotate()
        # Who has a session goes on.
        await posted.more(20)
        await world.stored(posted.accepted, perhaps=posted.unknown)
        account.publish()
        await account.end_sessions()
        await posted.more(20)
    await world.stored(posted.accepted, perhaps=posted.unknown)
    assert (await api.client.get("/events/processed")).status_code == 200
    for command in ("migrate", "audit"):
        finished = await user_events(command, environment=world.environment | environment)
        assert finished.exit_code == 0, finished.stderr


@pytest.mark.parametrize("content", [None, ""], ids=["missing", "empty"])
async def test_a_password_file_that_is_gone_for_a_moment_delays_events_only(
    world: World, database: Database, account: Account, content: str | None
) -> None:
    """It is named, and the process goes on when it is back."""
    environment = {"DB_USER": database.user, **account.environment}
    api, consumer = [await world.run(kind, **environment) for kind in ("api", "consumer")]
    async with load(api) as posted:
        await posted.more(20)
        await world.stored(posted.accepted, perhaps=posted.unknown)
        account.file.unlink()
        if content is not None:
            account.file.write_text(content)
        await account.end_sessions()
        await posted.more(20)

        async def is_named() -> bool:
            # The line of the retried batch has the first cause, which may be the end of the session that stored.
            return any(str(account.file) in json.dumps(part) for part in (await consumer.parts()).values())

        await eventually(is_named, "the file in readiness")
        account.publish()
    await world.stored(posted.accepted, perhaps=posted.unknown)
    await consumer.ready()
    assert await world.letters() == []


async def test_start_takes_the_password_that_comes_while_it_tries(
    world: World, database: Database, account: Account
) -> None:
    """Its first work is the migration, each try of which has a session of its own."""
    await account.rotate()
    consumer = await world.start("consumer", DB_USER=database.user, **account.environment)
    await consumer.logged("waiting for dependencies")
    account.publish()
    await consumer.ready()
