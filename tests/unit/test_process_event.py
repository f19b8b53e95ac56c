"""What becomes of a batch: stored, duplicate, conflict or dead, and the sum is the batch."""

import math
from collections.abc import Sequence
from datetime import timedelta

import pytest

from adapters import wire
from adapters.memory import MemoryEventStore
from application.ports import Batch, BeforeCommit, DeadLetters, Delivery, EventStore, Verdict, at_once
from application.process_event import Attempt, ProcessEvent, Tally
from application.storm import StormLimits, Storms
from domain.dead_letter import Failure, FailureKind
from domain.errors import Declined, Rejected, Unavailable, WrongDeployment
from domain.event import UserEvent
from domain.stop import Stop, StopKind
from tests.support.events import NOON, a_record, an_event, delivered
from tests.support.time import LoopTime
from tests.support.watched import UNSTORABLE, WatchedLetters, WatchedStore

FAILED_BEFORE = NOON - timedelta(minutes=1)


@pytest.fixture
def store() -> WatchedStore:
    """An empty store."""
    return WatchedStore()


@pytest.fixture
def letters() -> WatchedLetters:
    """No letters yet."""
    return WatchedLetters()


@pytest.fixture
def process(store: WatchedStore, letters: WatchedLetters) -> ProcessEvent:
    """The use case at noon."""
    return a_process(store, letters)


def a_process(
    store: EventStore, letters: DeadLetters, limits: StormLimits | None = None, *, patience: float = 3600
) -> ProcessEvent:
    """Make the use case."""
    storms = Storms(limits or StormLimits(), lambda: 0.0)
    return ProcessEvent(store, letters, wire.decode, storms, lambda: NOON, patience=patience)


def a_batch(*contents: UserEvent | bytes, offset: int = 0) -> Batch:
    """Make a batch of one partition."""
    values = [wire.encode(each) if isinstance(each, UserEvent) else each for each in contents]
    return Batch([a_record(value, offset=place) for place, value in enumerate(values, offset)], None)


def dead(count: int) -> Tally:
    """Nothing but dead letters."""
    return Tally(stored=0, duplicate=0, conflict=0, dead=count)


def kinds(letters: WatchedLetters) -> list[tuple[int, FailureKind]]:
    """Tell which offsets were parked, and why."""
    return [(letter.record.offset, letter.failure.kind) for letter in letters.parked]


async def test_good_batch_is_stored_in_one_call(process: ProcessEvent, store: WatchedStore) -> None:
    """One transaction a batch."""
    events = [an_event() for _ in range(5)]
    assert (await process(a_batch(*events))).tally == Tally(stored=5, duplicate=0, conflict=0, dead=0)
    assert store.calls == [[event.id for event in events]]


async def test_empty_batch_asks_nothing_of_anyone(
    process: ProcessEvent, store: WatchedStore, letters: WatchedLetters
) -> None:
    """Nor does an outage matter to it."""
    store.outage = letters.outage = Unavailable("down")
    assert (await process(a_batch())).tally == Tally(0, 0, 0, 0)


async def test_each_fate_is_counted_once_and_the_right_ones_are_parked(
    process: ProcessEvent, store: WatchedStore, letters: WatchedLetters
) -> None:
    """A duplicate is only counted, a conflict is parked as well, and a letter knows its event where there was one."""
    stored, other = an_event(), an_event()
    await store.add(delivered(stored))
    conflict = stored._replace(payload=b'{"other":1}')
    undecodable = b"no JSON"
    batch = a_batch(undecodable, stored, conflict, other, an_event(payload=UNSTORABLE), other)
    assert (await process(batch)).tally == Tally(stored=1, duplicate=2, conflict=1, dead=2)
    assert kinds(letters) == [(0, FailureKind.UNDECODABLE), (2, FailureKind.CONFLICT), (4, FailureKind.REJECTED)]
    assert [letter.event_id is None for letter in letters.parked] == [True, False, False]
    assert [letter.record for letter in letters.parked] == [batch.records[place] for place in (0, 2, 4)]


