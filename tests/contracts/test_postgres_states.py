"""What outlives a consumer, in PostgreSQL, tested by the contract of its port."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.partition_states import PostgresPartitionStates
from tests.contracts.states_contract import (
    HALT,
    AttemptsContract,
    HaltsContract,
    MarkerContract,
    SleeperContract,
    StatesUnderTest,
)


class PostgresStatesUnderTest:
    """States in PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def states(self, topic: str = "events", group: str = "group") -> PostgresPartitionStates:
        return PostgresPartitionStates(self._engine, topic, group)


class _OnPostgres:
    @pytest.fixture
    def table(self, engine: AsyncEngine) -> StatesUnderTest:
        return PostgresStatesUnderTest(engine)


class TestPostgresAttempts(_OnPostgres, AttemptsContract):
    """`PostgresPartitionStates`, begun and ended."""


class TestPostgresMarker(_OnPostgres, MarkerContract):
    """`PostgresPartitionStates`, with records in flight."""


class TestPostgresSleeper(_OnPostgres, SleeperContract):
    """`PostgresPartitionStates`, of a consumer that was replaced."""


class TestPostgresHalts(_OnPostgres, HaltsContract):
    """`PostgresPartitionStates`, halted and resumed."""


async def test_consumers_never_deadlock_in_whatever_order_the_table_is_scanned(engine: AsyncEngine) -> None:
    """A small table that was analysed is scanned from its beginning, where the last partition was put first."""
    states = PostgresPartitionStates(engine, "events", "group")
    for partition in reversed(range(50)):
        await states.begin({partition: 0})
        await states.halt(partition, HALT)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("ANALYZE partition_states")
    positions = dict.fromkeys(range(50), 0)
    await asyncio.gather(*(states.begin(positions) for _ in range(5)), *(states.end(positions) for _ in range(5)))
    await asyncio.gather(states.begin(positions), states.resume(), states.begin(positions))
