"""What becomes of a batch: stored, duplicate, conflict or dead, and the sum is the batch."""

import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from adapters.memory import MemoryEventStore
from adapters.records import codec
from application.consume.dlq_limits import CircuitBreaker, DlqLimits
from application.consume.process_event import Attempt, Processed, ProcessEvent, Tally
from application.ports import DeadLetterQueue, Delivery, EventStore, Halt, HaltKind, Outcome
from domain.dead_letter import Failure, FailureKind, Record
from domain.errors import Declined, Rejected, Unavailable, WrongDeployment
from domain.event import UserEvent
from tests.support.events import NOON, a_record, an_event, delivered, readings_of
from tests.support.time import LoopTime
from tests.support.watched import UNSTORABLE, WatchedDeadLetters, WatchedStore

FAILED_BEFORE = NOON - timedelta(minutes=1)
FIRST = Attempt()


@pytest.fixture
def store() -> WatchedStore:
    """An empty store."""
    return WatchedStore()


@pytest.fixture
def letters() -> WatchedDeadLetters:
    """No dead letters yet."""
    return WatchedDeadLetters()


class Processing:
    """A partition's batches are processed at noon, each by the circuit breaker that the one before has left."""

    def __init__(
        self, store: EventStore, letters: DeadLetterQueue, limits: DlqLimits | None = None, *, patience: float = 3600
    ) -> None:
        self._process = ProcessEvent(store, letters, lambda: NOON, patience=patience)
        self._breaker = CircuitBreaker(limits or DlqLimits())

    async def __call__(self, batch: Sequence[Record], attempt: Attempt = FIRST) -> Processed:
        """Process a batch."""
        processed = await self._process(batch, readings_of(batch), self._breaker, attempt)
        self._breaker = processed.breaker
        return processed

    async def give_up(self, batch: Sequence[Record], attempt: Attempt) -> Processed:
        """Dead-letter a batch whose retry budget is spent."""
        return await self._process.give_up(batch, readings_of(batch), self._breaker, attempt)

    async def condemn(self, batch: Sequence[Record]) -> Processed:
        """Dead-letter a batch of poison pills."""
        return await self._process.condemn(batch, self._breaker, FIRST)


@pytest.fixture
def process(store: WatchedStore, letters: WatchedDeadLetters) -> Processing:
    """The use case with its usual limits."""
    return Processing(store, letters)


def a_batch(*contents: UserEvent | bytes, offset: int = 0, partition: int = 0) -> Sequence[Record]:
    """Make a batch of one partition."""
    values = [codec.encode(each) if isinstance(each, UserEvent) else each for each in contents]
    return [a_record(value, partition=partition, offset=place) for place, value in enumerate(values, offset)]


def dead(count: int) -> Tally:
    """Nothing but dead letters."""
    return Tally(stored=0, duplicate=0, conflict=0, dead=count)


def kinds(letters: WatchedDeadLetters) -> list[tuple[int, FailureKind]]:
    """Return which offsets were dead-lettered, and why."""
    return [(letter.record.offset, letter.failure.kind) for letter in letters.sent]


async def test_good_batch_is_stored_in_one_call(process: Processing, store: WatchedStore) -> None:
    """One transaction a batch."""
    events = [an_event() for _ in range(5)]
    assert (await process(a_batch(*events))).tally == Tally(stored=5, duplicate=0, conflict=0, dead=0)
    assert store.calls == [[event.id for event in events]]


async def test_each_record_is_counted_once_and_dead_ones_sent(
    process: Processing, store: WatchedStore, letters: WatchedDeadLetters
) -> None:
    """A duplicate is only counted, a conflict is dead-lettered; a dead letter has its event's id if there is one."""
    stored, other = an_event(), an_event()
    await store.add(delivered(stored))
    conflict = stored._replace(payload=b'{"other":1}')
    undecodable = b"no JSON"
    batch = a_batch(undecodable, stored, conflict, other, an_event(payload=UNSTORABLE), other)
    assert (await process(batch)).tally == Tally(stored=1, duplicate=2, conflict=1, dead=2)
    assert kinds(letters) == [(0, FailureKind.UNDECODABLE), (2, FailureKind.CONFLICT), (4, FailureKind.REJECTED)]
    assert [letter.event_id is None for letter in letters.sent] == [True, False, False]
    assert [letter.record for letter in letters.sent] == [batch[place] for place in (0, 2, 4)]