async def test_letter_tells_the_attempts_and_the_times(process: ProcessEvent, letters: WatchedLetters) -> None:
    """Of the batch: a first failure is this one unless an outage came before."""
    bad = a_batch(b"{}")
    await process(bad)
    await process(bad, Attempt(3, FAILED_BEFORE))
    told = [(letter.attempts, letter.first_failed_at, letter.failed_at) for letter in letters.parked]
    assert told == [(1, NOON, NOON), (3, FAILED_BEFORE, NOON)]


@pytest.mark.parametrize("place", range(8))
async def test_culprit_at_any_place_is_parked_and_its_neighbours_are_stored(
    process: ProcessEvent, store: WatchedStore, letters: WatchedLetters, place: int
) -> None:
    """The first, the last and any between."""
    events = [an_event(payload=UNSTORABLE if number == place else b"{}") for number in range(8)]
    assert (await process(a_batch(*events))).tally == Tally(stored=7, duplicate=0, conflict=0, dead=1)
    assert kinds(letters) == [(place, FailureKind.REJECTED)]
    # The root cause says more than what wraps it.
    assert letters.parked[0].failure.error_class == "ValueError"
    assert set(store.rows) == {event.id for event in events} - {events[place].id}


@pytest.mark.parametrize("culprits", [{0, 1}, {0, 9}, {2, 5, 7}, set(range(10))], ids=str)
async def test_several_culprits_are_all_found(
    process: ProcessEvent, store: WatchedStore, letters: WatchedLetters, culprits: set[int]
) -> None:
    """Neighbours of each other or not, up to the whole batch; letters keep the order of offsets."""
    events = [an_event(payload=UNSTORABLE if number in culprits else b"{}") for number in range(10)]
    tally = (await process(a_batch(*events))).tally
    assert tally == Tally(stored=10 - len(culprits), duplicate=0, conflict=0, dead=len(culprits))
    assert [offset for offset, _ in kinds(letters)] == sorted(culprits)
    assert len(store.rows) == tally.stored


@pytest.mark.parametrize("place", [0, 300, 999])
async def test_culprit_is_found_in_logarithmically_many_calls(
    process: ProcessEvent, store: WatchedStore, place: int
) -> None:
    """A halving costs two calls, and the culprit is tried once more."""
    events = [an_event() for _ in range(1_000)]
    events[place] = an_event(payload=UNSTORABLE)
    await process(a_batch(*events))
    assert len(store.calls) <= 2 + 2 * math.ceil(math.log2(1_000))


async def test_halves_are_stored_in_the_order_of_offsets(process: ProcessEvent, store: WatchedStore) -> None:
    """Nobody ever sees a user's later event without the earlier one."""
    events = [an_event(payload=UNSTORABLE if number in {3, 8} else b"{}") for number in range(12)]
    await process(a_batch(*events))
    assert list(store.rows) == [event.id for number, event in enumerate(events) if number not in {3, 8}]


async def test_bug_that_meets_one_event_parks_it_alone(
    process: ProcessEvent, store: WatchedStore, letters: WatchedLetters
) -> None:
    """Others can be written at that moment, so that it is the event's; the error's text may hold anything."""
    events = [an_event() for _ in range(8)]
    store.bugs = {events[5].id}
    assert (await process(a_batch(*events))).tally == Tally(stored=7, duplicate=0, conflict=0, dead=1)
    expected = Failure(FailureKind.UNEXPECTED, "the store failed on this event alone", "ZeroDivisionError")
    assert [letter.failure for letter in letters.parked] == [expected]


@pytest.mark.parametrize("outage", [Unavailable("read-only"), ZeroDivisionError("as well")], ids=repr)
async def test_bug_while_nothing_can_be_written_is_no_events_fault(
    process: ProcessEvent, store: WatchedStore, letters: WatchedLetters, outage: Exception
) -> None:
    """The world is down in a way that nobody foresaw: hold."""
    events = [an_event() for _ in range(4)]
    store.bugs, store.probe_outage = {event.id for event in events}, outage
    with pytest.raises(Unavailable, match=r"read-only|everything"):
        await process(a_batch(*events))
    assert letters.parked == []


