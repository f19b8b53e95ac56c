"""What an audit finds: every offset of the range is counted once, and what is lost is named."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory import (
    MemoryDeadLetterQueue,
    MemoryErasures,
    MemoryEventStore,
    MemoryLog,
    MemoryLogReader,
    MemoryOversizeLetters,
)
from adapters.records import codec, dlq_headers
from application.audit import AuditRange, Disposition, Finding, Missing
from application.ports import Delivery, Outcome, Span, Stretch
from domain.errors import Rejected, Unavailable
from domain.event import UserEvent
from tests.support.events import NOON, a_dead_letter, an_event, decode

HOUR = timedelta(hours=1)
POISON = b"{oops"


class World:
    """A log whose records are accepted an hour after each other, from noon on, and all that an audit looks at."""

    def __init__(self) -> None:
        self.now = NOON
        self.log = MemoryLog(partitions=2, clock=lambda: self.now)
        self.log.make("events")
        self.log.make("dlq")
        self.reader = MemoryLogReader(self.log, "events")
        self.letters = MemoryDeadLetterQueue(self.log, "dlq")
        self.letter_reader = MemoryLogReader(self.log, "dlq")
        self.kept = MemoryOversizeLetters()
        self.store = MemoryEventStore(lambda: NOON)
        self.erasures = MemoryErasures()

    def append(self, content: UserEvent | bytes, headers: codec.Headers = (), partition: int = 0) -> Delivery:
        """Append a record."""
        value = codec.encode(content) if isinstance(content, UserEvent) else content
        record = self.log.append("events", b"key", value, headers, partition)
        self.now += HOUR
        return Delivery(record, content if isinstance(content, UserEvent) else an_event())

    async def stored(self, content: UserEvent) -> Delivery:
        """Append a record that a consumer has stored."""
        delivery = self.append(content)
        await self.store.add([delivery])
        return delivery

    async def dead_lettered(self, content: UserEvent | bytes, headers: codec.Headers = ()) -> Delivery:
        """Append a record that a consumer has dead-lettered."""
        delivery = self.append(content, headers)
        await self.letters.send([a_dead_letter(delivery.record)])
        return delivery

    def commit(self, **positions: int) -> None:
        """Move the group: `p0=…` for partition 0."""
        self.log.groups["events", "group"].committed.update(
            {int(name[1:]): position for name, position in positions.items()}
        )

    def commit_all(self) -> None:
        """Move the group to the end."""
        self.commit(p0=len(self.log.topics["events"][0]), p1=len(self.log.topics["events"][1]))

    async def audit(self, since: datetime | None = None, until: datetime | None = None) -> list[Finding]:
        """Audit a range."""
        audit = AuditRange(
            self.reader,
            self.letter_reader,
            self.kept,
            self.store,
            self.erasures,
            topic="events",
            group="group",
            decode=decode,
            origin=dlq_headers.origin,
            origins=dlq_headers.origins,
        )
        return [finding async for finding in audit(since, until)]

    async def counts(self, since: datetime | None = None, until: datetime | None = None) -> dict[Disposition, int]:
        """Audit a range; return how many offsets there are of each kind."""
        return counts_of(await self.audit(since, until))


def counts_of(findings: Sequence[Finding]) -> dict[Disposition, int]:
    """Return how many offsets there are of each kind."""
    counts: Counter[Disposition] = Counter()
    for finding in findings:
        counts.update(finding.counts)
    return {disposition: count for disposition, count in counts.items() if count}


def missing_of(findings: Sequence[Finding]) -> list[Missing]:
    """List what is missing."""
    return [missing for finding in findings for missing in finding.missing]


@pytest.fixture
def world() -> World:
    """An empty log."""
    return World()


async def test_nothing_is_proved_of_an_empty_log(world: World) -> None:
    """Nor is anything missing."""
    assert await world.audit() == []


async def test_stored_and_dead_lettered_records_are_proved(world: World) -> None:
    """Also one delivered twice, whose row is the first one's."""
    event = an_event()
    await world.stored(event)
    world.append(event)
    await world.dead_lettered(POISON)
    await world.dead_lettered(an_event())
    world.commit_all()
    assert await world.counts() == {Disposition.STORED: 2, Disposition.DEAD: 2}


async def test_record_with_neither_a_row_nor_a_dead_letter_is_named(world: World) -> None:
    """Its partition and offset, when it was accepted, its user and id, and why it is missing."""
    await world.stored(an_event())
    event = an_event()
    world.append(event)
    world.append(POISON)
    world.commit_all()
    findings = await world.audit()
    assert counts_of(findings) == {Disposition.STORED: 1, Disposition.MISSING: 2}
    lost, poison = missing_of(findings)
    noon = int(NOON.timestamp() * 1000)
    assert lost == Missing(0, 1, noon + 3_600_000, event.id, "it has no row, and no dead letter names it")
    assert (poison.offset, poison.event_id) == (2, None)
    assert poison.reason.startswith("undecodable (the value is not JSON")
    assert poison.reason.endswith("), and no dead letter names it")