async def test_dead_letter_names_the_attempts_and_times(process: Processing, letters: WatchedDeadLetters) -> None:
    """Of the batch: a first failure is this one unless an outage came before."""
    bad = a_batch(b"{}")
    await process(bad)
    await process(bad, Attempt(3, FAILED_BEFORE))
    told = [(letter.attempts, letter.first_failed_at, letter.failed_at) for letter in letters.sent]
    assert told == [(1, NOON, NOON), (3, FAILED_BEFORE, NOON)]


@pytest.mark.parametrize("place", range(8))
async def test_refused_event_anywhere_is_dead_and_its_neighbours_stored(
    process: Processing, store: WatchedStore, letters: WatchedDeadLetters, place: int
) -> None:
    """The first, the last and any between."""
    events = [an_event(payload=UNSTORABLE if number == place else b"{}") for number in range(8)]
    assert (await process(a_batch(*events))).tally == Tally(stored=7, duplicate=0, conflict=0, dead=1)
    assert kinds(letters) == [(place, FailureKind.REJECTED)]
    # The root cause says more than what wraps it.
    assert letters.sent[0].failure.error_class == "ValueError"
    assert set(store.rows) == {event.id for event in events} - {events[place].id}


@pytest.mark.parametrize("culprits", [{0, 1}, {0, 9}, {2, 5, 7}, set(range(10))], ids=str)
async def test_several_refused_events_are_all_found(
    process: Processing, store: WatchedStore, letters: WatchedDeadLetters, culprits: set[int]
) -> None:
    """Neighbours of each other or not, up to the whole batch; dead letters keep the order of offsets."""
    events = [an_event(payload=UNSTORABLE if number in culprits else b"{}") for number in range(10)]
    tally = (await process(a_batch(*events))).tally
    assert tally == Tally(stored=10 - len(culprits), duplicate=0, conflict=0, dead=len(culprits))
    assert [offset for offset, _ in kinds(letters)] == sorted(culprits)
    assert len(store.rows) == tally.stored


@pytest.mark.parametrize("place", [0, 300, 999])
async def test_refused_event_is_found_in_logarithmically_many_calls(
    process: Processing, store: WatchedStore, place: int
) -> None:
    """A halving costs two calls, and the culprit is tried once more."""
    events = [an_event() for _ in range(1_000)]
    events[place] = an_event(payload=UNSTORABLE)
    await process(a_batch(*events))
    assert len(store.calls) <= 2 + 2 * math.ceil(math.log2(1_000))


async def test_halves_are_stored_in_the_order_of_offsets(process: Processing, store: WatchedStore) -> None:
    """Nobody ever sees a user's later event without the earlier one."""
    events = [an_event(payload=UNSTORABLE if number in {3, 8} else b"{}") for number in range(12)]
    await process(a_batch(*events))
    assert list(store.rows) == [event.id for number, event in enumerate(events) if number not in {3, 8}]


async def test_event_that_meets_a_bug_is_dead_lettered_alone(
    process: Processing, store: WatchedStore, letters: WatchedDeadLetters
) -> None:
    """Others can be written at that moment, so that it is the event's; the error's text may contain anything."""
    events = [an_event() for _ in range(8)]
    store.bugs = {events[5].id}
    assert (await process(a_batch(*events))).tally == Tally(stored=7, duplicate=0, conflict=0, dead=1)
    expected = Failure(FailureKind.UNEXPECTED, "the store failed on this event alone", "ZeroDivisionError")
    assert [letter.failure for letter in letters.sent] == [expected]


@pytest.mark.parametrize("outage", [Unavailable("read-only"), ZeroDivisionError("as well")], ids=repr)
async def test_bug_while_nothing_can_be_written_is_an_outage(
    process: Processing, store: WatchedStore, letters: WatchedDeadLetters, outage: Exception
) -> None:
    """A dependency is down in an unforeseen way: the batch is retried."""
    events = [an_event() for _ in range(4)]
    store.bugs, store.probe_outage = {event.id for event in events}, outage
    with pytest.raises(Unavailable, match=r"read-only|everything"):
        await process(a_batch(*events))
    assert letters.sent == []


async def test_refusal_of_every_event_is_an_outage(
    process: Processing, store: WatchedStore, letters: WatchedDeadLetters
) -> None:
    """As of a database that is out of transaction ids, whose code is that of an entry too large for an index, too."""
    events = [an_event() for _ in range(4)]
    store.bugs, store.bug = {events[2].id}, Rejected("too much")
    store.probe_outage = store.bug
    with pytest.raises(Unavailable, match="every event"):
        await process(a_batch(*events))
    assert letters.sent == []
    store.probe_outage = None
    assert (await process(a_batch(*events))).tally == Tally(stored=1, duplicate=2, conflict=0, dead=1)
    assert kinds(letters) == [(2, FailureKind.REJECTED)]


