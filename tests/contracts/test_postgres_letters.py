"""The index of dead letters in PostgreSQL, tested by the contract of its port."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.dead_letters.audit_log import PostgresAuditLog
from adapters.postgres.dead_letters.index.dead_letter_index import PostgresDeadLetterIndex
from adapters.postgres.dead_letters.jobs import PostgresReplayJobs
from tests.contracts.dead_letter_changes_contract import (
    ChangeContract,
    DueContract,
    EditContract,
    ForgetContract,
    PreviewContract,
    RebuildContract,
)
from tests.contracts.dead_letter_index_contract import ListContract, NoteContract
from tests.contracts.dead_letter_outcomes_contract import IndexWithJobs, OutcomesContract
from tests.support.waiting import PATIENCE


class PostgresIndexUnderTest:
    """An index in PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def index(self) -> PostgresDeadLetterIndex:
        return PostgresDeadLetterIndex(self._engine, "events")

    def jobs(self) -> PostgresReplayJobs:
        return PostgresReplayJobs(self._engine, "events", lease=PATIENCE)

    def audit_log(self) -> PostgresAuditLog:
        return PostgresAuditLog(self._engine)


class _OnPostgres:
    @pytest.fixture
    def letters(self, engine: AsyncEngine) -> IndexWithJobs:
        return PostgresIndexUnderTest(engine)


class TestPostgresIndexNote(_OnPostgres, NoteContract):
    """`PostgresDeadLetterIndex`, noted."""


class TestPostgresIndexList(_OnPostgres, ListContract):
    """`PostgresDeadLetterIndex`, listed."""


class TestPostgresIndexPreview(_OnPostgres, PreviewContract):
    """`PostgresDeadLetterIndex`, asked what an order would do."""


class TestPostgresIndexChange(_OnPostgres, ChangeContract):
    """`PostgresDeadLetterIndex`, changed."""


class TestPostgresIndexEdit(_OnPostgres, EditContract):
    """`PostgresDeadLetterIndex`, edited."""


class TestPostgresIndexDue(_OnPostgres, DueContract):
    """`PostgresDeadLetterIndex`, asked what is due."""


class TestPostgresIndexForget(_OnPostgres, ForgetContract):
    """`PostgresDeadLetterIndex`, made to forget."""


class TestPostgresIndexRebuild(_OnPostgres, RebuildContract):
    """`PostgresDeadLetterIndex`, rebuilt."""


class TestPostgresIndexOutcomes(_OnPostgres, OutcomesContract):
    """`PostgresDeadLetterIndex`, beside `PostgresReplayJobs`."""