async def test_conflict_has_to_have_a_dead_letter(world: World) -> None:
    """The row of another event under its id proves nothing."""
    taken = await world.stored(an_event(payload=b'{"n":1}'))
    await world.dead_lettered(an_event(payload=b'{"n":2}', event_id=taken.event.id))
    world.append(an_event(payload=b'{"n":3}', event_id=taken.event.id))
    world.commit_all()
    findings = await world.audit()
    assert counts_of(findings) == {Disposition.STORED: 1, Disposition.DEAD: 1, Disposition.MISSING: 1}
    (missing,) = missing_of(findings)
    assert (missing.offset, missing.event_id) == (2, taken.event.id)
    assert missing.reason == "its eventId has a row with other contents, and no dead letter names it"


@pytest.mark.parametrize(
    ("topic", "partition", "offset", "expected"),
    [
        (b"events", b"0", b"1", Disposition.DEAD),
        (b"others", b"0", b"1", Disposition.MISSING),
        (b"events", b"1", b"1", Disposition.MISSING),
        (b"events", b"7", b"1", Disposition.MISSING),
        (b"events", b"0", b"0", Disposition.MISSING),
    ],
    ids=["itself", "another topic", "another partition", "no such partition", "another offset"],
)
async def test_only_a_dead_letter_that_names_the_very_record_proves_it(
    world: World, topic: bytes, partition: bytes, offset: bytes, expected: Disposition
) -> None:
    """By whomever it was written: this is how Kafka Connect does it."""
    await world.stored(an_event())
    world.append(POISON)
    world.commit_all()
    prefix = "__connect.errors."
    headers = ((f"{prefix}topic", topic), (f"{prefix}partition", partition), (f"{prefix}offset", offset))
    world.log.append("dlq", None, POISON, headers)
    assert await world.counts() == {Disposition.STORED: 1, expected: 1}


async def test_dead_letter_that_its_topic_refused_proves_its_record(world: World) -> None:
    """It is in the database alone."""
    await world.kept.keep(a_dead_letter(world.append(POISON).record), "InvalidTimestampError")
    world.append(POISON)
    world.commit_all()
    assert await world.counts() == {Disposition.DEAD: 1, Disposition.MISSING: 1}


async def test_replayed_record_is_proved_by_the_dead_letter_about_the_replay_alone(world: World) -> None:
    """Although both dead letters name the record's first origin."""
    first = await world.dead_lettered(POISON)
    told = dlq_headers.render(a_dead_letter(first.record))
    replays = [
        tuple((name, number if name == "dlq.replays" else value) for name, value in told) for number in (b"1", b"2")
    ]
    await world.dead_lettered(POISON, replays[0])
    world.append(POISON, replays[1])
    world.commit_all()
    findings = await world.audit()
    assert counts_of(findings) == {Disposition.DEAD: 2, Disposition.MISSING: 1}
    assert [missing.offset for missing in missing_of(findings)] == [2]
    assert await world.counts(since=NOON + HOUR) == {Disposition.DEAD: 1, Disposition.MISSING: 1}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (timedelta(days=1), Disposition.ERASED),
        (timedelta(0), Disposition.ERASED),
        (timedelta(milliseconds=-1), Disposition.MISSING),
    ],
    ids=["later", "at that moment", "before"],
)
async def test_record_of_a_user_who_was_erased_since_is_not_missing(
    world: World, after: timedelta, expected: Disposition
) -> None:
    """Records after the erasure must have their rows; so must other users' records."""
    world.append(an_event("erased"))
    world.commit_all()
    world.erasures.register["erased"] = NOON + after
    world.erasures.register["somebody"] = NOON + after
    assert await world.counts() == {expected: 1}


async def test_taken_id_of_an_erased_user_is_not_missing(world: World) -> None:
    """Its row was deleted, and then another event took the id."""
    event = an_event("erased")
    world.append(event)
    await world.stored(an_event("other", event_id=event.id))
    world.commit_all()
    world.erasures.register["erased"] = NOON
    assert await world.counts() == {Disposition.ERASED: 1, Disposition.STORED: 1}