@pytest.mark.parametrize("error", [Rejected("P0001"), WrongDeployment("42501"), ZeroDivisionError()], ids=repr)
async def test_event_refused_for_a_moment_only_is_stored(
    store: WatchedStore, letters: WatchedDeadLetters, error: Exception
) -> None:
    """It is tried once more after another could be written."""

    class Passing(WatchedStore):
        async def probe(self) -> None:
            self.bugs = set()

    passing, events = Passing(), [an_event() for _ in range(4)]
    passing.bugs, passing.bug = {events[2].id}, error
    tally = (await Processing(passing, letters)(a_batch(*events))).tally
    assert tally == Tally(stored=4, duplicate=0, conflict=0, dead=0)


@pytest.mark.parametrize("error", [Rejected("P0001"), WrongDeployment("42501")], ids=repr)
async def test_event_refused_alone_is_rejected_whatever_the_error(
    process: Processing, store: WatchedStore, letters: WatchedDeadLetters, error: Exception
) -> None:
    """A trigger may say what is usually said of the whole table."""
    events = [an_event() for _ in range(4)]
    store.bugs, store.bug = {events[2].id}, error
    assert (await process(a_batch(*events))).tally == Tally(stored=3, duplicate=0, conflict=0, dead=1)
    assert letters.sent[0].failure == Failure(FailureKind.REJECTED, str(error), type(error).__name__)


async def test_event_declined_alone_is_rejected_after_the_patience(
    store: WatchedStore, letters: WatchedDeadLetters
) -> None:
    """Not at once: a deadlock or a lock passes by itself."""
    process, patient = Processing(store, letters, patience=0), Processing(store, letters, patience=3600)
    event = an_event()
    store.bugs, store.bug = {event.id}, Declined("40001")
    for _ in range(3):
        with pytest.raises(Declined):
            await patient(a_batch(event))
    assert letters.sent == []
    assert (await process(a_batch(event))).tally == dead(1)
    assert letters.sent[0].failure == Failure(FailureKind.REJECTED, "40001", "Declined")


async def test_declined_batch_is_not_halved(store: WatchedStore, letters: WatchedDeadLetters) -> None:
    """A deadlock is the fault of no event: the batch is retried whole."""
    event, neighbour = an_event(), an_event()
    store.bugs, store.bug = {event.id}, Declined("40P01")
    with pytest.raises(Declined):
        await Processing(store, letters, patience=0)(a_batch(event, neighbour))
    assert store.calls == [[event.id, neighbour.id]]
    assert letters.sent == []