async def test_limit_that_every_event_exceeds_is_no_events_fault(
    process: ProcessEvent, store: WatchedStore, letters: WatchedLetters
) -> None:
    """As of a database that is out of transaction ids, whose code is that of an entry too large for an index, too."""
    events = [an_event() for _ in range(4)]
    store.bugs, store.bug = {events[2].id}, Rejected("too much")
    store.probe_outage = store.bug
    with pytest.raises(Unavailable, match="every event"):
        await process(a_batch(*events))
    assert letters.parked == []
    store.probe_outage = None
    assert (await process(a_batch(*events))).tally == Tally(stored=1, duplicate=2, conflict=0, dead=1)
    assert kinds(letters) == [(2, FailureKind.REJECTED)]


@pytest.mark.parametrize("error", [Rejected("P0001"), WrongDeployment("42501"), ZeroDivisionError()], ids=repr)
async def test_event_refused_for_a_moment_only_is_stored(
    store: WatchedStore, letters: WatchedLetters, error: Exception
) -> None:
    """It is tried once more after another could be written."""

    class Passing(WatchedStore):
        async def probe(self) -> None:
            self.bugs = set()

    passing, events = Passing(), [an_event() for _ in range(4)]
    passing.bugs, passing.bug = {events[2].id}, error
    tally = (await a_process(passing, letters)(a_batch(*events))).tally
    assert tally == Tally(stored=4, duplicate=0, conflict=0, dead=0)


@pytest.mark.parametrize("error", [Rejected("P0001"), WrongDeployment("42501")], ids=repr)
async def test_event_that_alone_is_refused_is_rejected_whatever_the_error(
    process: ProcessEvent, store: WatchedStore, letters: WatchedLetters, error: Exception
) -> None:
    """A trigger may say what is usually said of the whole table."""
    events = [an_event() for _ in range(4)]
    store.bugs, store.bug = {events[2].id}, error
    assert (await process(a_batch(*events))).tally == Tally(stored=3, duplicate=0, conflict=0, dead=1)
    assert letters.parked[0].failure == Failure(FailureKind.REJECTED, str(error), type(error).__name__)


async def test_event_that_is_declined_alone_is_rejected_after_a_while(
    store: WatchedStore, letters: WatchedLetters
) -> None:
    """Not at once: a deadlock or a lock passes by itself."""
    process, patient = a_process(store, letters, patience=0), a_process(store, letters, patience=3600)
    event = an_event()
    store.bugs, store.bug = {event.id}, Declined("40001")
    for _ in range(3):
        with pytest.raises(Declined):
            await patient(a_batch(event))
    assert letters.parked == []
    assert (await process(a_batch(event))).tally == dead(1)
    assert letters.parked[0].failure == Failure(FailureKind.REJECTED, "40001", "Declined")