async def test_erasure_while_the_audit_is_at_work_is_not_missing(world: World) -> None:
    """The register is asked after the table."""
    delivery = world.append(an_event("erased"))
    world.commit_all()

    class ErasedMeanwhile(MemoryEventStore):
        async def check(self, deliveries: Sequence[Delivery]) -> list[Outcome | None]:
            outcomes = await super().check(deliveries)
            world.erasures.register[delivery.event.user_id] = NOON
            return outcomes

    world.store = ErasedMeanwhile(lambda: NOON)
    assert await world.counts() == {Disposition.ERASED: 1}


async def test_record_behind_the_position_of_the_group_is_pending(world: World) -> None:
    """Unless it is proved already: the commit comes after the row and the dead letter."""
    world.append(an_event())
    await world.stored(an_event())
    await world.dead_lettered(POISON)
    world.append(an_event("erased"))
    world.append(POISON)
    world.erasures.register["erased"] = NOON + 9 * HOUR
    world.commit(p0=1)
    findings = await world.audit()
    assert counts_of(findings) == {
        Disposition.MISSING: 1,
        Disposition.STORED: 1,
        Disposition.DEAD: 1,
        Disposition.PENDING: 2,
    }
    assert [missing.offset for missing in missing_of(findings)] == [0]


async def test_everything_is_pending_for_a_group_without_a_position(world: World) -> None:
    """It will begin at the beginning."""
    world.append(an_event())
    world.append(POISON, partition=1)
    world.commit(p0=0)
    assert await world.counts() == {Disposition.PENDING: 2}


async def test_records_committed_while_the_audit_is_at_work_are_pending(world: World) -> None:
    """The position is asked before the table: what it may say now is no proof against a record."""
    world.append(an_event())
    world.commit(p0=0)

    class CommittedMeanwhile(MemoryEventStore):
        async def check(self, deliveries: Sequence[Delivery]) -> list[Outcome | None]:
            outcomes = await super().check(deliveries)
            await self.add(deliveries)
            world.commit_all()
            return outcomes

    world.store = CommittedMeanwhile(lambda: NOON)
    assert await world.counts() == {Disposition.PENDING: 1}
    assert await world.counts() == {Disposition.STORED: 1}


async def test_records_dead_lettered_during_the_audit_are_pending(world: World) -> None:
    """The position is asked before the dead letters as well."""
    delivery = world.append(POISON)
    world.commit(p0=0)

    class DeadLetteredMeanwhile(MemoryLogReader):
        async def spans(self) -> dict[int, Span]:
            spans = await super().spans()
            await world.letters.send([a_dead_letter(delivery.record)])
            world.commit_all()
            return spans

    world.letter_reader = DeadLetteredMeanwhile(world.log, "dlq")
    assert await world.counts() == {Disposition.PENDING: 1}
    assert await world.counts() == {Disposition.DEAD: 1}


async def test_retention_at_work_while_times_are_looked_up_shows(world: World) -> None:
    """The log reached back to the beginning of the range when it was asked, and soon after it did not."""
    for _ in range(4):
        await world.stored(an_event())
    world.commit_all()

    class ExpiringMeanwhile(MemoryLogReader):
        async def offsets_at(self, moment: datetime) -> dict[int, int]:
            found = await super().offsets_at(moment)
            world.log.expire("events", 0, before=3)
            return found

    world.reader = ExpiringMeanwhile(world.log, "events")
    assert await world.counts(since=NOON + HOUR) == {Disposition.EXPIRED: 3, Disposition.STORED: 1}


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, {Disposition.EXPIRED: 4, Disposition.STORED: 4}),
        (NOON - HOUR, None, {Disposition.EXPIRED: 4, Disposition.STORED: 4}),
        (NOON + 3 * HOUR, None, {Disposition.EXPIRED: 4, Disposition.STORED: 4}),
        (NOON + 5 * HOUR, None, {Disposition.STORED: 3}),
        (NOON + 9 * HOUR, None, {}),
        (None, NOON + 6 * HOUR, {Disposition.EXPIRED: 4, Disposition.STORED: 2}),
        (NOON + 5 * HOUR, NOON + 6 * HOUR, {Disposition.STORED: 1}),
        (NOON + 5 * HOUR, NOON + 5 * HOUR, {}),
        (NOON + 4 * HOUR + timedelta(microseconds=1), NOON + 9 * HOUR, {Disposition.STORED: 3}),
    ],
    ids=str,
)
async def test_range_is_bounded_by_times_and_what_retention_took_counts_as_expired(
    world: World, since: datetime | None, until: datetime | None, expected: dict[Disposition, int]
) -> None:
    """Where the log does not reach back to the beginning of the range, nobody knows when its lost records came."""
    for _ in range(8):
        await world.stored(an_event())
    world.commit_all()
    world.log.expire("events", 0, before=4)
    assert await world.counts(since, until) == expected


