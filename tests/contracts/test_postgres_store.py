"""The tables of events, oversize letters and erased users in PostgreSQL, tested by the contracts of their ports."""

import json
from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.erasures import PostgresErasures
from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.oversize_letters import PostgresOversizeLetters
from adapters.records.log_record import LogRecord
from application.listing import StoredEvent
from tests.contracts.erasures_contract import ErasuresContract, ErasuresUnderTest
from tests.contracts.listing_contract import ListingContract
from tests.contracts.oversize_letters_contract import OversizeLettersContract, OversizeUnderTest
from tests.contracts.store_contract import AddContract, StoreUnderTest

# As the legacy service writes: without the columns that this service adds.
_INSERT = "INSERT INTO events (id, user_id, event_type, payload, created_at) VALUES ($1, $2, $3, $4, $5)"
_KEPT = 'SELECT topic, partition, "offset", "timestamp", key, value, headers::text FROM oversize_letters'


# As docs/audit.md says for deleting a user's rows.
_NOTE = """
INSERT INTO erased_users (user_id, erased_at) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET erased_at = excluded.erased_at
"""


class PostgresStoreUnderTest:
    """A table in PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.store = PostgresEventStore(engine, settle=25.0)
        self._engine = engine

    async def insert(self, rows: Sequence[StoredEvent]) -> None:
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql(_INSERT, [_columns(row) for row in rows])


def _columns(row: StoredEvent) -> tuple[object, ...]:
    return row.id, row.user_id, row.event_type, row.payload, row.created_at


class PostgresOversizeUnderTest:
    """Dead letters kept in PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.letters = PostgresOversizeLetters(engine)
        self._engine = engine

    async def kept(self) -> Sequence[LogRecord]:
        async with self._engine.connect() as connection:
            rows = await connection.exec_driver_sql(_KEPT)
            return [
                LogRecord(
                    row.topic, row.partition, row.offset, row.timestamp, row.key, row.value, _headers(row.headers)
                )
                for row in rows
            ]


class PostgresErasuresUnderTest:
    """A register in PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.erasures = PostgresErasures(engine)
        self._engine = engine

    async def note(self, user_id: str, erased_at: datetime) -> None:
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql(_NOTE, (user_id, erased_at))


def _headers(text: str) -> list[tuple[str, bytes | None]]:
    return [(name, None if value is None else b64decode(value)) for name, value in json.loads(text)]


class _OnPostgres:
    @pytest.fixture
    def table(self, engine: AsyncEngine) -> StoreUnderTest:
        return PostgresStoreUnderTest(engine)


class TestPostgresAdd(_OnPostgres, AddContract):
    """`PostgresEventStore`, written."""


class TestPostgresListing(_OnPostgres, ListingContract):
    """`PostgresEventStore`, read."""


class TestPostgresOversizeLetters(OversizeLettersContract):
    """`PostgresOversizeLetters`."""

    @pytest.fixture
    def oversize(self, engine: AsyncEngine) -> OversizeUnderTest:
        return PostgresOversizeUnderTest(engine)


class TestPostgresErasures(ErasuresContract):
    """`PostgresErasures`."""

    @pytest.fixture
    def register(self, engine: AsyncEngine) -> ErasuresUnderTest:
        return PostgresErasuresUnderTest(engine)