@pytest.mark.parametrize("between", ["stored", "down", "declined like all others"])
async def test_only_what_is_declined_alone_without_interruption_is_given_up(
    store: WatchedStore, letters: WatchedLetters, between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage in between says nothing of the event, nor does a success, behind which its partition was read anew."""
    process, time = a_process(store, letters), LoopTime(monkeypatch)
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
    assert letters.parked == []
    await time.passes(3600)
    assert (await process(alone)).tally == dead(1)


@pytest.mark.parametrize("outage", [Declined("53100"), Unavailable("down"), Rejected("P0001")], ids=repr)
async def test_event_that_is_declined_like_all_others_is_held(
    store: WatchedStore, letters: WatchedLetters, outage: Exception
) -> None:
    """However long that lasts."""
    process = a_process(store, letters, patience=0)
    store.outage, store.probe_outage = Declined("53100"), outage
    for _ in range(3):
        with pytest.raises(Unavailable):
            await process(a_batch(an_event()))
    assert letters.parked == []


async def test_batch_that_is_declined_is_tried_in_smaller_ones_and_the_rest_is_left(
    process: ProcessEvent, store: WatchedStore
) -> None:
    """In each partition by itself; they are stored in the order of offsets, and grow again."""
    events = [an_event() for _ in range(12)]
    batch = a_batch(*events)
    store.outage = Declined("57014")
    with pytest.raises(Declined):
        await process(batch)
    store.outage = None
    outcome = await process(batch)
    assert [record.offset for record in outcome.batch.records] == [0, 1, 2]
    assert [record.offset for record in outcome.left.records] == [*range(3, 12)]
    other = Batch([a_record(record.value, partition=1) for record in batch.records], None)
    assert (await process(other)).left.records == ()
    assert len((await process(outcome.left)).batch.records) == 6
    assert (await process(batch)).tally == Tally(stored=0, duplicate=12, conflict=0, dead=0)


async def test_behind_many_refused_events_the_rest_is_left(store: WatchedStore, letters: WatchedLetters) -> None:
    """Each takes several questions, and a batch of nothing else would last longer than a consumer may not poll."""
    process = a_process(store, letters, StormLimits(in_a_row=10_000, of_at_least=10_000))
    good, late = an_event(), an_event()
    batch = a_batch(b"no JSON", good, *(an_event(payload=UNSTORABLE) for _ in range(400)), b"no JSON", late)
    outcome = await process(batch)
    assert outcome.tally == Tally(stored=1, duplicate=0, conflict=0, dead=101)
    assert [record.offset for record in outcome.batch.records] == [*range(102)]
    assert [record.offset for record in outcome.left.records] == [*range(102, 404)]
    assert len(store.calls) < 400
    assert await store.get(late.id) is None
    while outcome.left.records:
        outcome = await process(outcome.left)
    assert [letter.record.offset for letter in letters.parked] == [0, *range(2, 403)]
    assert await store.get(late.id) is not None


async def test_refused_letter_is_held(process: ProcessEvent, letters: WatchedLetters) -> None:
    """There is no place behind the last one: a person has to see it, and the consumer lives on."""
    letters.outage = Rejected("too strange")
    with pytest.raises(Unavailable, match="too strange"):
        await process(a_batch(b"no JSON"))


@pytest.mark.parametrize("error", [Unavailable("down"), WrongDeployment("no table")], ids=repr)
async def test_what_is_no_events_fault_passes_through_at_once(
    process: ProcessEvent, store: WatchedStore, letters: WatchedLetters, error: Exception
) -> None:
    """Neither halved nor parked."""
    store.outage = error
    with pytest.raises(type(error)):
        await process(a_batch(an_event(), an_event(), b"{}"))
    assert len(store.calls) == 1
    assert letters.parked == []


async def test_batch_is_not_done_until_its_letters_are_durable(
    process: ProcessEvent, store: WatchedStore, letters: WatchedLetters
) -> None:
    """Its events may be stored by then: the repetition counts them as duplicates and parks the same letters."""
    letters.outage = Unavailable("no broker")
    batch = a_batch(an_event(), an_event(payload=UNSTORABLE))
    with pytest.raises(Unavailable, match="no broker"):
        await process(batch)
    letters.outage = None
    assert (await process(batch, Attempt(2, FAILED_BEFORE))).tally == Tally(stored=0, duplicate=1, conflict=0, dead=1)
    assert kinds(letters) == [(1, FailureKind.REJECTED)]


async def test_giving_up_parks_the_whole_batch(
    process: ProcessEvent, store: WatchedStore, letters: WatchedLetters
) -> None:
    """As exhausted, with the outage as the reason; what never was an event keeps its own."""
    store.outage = Unavailable("down")
    batch = a_batch(an_event(), b"{}")
    assert (await process.give_up(batch, store.outage, Attempt(9, FAILED_BEFORE))).tally == dead(2)
    assert kinds(letters) == [(0, FailureKind.EXHAUSTED), (1, FailureKind.INVALID)]
    assert letters.parked[0].failure == Failure(FailureKind.EXHAUSTED, "down", "Unavailable")
    assert letters.parked[0].attempts == 9


class ForgetfulStore(MemoryEventStore):
    """A store that breaks its contract: no verdicts."""

    async def add(self, deliveries: Sequence[Delivery], before_commit: BeforeCommit = at_once) -> list[Verdict]:
        return []


async def test_delivery_without_a_fate_stops_the_batch(letters: WatchedLetters) -> None:
    """No offset may move past it."""
    process = a_process(ForgetfulStore(lambda: NOON), letters)
    with pytest.raises(AssertionError, match="judged 0 of 2"):
        await process(a_batch(an_event(), an_event()))


async def test_storm_is_parked_up_to_its_limit_and_no_further(letters: WatchedLetters, store: WatchedStore) -> None:
    """The rest of the partition is left, and the outcome says where it stops."""
    process = a_process(store, letters, StormLimits(in_a_row=5))
    outcome = await process(a_batch(an_event(), *[b"poison"] * 8, offset=40))
    assert outcome.tally == Tally(stored=1, duplicate=0, conflict=0, dead=5)
    assert [record.offset for record in outcome.batch.records] == list(range(40, 46))
    assert [record.offset for record in outcome.left.records] == [46, 47, 48]
    assert outcome.stops == {0: Stop(StopKind.STORM, 46, "5 dead letters in a row")}
    assert [letter.record.offset for letter in letters.parked] == list(range(41, 46))


async def test_storm_in_one_partition_leaves_the_others_of_the_batch_alone(letters: WatchedLetters) -> None:
    """All of theirs is carried out."""
    process = a_process(MemoryEventStore(lambda: NOON), letters, StormLimits(in_a_row=2))
    good = [a_record(wire.encode(an_event()), partition=1, offset=offset) for offset in range(4)]
    bad = [a_record(b"poison", partition=0, offset=offset) for offset in range(4)]
    mixed = [record for pair in zip(good, bad, strict=True) for record in pair]
    outcome = await process(Batch(mixed, None))
    assert outcome.tally == Tally(stored=4, duplicate=0, conflict=0, dead=2)
    assert [(record.partition, record.offset) for record in outcome.left.records] == [(0, 2), (0, 3)]


async def test_storm_that_could_not_be_parked_is_not_counted_twice(
    letters: WatchedLetters, store: WatchedStore
) -> None:
    """A batch that is tried again is the same few letters, not more of them in a row."""
    process = a_process(store, letters, StormLimits(in_a_row=5))
    letters.outage = Unavailable("no broker")
    for _ in range(3):
        with pytest.raises(Unavailable):
            await process(a_batch(*[b"poison"] * 3))
    letters.outage = None
    assert (await process(a_batch(*[b"poison"] * 3))).stops == {}
    assert (await process(a_batch(b"poison", b"poison", offset=3))).stops.keys() == {0}


async def test_conflicts_are_no_storm(letters: WatchedLetters, store: WatchedStore) -> None:
    """Someone reuses ids: that is news for a reader of the letters, but the events are sound."""
    process = a_process(store, letters, StormLimits(in_a_row=2))
    events = [an_event() for _ in range(9)]
    await process(a_batch(*events))
    outcome = await process(a_batch(*[event._replace(user_id="another") for event in events]))
    assert outcome.tally == Tally(stored=0, duplicate=0, conflict=9, dead=0)
    assert outcome.stops == {}


async def test_condemned_record_is_parked_unread(
    process: ProcessEvent, store: WatchedStore, letters: WatchedLetters
) -> None:
    """Whatever it is, nothing of ours looks into it again."""
    outcome = await process.condemn(a_batch(an_event()), Attempt())
    assert outcome.tally == dead(1)
    (letter,) = letters.parked
    assert (letter.failure.kind, letter.failure.error_class) == (FailureKind.UNEXPECTED, "LethalRecord")
    assert letter.event_id is None
    assert store.calls == []