async def test_transaction_marks_are_told_from_what_compaction_took(world: World) -> None:
    """Neither has a record; also at the end of the range."""
    for _ in range(6):
        await world.stored(an_event())
    world.commit_all()

    class Gappy(MemoryLogReader):
        async def read(self, partition: int, start: int, end: int) -> AsyncGenerator[Stretch, None]:
            async for stretch in super().read(partition, start, end):
                left = [record for record in stretch.records if record.offset in {1, 2, 4}]
                yield stretch._replace(records=left, transaction_marks=2)

    world.reader = Gappy(world.log, "events")
    findings = await world.audit()
    assert counts_of(findings) == {Disposition.EMPTY: 2, Disposition.COMPACTED: 1, Disposition.STORED: 3}
    assert sum(finding.span.end - finding.span.start for finding in findings) == 6


async def test_event_that_the_table_refuses_to_compare_costs_the_others_nothing(world: World) -> None:
    """It has no row, since it cannot have one."""
    refused = an_event("refused")

    class Refusing(MemoryEventStore):
        async def check(self, deliveries: Sequence[Delivery]) -> list[Outcome | None]:
            if any(delivery.event.user_id == "refused" for delivery in deliveries):
                raise Rejected("no")
            return await super().check(deliveries)

    world.store = Refusing(lambda: NOON)
    for event in (an_event(), an_event()):
        await world.stored(event)
    await world.dead_lettered(refused)
    await world.stored(an_event())
    world.append(an_event("refused"))
    world.commit_all()
    findings = await world.audit()
    assert counts_of(findings) == {Disposition.STORED: 3, Disposition.DEAD: 1, Disposition.MISSING: 1}
    assert [missing.offset for missing in missing_of(findings)] == [4]


@pytest.mark.parametrize("part", ["reader", "store", "erasures"])
async def test_world_that_is_down_proves_nothing(world: World, part: str) -> None:
    """It is reported instead of a result."""
    world.append(an_event())
    world.commit_all()
    getattr(world, part).outage = Unavailable("down")
    with pytest.raises(Unavailable, match="down"):
        await world.audit()


SITUATIONS = {
    "stored": Disposition.STORED,
    "delivered again": Disposition.STORED,
    "dead-lettered": Disposition.DEAD,
    "poison, dead-lettered": Disposition.DEAD,
    "conflict, dead-lettered": Disposition.DEAD,
    "erased": Disposition.ERASED,
    "lost": Disposition.MISSING,
    "poison, lost": Disposition.MISSING,
    "conflict, lost": Disposition.MISSING,
}


@given(
    situations=st.lists(st.sampled_from(list(SITUATIONS)), max_size=30),
    committed=st.integers(0, 30),
    expired=st.integers(0, 30),
)
async def test_every_offset_has_the_fate_that_its_record_had(
    situations: list[str], committed: int, expired: int
) -> None:
    """Whatever is stored beside it, wherever the group and retention are."""
    world = World()
    world.erasures.register["erased"] = NOON + 100 * HOUR
    known = an_event()
    await world.store.add([Delivery(world.log.append("elsewhere", None, None), known)])
    names: dict[int, UUID | None] = {}
    for offset, situation in enumerate(situations):
        names[offset] = await happen(world, situation, known)
    expired = min(expired, len(situations))
    world.commit(p0=committed)
    world.log.expire("events", 0, before=expired)
    expected: Counter[Disposition] = Counter({Disposition.EXPIRED: expired} if expired else {})
    lost = []
    for offset, situation in enumerate(situations[expired:], expired):
        disposition = SITUATIONS[situation]
        if offset >= committed and disposition in {Disposition.ERASED, Disposition.MISSING}:
            disposition = Disposition.PENDING
        expected[disposition] += 1
        if disposition is Disposition.MISSING:
            lost.append((offset, names[offset]))
    findings = await world.audit()
    assert counts_of(findings) == expected
    assert [(missing.offset, missing.event_id) for missing in missing_of(findings)] == lost


async def happen(world: World, situation: str, known: UserEvent) -> UUID | None:
    """Append a record to which this has happened; return the id that can be read from it."""
    user = "erased" if situation == "erased" else "user-1"
    if situation.startswith("conflict"):
        event = an_event(user, b'{"other":true}', event_id=known.id)
    else:
        event = known if situation == "delivered again" else an_event(user)
    is_poison = situation.startswith("poison")
    content = POISON if is_poison else event
    if situation == "stored":
        await world.stored(event)
    elif situation.endswith("dead-lettered"):
        await world.dead_lettered(content)
    else:
        world.append(content)
    return None if is_poison else event.id
