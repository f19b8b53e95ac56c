"""Jobs and the audit log in PostgreSQL, tested by the contracts of their ports."""

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.dead_letters.audit_log import PostgresAuditLog
from application.ports import AuditLog
from tests.contracts.audit_log_contract import DISCARD, AuditLogContract


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