@pytest.mark.parametrize("between", ["stored", "down", "declined like all others"])
async def test_interruption_starts_the_patience_anew(
    store: WatchedStore, letters: WatchedDeadLetters, between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage in between says nothing of the event, nor does a success, behind which its partition was read anew."""
    process, time = Processing(store, letters), LoopTime(monkeypatch)
    event = an_event()
    alone, other = a_batch(event), Declined("40001")
    store.bugs, store.bug = {event.id}, other
    with pytest.raises(Declined):
        await process(alone)
    await time.passes(3600)
    if between == "stored":
        store.bugs = set()
        await process(alone)
        store.bugs = {event.id}
    else:
        store.bug = Unavailable("down") if between == "down" else other
        store.probe_outage = Declined("55P03")
        with pytest.raises(Unavailable):
            await process(alone)
        store.bug, store.probe_outage = other, None
    with pytest.raises(Declined):
        await process(alone)
    assert letters.sent == []
    await time.passes(3600)
    assert (await process(alone)).tally == dead(1)


@pytest.mark.parametrize("outage", [Declined("53100"), Unavailable("down"), Rejected("P0001")], ids=repr)
async def test_event_declined_like_all_others_is_retried(
    store: WatchedStore, letters: WatchedDeadLetters, outage: Exception
) -> None:
    """However long that lasts."""
    process = Processing(store, letters, patience=0)
    store.outage, store.probe_outage = Declined("53100"), outage
    for _ in range(3):
        with pytest.raises(Unavailable):
            await process(a_batch(an_event()))
    assert letters.sent == []


async def test_declined_records_of_two_partitions_are_timed_apart(
    process: Processing, store: WatchedStore, letters: WatchedDeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that comes later has the whole patience, and does not begin the other's anew."""
    time = LoopTime(monkeypatch)
    events = [an_event(), an_event()]
    early, late = (a_batch(event, partition=partition) for partition, event in enumerate(events))
    store.bugs, store.bug = {event.id for event in events}, Declined("40001")
    with pytest.raises(Declined):
        await process(early)
    await time.passes(1800)
    with pytest.raises(Declined):
        await process(late)
    await time.passes(1800)
    assert (await process(early)).tally == dead(1)
    with pytest.raises(Declined):
        await process(late)
    assert [letter.record.partition for letter in letters.sent] == [0]


async def test_records_behind_100_refused_events_are_left(store: WatchedStore, letters: WatchedDeadLetters) -> None:
    """Each refused one takes several questions, and a batch of nothing else would last too long."""
    process = Processing(store, letters, DlqLimits(max_consecutive=10_000, ratio_min_records=10_000))
    good, late = an_event(), an_event()
    batch = a_batch(b"no JSON", good, *(an_event(payload=UNSTORABLE) for _ in range(400)), b"no JSON", late)
    processed = await process(batch)
    assert processed.tally == Tally(stored=1, duplicate=0, conflict=0, dead=101)
    assert (processed.records, processed.halt) == (102, None)
    assert len(store.calls) < 400
    assert await store.get(late.id) is None
    while batch := batch[processed.records :]:
        processed = await process(batch)
    assert [letter.record.offset for letter in letters.sent] == [0, *range(2, 403)]
    assert await store.get(late.id) is not None


async def test_refused_dead_letter_is_an_outage(process: Processing, letters: WatchedDeadLetters) -> None:
    """There is no place behind the last one: a person has to see it, and the consumer lives on."""
    letters.outage = Rejected("too strange")
    with pytest.raises(Unavailable, match="too strange"):
        await process(a_batch(b"no JSON"))


@pytest.mark.parametrize("error", [Unavailable("down"), WrongDeployment("no table")], ids=repr)
async def test_outage_is_raised_at_once(
    process: Processing, store: WatchedStore, letters: WatchedDeadLetters, error: Exception
) -> None:
    """Neither halved nor dead-lettered."""
    store.outage = error
    with pytest.raises(type(error)):
        await process(a_batch(an_event(), an_event(), b"{}"))
    assert len(store.calls) == 1
    assert letters.sent == []


async def test_batch_fails_until_its_dead_letters_are_durable(
    process: Processing, store: WatchedStore, letters: WatchedDeadLetters
) -> None:
    """Its events may be stored by then: the retry counts them as duplicates and sends the same dead letters."""
    letters.outage = Unavailable("no broker")
    batch = a_batch(an_event(), an_event(payload=UNSTORABLE))
    with pytest.raises(Unavailable, match="no broker"):
        await process(batch)
    letters.outage = None
    assert (await process(batch, Attempt(2, FAILED_BEFORE))).tally == Tally(stored=0, duplicate=1, conflict=0, dead=1)
    assert kinds(letters) == [(1, FailureKind.REJECTED)]


async def test_batch_with_a_spent_retry_budget_is_dead_lettered_whole(
    process: Processing, store: WatchedStore, letters: WatchedDeadLetters
) -> None:
    """As exhausted, with the outage as the reason; what never was an event keeps its own."""
    batch = a_batch(an_event(), b"{}")
    assert (await process.give_up(batch, Attempt(9, FAILED_BEFORE, "down"))).tally == dead(2)
    assert kinds(letters) == [(0, FailureKind.EXHAUSTED), (1, FailureKind.INVALID)]
    assert letters.sent[0].failure == Failure(FailureKind.EXHAUSTED, "down", "Unavailable")
    assert letters.sent[0].attempts == 9
    assert store.calls == []


@pytest.mark.parametrize("outcomes", [[], [Outcome.STORED] * 3], ids=len)
async def test_store_with_too_few_or_many_outcomes_is_caught(
    letters: WatchedDeadLetters, outcomes: list[Outcome]
) -> None:
    """No offset may move past a record without an outcome."""

    class Careless(MemoryEventStore):
        async def add(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
            return outcomes

    process = Processing(Careless(lambda: NOON), letters)
    with pytest.raises(AssertionError, match=f"judged {len(outcomes)} of 2"):
        await process(a_batch(an_event(), an_event()))


async def test_dead_letters_are_sent_up_to_the_limit(letters: WatchedDeadLetters, store: WatchedStore) -> None:
    """The rest of the batch is left, and the halt says from where on."""
    process = Processing(store, letters, DlqLimits(max_consecutive=5))
    processed = await process(a_batch(an_event(), *[b"poison"] * 8, offset=40))
    assert processed.tally == Tally(stored=1, duplicate=0, conflict=0, dead=5)
    assert processed.records == 6
    assert processed.halt == Halt(HaltKind.DLQ_LIMIT, 46, "5 dead letters in a row")
    assert [letter.record.offset for letter in letters.sent] == list(range(41, 46))


async def test_halt_is_behind_the_last_record_despite_gaps(letters: WatchedDeadLetters, store: WatchedStore) -> None:
    """The log may have no record at the next offset."""
    process = Processing(store, letters, DlqLimits(max_consecutive=2))
    processed = await process([a_record(b"poison", offset=10 * place) for place in range(4)])
    assert processed.halt == Halt(HaltKind.DLQ_LIMIT, 11, "2 dead letters in a row")


async def test_circuit_breaker_counts_across_batches(letters: WatchedDeadLetters, store: WatchedStore) -> None:
    """And begins anew once it has tripped: a person who resumes the partition grants the whole limit again."""
    process = Processing(store, letters, DlqLimits(max_consecutive=5))
    halted = [(await process(a_batch(b"poison", offset=offset))).halt is not None for offset in range(12)]
    assert [offset for offset, is_halted in enumerate(halted) if is_halted] == [4, 9]


async def test_dead_letters_that_failed_are_not_counted_twice(letters: WatchedDeadLetters, store: WatchedStore) -> None:
    """A batch that is tried again is the same few dead letters, not more of them in a row."""
    process = Processing(store, letters, DlqLimits(max_consecutive=5))
    letters.outage = Unavailable("no broker")
    for _ in range(3):
        with pytest.raises(Unavailable):
            await process(a_batch(*[b"poison"] * 3))
    letters.outage = None
    assert (await process(a_batch(*[b"poison"] * 3))).halt is None
    assert (await process(a_batch(b"poison", b"poison", offset=3))).halt is not None


async def test_conflicts_do_not_trip_the_circuit_breaker(letters: WatchedDeadLetters, store: WatchedStore) -> None:
    """Someone reuses ids: that is news for a reader of the dead letters, but the events are sound."""
    process = Processing(store, letters, DlqLimits(max_consecutive=2))
    events = [an_event() for _ in range(9)]
    await process(a_batch(*events))
    processed = await process(a_batch(*[event._replace(user_id="another") for event in events]))
    assert processed.tally == Tally(stored=0, duplicate=0, conflict=9, dead=0)
    assert processed.halt is None


@pytest.mark.parametrize(
    "given_up",
    [lambda process, batch: process.give_up(batch, Attempt(2, FAILED_BEFORE, "down")), Processing.condemn],
    ids=["exhausted", "condemned"],
)
async def test_whatever_is_dead_counts_towards_the_limit(
    store: WatchedStore,
    letters: WatchedDeadLetters,
    given_up: Callable[[Processing, Sequence[Record]], Awaitable[Processed]],
) -> None:
    """An outage drains no topic into the dead-letter queue."""
    process = Processing(store, letters, DlqLimits(max_consecutive=2))
    processed = await given_up(process, a_batch(*(an_event() for _ in range(3))))
    assert processed.records == 2
    assert processed.halt is not None
    assert len(letters.sent) == 2


async def test_condemned_record_is_dead_lettered_unread(
    process: Processing, store: WatchedStore, letters: WatchedDeadLetters
) -> None:
    """Whatever it is, nothing of ours looks into it again."""
    assert (await process.condemn(a_batch(an_event()))).tally == dead(1)
    (letter,) = letters.sent
    assert (letter.failure.kind, letter.failure.error_class) == (FailureKind.UNEXPECTED, "LethalRecord")
    assert letter.event_id is None
    assert store.calls == []


def test_attempts_count_from_the_first_failure_on() -> None:
    """The cause is that of the last one."""
    once = FIRST.failed("down", NOON)
    assert once == Attempt(2, NOON, "down")
    assert once.failed("read-only", NOON + timedelta(minutes=1)) == Attempt(3, NOON, "read-only")


@pytest.mark.parametrize(
    ("attempt", "budget", "is_spent"),
    [
        (FIRST, 60, False),
        (Attempt(2, FAILED_BEFORE), 60, True),
        (Attempt(2, FAILED_BEFORE), 61, False),
        (Attempt(2, FAILED_BEFORE), None, False),
    ],
)
def test_retry_budget_is_spent_by_time_alone(attempt: Attempt, budget: float | None, *, is_spent: bool) -> None:
    """From the first failure on, and never where there is no budget."""
    assert attempt.is_spent(NOON, budget) is is_spent
