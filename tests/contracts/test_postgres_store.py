"""The table of events in PostgreSQL, held to the contract of the store."""

from collections.abc import Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.event_store import PostgresEventStore
from application.ports import StoredEvent
from tests.contracts.listing_contract import ListingContract
from tests.contracts.store_contract import AddContract, StoreUnderTest

# As the predecessor writes: the columns that are ours are left out.
_INSERT = "INSERT INTO events (id, user_id, event_type, payload, created_at) VALUES ($1, $2, $3, $4, $5)"


class PostgresStoreUnderTest:
    """A table in PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.store = PostgresEventStore(engine, settle=25.0)
        self._engine = engine

    async def insert(self, rows: Sequence[StoredEvent]) -> None:
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql(_INSERT, [_columns(row) for row in rows])


def _columns(row: StoredEvent) -> tuple[object, ...]:
    created_at = row.created_at and row.created_at.replace(tzinfo=None)
    return row.id, row.user_id, row.event_type, row.payload, created_at


class _OnPostgres:
    @pytest.fixture
    def table(self, engine: AsyncEngine) -> StoreUnderTest:
        return PostgresStoreUnderTest(engine)


class TestPostgresAdd(_OnPostgres, AddContract):
    """`PostgresEventStore`, written."""


class TestPostgresListing(_OnPostgres, ListingContract):
    """`PostgresEventStore`, read."""
