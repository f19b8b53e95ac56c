"""Jobs and the audit log in PostgreSQL, tested by the contracts of their ports."""

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.dead_letters.audit_log import PostgresAuditLog
from adapters.postgres.dead_letters.index.dead_letter_index import PostgresDeadLetterIndex
from adapters.postgres.dead_letters.jobs import PostgresReplayJobs
from application.ports import AuditLog
from tests.contracts.audit_log_contract import DISCARD, AuditLogContract
from tests.contracts.replay_items_contract import EndContract, ItemsContract, JobChangeContract
from tests.contracts.replay_jobs_contract import ControlContract, CreateContract, JobsUnderTest
from tests.contracts.replay_lease_contract import LeaseContract


class TestPostgresAuditLog(AuditLogContract):
    """`PostgresAuditLog`."""

    @pytest.fixture
    def audit_log(self, engine: AsyncEngine) -> AuditLog:
        return PostgresAuditLog(engine)


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET who = 'nobody'", "DELETE FROM audit_log"])
async def test_audit_log_refuses_changes_of_entries(engine: AsyncEngine, statement: str) -> None:
    """Whoever has the right to write in the table."""
    await PostgresAuditLog(engine).record(DISCARD, {})
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="append-only"):
            await connection.exec_driver_sql(statement)


class PostgresJobsUnderTest:
    """Jobs in PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.index = PostgresDeadLetterIndex(engine, "events")
        self.audit_log = PostgresAuditLog(engine)
        self._engine = engine

    def jobs(self, lease: float = 15.0) -> PostgresReplayJobs:
        return PostgresReplayJobs(self._engine, "events", lease=lease)


class _OnPostgres:
    @pytest.fixture
    def tables(self, engine: AsyncEngine) -> JobsUnderTest:
        return PostgresJobsUnderTest(engine)


class TestPostgresCreate(_OnPostgres, CreateContract):
    """`PostgresReplayJobs`, made and listed."""


class TestPostgresControl(_OnPostgres, ControlContract):
    """`PostgresReplayJobs`, paused, resumed and cancelled."""


class TestPostgresLease(_OnPostgres, LeaseContract):
    """`PostgresReplayJobs`, claimed."""


class TestPostgresItems(_OnPostgres, ItemsContract):
    """`PostgresReplayJobs`, replayed."""


class TestPostgresEnd(_OnPostgres, EndContract):
    """`PostgresReplayJobs`, halted and finished."""


class TestPostgresChange(_OnPostgres, JobChangeContract):
    """`PostgresReplayJobs`, discarded and restored."""
