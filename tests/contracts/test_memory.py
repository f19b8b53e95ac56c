"""The adapters in memory, tested by every contract."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from adapters.memory import (
    MemoryAuditLog,
    MemoryDeadLetterIndex,
    MemoryDeadLetterQueue,
    MemoryErasures,
    MemoryEventStore,
    MemoryLog,
    MemoryLogReader,
    MemoryOversizeLetters,
    MemoryPartitionStates,
    MemoryPublisher,
    MemoryReplayJobs,
    MemoryReplayPublisher,
    MemorySource,
)
from adapters.memory.dead_letters.job_rows import JobRow
from adapters.memory.dead_letters.letters import MemoryLetters
from adapters.memory.partition_states import StateTable
from adapters.records import dlq_headers
from adapters.records.log_record import LogRecord
from application.listing import StoredEvent
from application.ports import AuditLog, EventSource, RebalanceListener
from tests.contracts.audit_log_contract import AuditLogContract
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
from tests.contracts.dead_letters_contract import DeadLettersContract
from tests.contracts.erasures_contract import ErasuresContract, ErasuresUnderTest
from tests.contracts.group_contract import GroupContract
from tests.contracts.harness import PARTITIONS, LogUnderTest
from tests.contracts.listing_contract import ListingContract
from tests.contracts.oversize_letters_contract import OversizeLettersContract, OversizeUnderTest
from tests.contracts.publisher_contract import PublisherContract
from tests.contracts.reader_contract import ReaderContract
from tests.contracts.replay_items_contract import EndContract, ItemsContract, JobChangeContract
from tests.contracts.replay_jobs_contract import ControlContract, CreateContract, JobsUnderTest
from tests.contracts.replay_lease_contract import LeaseContract
from tests.contracts.replay_publisher_contract import ReplayPublisherContract
from tests.contracts.source_contract import SourceContract
from tests.contracts.states_contract import (
    AttemptsContract,
    HaltsContract,
    MarkerContract,
    SleeperContract,
    StatesUnderTest,
)
from tests.contracts.store_contract import AddContract, StoreUnderTest
from tests.support.listeners import Witness
from tests.support.waiting import PATIENCE


class MemoryLogUnderTest:
    """A log in memory."""

    group = "group"

    def __init__(self) -> None:
        self._log = MemoryLog(PARTITIONS)
        self._log.make("events")

    async def publisher(self) -> MemoryPublisher:
        return MemoryPublisher(self._log, "events")

    async def replay_publisher(self) -> MemoryReplayPublisher:
        return MemoryReplayPublisher(self._log, "events")

    async def join(self, listener: RebalanceListener | None = None) -> MemorySource:
        source = MemorySource(self._log, "events", "group")
        source.subscribe(listener or Witness())
        await source.open()
        return source

    async def leave(self, source: EventSource) -> None:
        assert isinstance(source, MemorySource)
        await source.close()

    async def crash(self, source: EventSource) -> None:
        assert isinstance(source, MemorySource)
        source.crash()

    async def reader(self, *, topic: str | None = None) -> MemoryLogReader:
        return MemoryLogReader(self._log, topic or "events")

    async def expire(self, partition: int, *, before: int) -> None:
        self._log.expire("events", partition, before=before)

    async def append(self, partition: int, values: Sequence[bytes | None]) -> None:
        for value in values:
            self._log.append("events", None, value, partition=partition)

    async def records(self) -> Sequence[LogRecord]:
        return self._log.records("events")

    async def committed(self) -> Mapping[int, int]:
        return self._log.groups["events", "group"].committed

    async def dead_letters(self) -> MemoryDeadLetterQueue:
        return MemoryDeadLetterQueue(self._log, "events-dlq")

    async def read_dead_letters(self) -> Sequence[LogRecord]:
        return self._log.records("events-dlq")


class MemoryErasuresUnderTest:
    """A register in memory."""

    def __init__(self) -> None:
        self.erasures = MemoryErasures()

    async def note(self, user_id: str, erased_at: datetime) -> None:
        self.erasures.register[user_id] = erased_at


class MemoryStoreUnderTest:
    """A table in memory."""

    def __init__(self) -> None:
        self.store = MemoryEventStore(lambda: datetime.now(UTC))

    async def insert(self, rows: Sequence[StoredEvent]) -> None:
        self.store.rows |= {row.id: row for row in rows}


class MemoryOversizeUnderTest:
    """Dead letters kept in memory."""

    def __init__(self) -> None:
        self.letters = MemoryOversizeLetters()

    async def kept(self) -> Sequence[LogRecord]:
        return [
            LogRecord(*place, letter.record.key, letter.record.value, dlq_headers.render(letter))
            for place, letter in self.letters.kept.items()
        ]


class MemoryStatesUnderTest:
    """States in memory."""

    def __init__(self) -> None:
        self._table: StateTable = {}

    def states(self, topic: str = "events", group: str = "group") -> MemoryPartitionStates:
        return MemoryPartitionStates(topic, group, self._table)


class MemoryIndexUnderTest:
    """An index in memory, with its jobs."""

    def __init__(self) -> None:
        self._letters = MemoryLetters()
        self._jobs = MemoryReplayJobs(self._letters, "events", lease=PATIENCE)

    def index(self) -> MemoryDeadLetterIndex:
        return MemoryDeadLetterIndex(self._letters, "events")

    def jobs(self) -> MemoryReplayJobs:
        return self._jobs

    def audit_log(self) -> MemoryAuditLog:
        return MemoryAuditLog(self._letters)


class _OnMemoryLog:
    @pytest.fixture
    def log(self) -> LogUnderTest:
        return MemoryLogUnderTest()


class _OnMemoryStore:
    @pytest.fixture
    def table(self) -> StoreUnderTest:
        return MemoryStoreUnderTest()


class _OnMemoryStates:
    @pytest.fixture
    def table(self) -> StatesUnderTest:
        return MemoryStatesUnderTest()


class _OnMemoryIndex:
    @pytest.fixture
    def letters(self) -> IndexWithJobs:
        return MemoryIndexUnderTest()


class TestMemoryPublisher(_OnMemoryLog, PublisherContract):
    """`MemoryPublisher`."""


class TestMemoryReplayPublisher(_OnMemoryLog, ReplayPublisherContract):
    """`MemoryReplayPublisher`."""


class TestMemorySource(_OnMemoryLog, SourceContract):
    """`MemorySource`, alone."""


class TestMemoryGroup(_OnMemoryLog, GroupContract):
    """`MemorySource`, among others."""


class TestMemoryReader(_OnMemoryLog, ReaderContract):
    """`MemoryLogReader`."""


class TestMemoryErasures(ErasuresContract):
    """`MemoryErasures`."""

    @pytest.fixture
    def register(self) -> ErasuresUnderTest:
        return MemoryErasuresUnderTest()


class TestMemoryDeadLetters(_OnMemoryLog, DeadLettersContract):
    """`MemoryDeadLetterQueue`."""


class TestMemoryOversizeLetters(OversizeLettersContract):
    """`MemoryOversizeLetters`."""

    @pytest.fixture
    def oversize(self) -> OversizeUnderTest:
        return MemoryOversizeUnderTest()


class TestMemoryAdd(_OnMemoryStore, AddContract):
    """`MemoryEventStore`, written."""


class TestMemoryListing(_OnMemoryStore, ListingContract):
    """`MemoryEventStore`, read."""


class TestMemoryAttempts(_OnMemoryStates, AttemptsContract):
    """`MemoryPartitionStates`, begun and ended."""


class TestMemoryMarker(_OnMemoryStates, MarkerContract):
    """`MemoryPartitionStates`, with records in flight."""


class TestMemorySleeper(_OnMemoryStates, SleeperContract):
    """`MemoryPartitionStates`, of a consumer that was replaced."""


class TestMemoryHalts(_OnMemoryStates, HaltsContract):
    """`MemoryPartitionStates`, halted and resumed."""


class TestMemoryAuditLog(AuditLogContract):
    """`MemoryAuditLog`."""

    @pytest.fixture
    def audit_log(self) -> AuditLog:
        return MemoryAuditLog(MemoryLetters())


class TestMemoryIndexNote(_OnMemoryIndex, NoteContract):
    """`MemoryDeadLetterIndex`, noted."""


class TestMemoryIndexList(_OnMemoryIndex, ListContract):
    """`MemoryDeadLetterIndex`, listed."""


class TestMemoryIndexPreview(_OnMemoryIndex, PreviewContract):
    """`MemoryDeadLetterIndex`, asked what an order would do."""


class TestMemoryIndexChange(_OnMemoryIndex, ChangeContract):
    """`MemoryDeadLetterIndex`, changed."""


class TestMemoryIndexEdit(_OnMemoryIndex, EditContract):
    """`MemoryDeadLetterIndex`, edited."""


class TestMemoryIndexDue(_OnMemoryIndex, DueContract):
    """`MemoryDeadLetterIndex`, asked what is due."""


class TestMemoryIndexForget(_OnMemoryIndex, ForgetContract):
    """`MemoryDeadLetterIndex`, made to forget."""


class TestMemoryIndexRebuild(_OnMemoryIndex, RebuildContract):
    """`MemoryDeadLetterIndex`, rebuilt."""


class MemoryJobsUnderTest:
    """Jobs in memory."""

    def __init__(self) -> None:
        self._letters = MemoryLetters()
        self._rows: dict[UUID, JobRow] = {}
        self.index = MemoryDeadLetterIndex(self._letters, "events")
        self.audit_log = MemoryAuditLog(self._letters)

    def jobs(self, lease: float = 15.0) -> MemoryReplayJobs:
        return MemoryReplayJobs(self._letters, "events", lease=lease, rows=self._rows)


class _OnMemoryJobs:
    @pytest.fixture
    def tables(self) -> JobsUnderTest:
        return MemoryJobsUnderTest()


class TestMemoryCreate(_OnMemoryJobs, CreateContract):
    """`MemoryReplayJobs`, made and listed."""


class TestMemoryControl(_OnMemoryJobs, ControlContract):
    """`MemoryReplayJobs`, paused, resumed and cancelled."""


class TestMemoryLease(_OnMemoryJobs, LeaseContract):
    """`MemoryReplayJobs`, claimed."""


class TestMemoryItems(_OnMemoryJobs, ItemsContract):
    """`MemoryReplayJobs`, replayed."""


class TestMemoryEnd(_OnMemoryJobs, EndContract):
    """`MemoryReplayJobs`, halted and finished."""


class TestMemoryChange(_OnMemoryJobs, JobChangeContract):
    """`MemoryReplayJobs`, discarded and restored."""


class TestMemoryIndexOutcomes(_OnMemoryIndex, OutcomesContract):
    """`MemoryDeadLetterIndex`, beside `MemoryReplayJobs`."""
