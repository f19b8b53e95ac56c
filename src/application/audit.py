"""Prove of any range of the log that each of its records stands where it belongs."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from application.ports import Delivery, Erasures, EventStore, LogReader, Outcome, OversizeLetters, Span
from domain.dead_letter import Failure, Origin, Record
from domain.errors import Rejected
from domain.event import UserEvent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Disposition(StrEnum):
    """What became of one offset of the log."""

    STORED = "stored"
    """A row has its id, user, type and payload."""
    DEAD = "dead"
    """A dead letter names it."""
    PENDING = "pending"
    """The group has not committed it: it will be read, or read again."""
    ERASED = "erased"
    """Its user was erased after it was accepted."""
    EXPIRED = "expired"
    """Retention took it before the audit came to it."""
    EMPTY = "empty"
    """It never held an event: a transaction's end, or a record of an aborted transaction."""
    COMPACTED = "compacted"
    """Compaction took it: nobody can tell any more whether it held an acknowledged event."""
    MISSING = "missing"
    """None of these: it is lost."""


class Missing(NamedTuple):
    """A record that is lost, as far as can be proved; `timestamp` is in milliseconds since the epoch."""

    partition: int
    offset: int
    timestamp: int
    event_id: UUID | None
    reason: str


class Finding(NamedTuple):
    """What became of some offsets that follow each other; the counts sum up to the span."""

    partition: int
    span: Span
    counts: Mapping[Disposition, int]
    missing: Sequence[Missing]


class _Suspect(NamedTuple):
    """A record that the group has committed, with neither a row of its own nor a dead letter."""

    record: Record
    content: UserEvent | Failure
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class AuditRange:
    """Reads a range of the topic again, and looks for each record in the table and among the dead letters.

    `origin` returns the origin that a letter about a record names, `origins` those that a letter's headers name.
    """

    log: LogReader
    letters: LogReader
    kept: OversizeLetters
    store: EventStore
    erasures: Erasures
    topic: str
    group: str
    decode: Callable[[Record], UserEvent | Failure]
    origin: Callable[[Record], Origin]
    origins: Callable[[Sequence[tuple[str, bytes | None]]], Sequence[Origin]]

    async def __call__(self, since: datetime | None, until: datetime | None) -> AsyncGenerator[Finding, None]:
        """Audit what was accepted from `since` on (None: ever) and before `until` (None: up to now).

        Where the log no longer reaches back to `since`, all that retention took from it counts as expired, since nobody
        can tell any more when it was accepted. Raises `Unavailable` and `WrongDeployment`: nothing is proved then.
        """
        ranges = await self._ranges(since, until)
        # In this order: whatever is committed by now has its row or its letter by now.
        committed = await self.log.committed(self.group)
        dead_lettered = await self._dead_lettered(ranges)
        for partition, span in ranges.items():
            position = span.start
            async with aclosing(self.log.read(partition, *span)) as stretches:
                async for stretch in stretches:
                    start, position = position, stretch.end
                    suspects, counts = await self._judge(stretch.records, committed.get(partition), dead_lettered)
                    missing = await self._missing(suspects)
                    counts[Disposition.MISSING] = len(missing)
                    counts[Disposition.ERASED] = len(suspects) - len(missing)
                    counts[Disposition.EXPIRED] = stretch.deleted
                    counts[Disposition.EMPTY] = stretch.transaction_marks
                    others = len(stretch.records) + stretch.deleted + stretch.transaction_marks
                    counts[Disposition.COMPACTED] = position - start - others
                    yield _balanced(Finding(partition, Span(start, position), counts, missing))

    async def _ranges(self, since: datetime | None, until: datetime | None) -> Mapping[int, Span]:
        starts = {} if since is None else await self.log.offsets_at(since)
        ends = {} if until is None else await self.log.offsets_at(until)
        ranges = {}
        # Last, so that what retention takes meanwhile shows.
        for partition, span in (await self.log.spans()).items():
            start = starts.get(partition, 0)
            end = min(ends.get(partition, span.end), span.end)
            ranges[partition] = Span(0 if start <= span.start else min(start, end), end)
        return ranges

    async def _dead_lettered(self, ranges: Mapping[int, Span]) -> set[Origin]:
        """Read all dead letters, also those in the database; keep the origins that a record of the range may have."""
        found: set[Origin] = set()
        for partition, span in (await self.letters.spans()).items():
            async with aclosing(self.letters.read(partition, *span)) as stretches:
                async for stretch in stretches:
                    for letter in stretch.records:
                        found.update(each for each in self.origins(letter.headers) if self._is_wanted(each, ranges))
        for headers in await self.kept.headers():
            found.update(each for each in self.origins(headers) if self._is_wanted(each, ranges))
        return found

    def _is_wanted(self, origin: Origin, ranges: Mapping[int, Span]) -> bool:
        span = ranges.get(origin.partition)
        if origin.topic != self.topic or span is None:
            return False
        # A replay stands elsewhere than the origin that it keeps.
        return origin.replays > 0 or span.start <= origin.offset < span.end

    async def _judge(
        self, records: Sequence[Record], committed: int | None, dead_lettered: set[Origin]
    ) -> tuple[Sequence[_Suspect], Counter[Disposition]]:
        contents = [self.decode(record) for record in records]
        pairs = zip(records, contents, strict=True)
        deliveries = [Delivery(record, content) for record, content in pairs if isinstance(content, UserEvent)]
        outcomes = iter(await self._check(deliveries) if deliveries else ())
        suspects = []
        counts: Counter[Disposition] = Counter()
        for record, content in zip(records, contents, strict=True):
            outcome = next(outcomes) if isinstance(content, UserEvent) else None
            if outcome is Outcome.DUPLICATE:
                counts[Disposition.STORED] += 1
            elif self.origin(record) in dead_lettered:
                counts[Disposition.DEAD] += 1
            elif committed is None or record.offset >= committed:
                counts[Disposition.PENDING] += 1
            else:
                suspects.append(_Suspect(record, content, outcome))
        return suspects, counts

    async def _check(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome | None]:
        """Compare with the table; an event that it refuses even to compare does not stand there."""
        try:
            return await self.store.check(deliveries)
        except Rejected:
            if len(deliveries) == 1:
                return [None]
        middle = len(deliveries) // 2
        return [*await self._check(deliveries[:middle]), *await self._check(deliveries[middle:])]

    async def _missing(self, suspects: Sequence[_Suspect]) -> Sequence[Missing]:
        """Tell the suspects whose user was not erased; asked after the table, from which an erasure may be taking."""
        users = {each.content.user_id for each in suspects if isinstance(each.content, UserEvent)}
        erased_at = await self.erasures.erased_at(users) if users else {}
        return [_named(each) for each in suspects if not _is_erased(each, erased_at)]


def _is_erased(suspect: _Suspect, erased_at: Mapping[str, datetime]) -> bool:
    moment = erased_at.get(suspect.content.user_id) if isinstance(suspect.content, UserEvent) else None
    return moment is not None and (moment - _EPOCH) // timedelta(milliseconds=1) >= suspect.record.timestamp


def _named(suspect: _Suspect) -> Missing:
    record, content = suspect.record, suspect.content
    if isinstance(content, Failure):
        event_id, reason = None, f"{content.kind} ({content.reason}), and no dead letter names it"
    elif suspect.outcome is Outcome.CONFLICT:
        event_id, reason = content.id, "its eventId has a row with other contents, and no dead letter names it"
    else:
        event_id, reason = content.id, "it has no row, and no dead letter names it"
    return Missing(record.partition, record.offset, record.timestamp, event_id, reason)


def _balanced(finding: Finding) -> Finding:
    """Refuse to go on when an offset is unaccounted for, or counted twice."""
    if sum(finding.counts.values()) != finding.span.end - finding.span.start or min(finding.counts.values()) < 0:
        raise AssertionError(f"{finding.span} is not accounted for: {finding.counts}")
    return finding
