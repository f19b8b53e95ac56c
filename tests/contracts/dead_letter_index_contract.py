"""The contract of `DeadLetterIndex`, as far as letters are noted, listed and found."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Protocol
from uuid import UUID

import pytest

from application.dead_letters.letters import (
    Letter,
    LetterCursor,
    LetterFilter,
    LetterGroup,
    LetterInFull,
    LetterOrigin,
    LetterState,
    ReadLetter,
)
from application.dead_letters.orders import Action, AuditEntry, Order
from application.ports import AuditLog, DeadLetterIndex
from domain.dead_letter import FailureKind
from tests.support.events import NOON
from tests.support.letters import DISCARD, a_letter, an_entry

EVERYTHING = LetterFilter()


class IndexUnderTest(Protocol):
    """An index of the letters of the topic `events`, its jobs and its audit log; empty at the start of each test."""

    def index(self) -> DeadLetterIndex:
        """Open the index, as another process may at any time."""
        ...

    def audit_log(self) -> AuditLog:
        """Open its audit log."""
        ...


class IndexContract:
    """What all contracts of the index have in common: subclasses override the fixture `letters`."""

    @pytest.fixture
    def letters(self) -> IndexUnderTest:
        raise NotImplementedError

    @pytest.fixture
    def index(self, letters: IndexUnderTest) -> DeadLetterIndex:
        """The index."""
        return letters.index()


async def all_of(index: DeadLetterIndex, wanted: LetterFilter = EVERYTHING) -> Sequence[Letter]:
    """List all letters, newest first."""
    page = await index.page(wanted, None, 10_000)
    assert page.following is None
    return page.letters


async def ids(index: DeadLetterIndex, wanted: LetterFilter = EVERYTHING) -> list[str]:
    """List the ids of letters, newest first."""
    return [letter.id for letter in await all_of(index, wanted)]


async def one(index: DeadLetterIndex, letter_id: str = "0-1") -> LetterInFull:
    """Find one letter that is there."""
    [found] = await index.get([letter_id])
    return found


async def entries(letters: IndexUnderTest) -> Sequence[AuditEntry]:
    """Read the audit log, newest first."""
    return await letters.audit_log().page(None, 100)


class NoteContract(IndexContract):
    """Subclasses override the fixture `letters`."""

    async def test_letter_is_found_with_all_that_its_record_says(self, index: DeadLetterIndex) -> None:
        """And is dead, since its failure."""
        letter = replace(a_letter(1), message="line\nÄ “x”", sqlstate="22021", attempts=7)
        await index.note([letter])
        found = await one(index)
        assert found.letter == Letter(
            id="0-1",
            state=LetterState.DEAD,
            origin=letter.origin,
            dlq_partition=0,
            dlq_offset=1,
            kind="rejected",
            error_class="Refused",
            message="line\nÄ “x”",
            sqlstate="22021",
            fingerprint="f",
            event_id=UUID(int=1),
            user_id="user-1",
            event_type="LOGIN",
            attempts=7,
            replays=0,
            edits=0,
            first_failed_at=letter.first_failed_at,
            failed_at=letter.failed_at,
            changed_at=letter.failed_at,
            value_bytes=len(letter.value or b""),
        )
        assert (found.key, found.value, list(found.headers)) == (letter.key, letter.value, list(letter.headers))
        assert found.edits == []
        [failure] = found.failures
        for name, value in failure._asdict().items():
            assert getattr(letter, name) == value
        assert await all_of(index) == [found.letter]

    async def test_what_a_letter_does_not_say_is_none(self, index: DeadLetterIndex) -> None:
        """As of a bare record without key and value."""
        bare = replace(
            a_letter(1),
            id="dlq-3-7",
            origin=None,
            kind="unknown",
            error_class=None,
            message=None,
            event_id=None,
            user_id=None,
            event_type=None,
            key=None,
            value=None,
            headers=[],
        )
        await index.note([bare])
        found = await one(index, "dlq-3-7")
        assert (found.key, found.value, list(found.headers), found.present_value) == (None, None, [], None)
        letter = found.letter
        assert (letter.origin, letter.event_id, letter.user_id, letter.value_bytes) == (None, None, None, None)

    async def test_bytes_are_kept_as_they_are(self, index: DeadLetterIndex) -> None:
        """Whatever they are, and however many; names of headers may hold a NUL and come twice."""
        every = bytes(range(256))
        headers = [("\0", every), ("twice", b""), ("twice", None), ("é\n\"'\\", b"\0")]
        await index.note(
            [
                replace(a_letter(1), key=every, value=every * 4096, headers=headers),
                replace(a_letter(2), key=b"", value=b""),
            ]
        )
        first, second = await index.get(["0-1", "0-2"])
        assert (first.key, first.value, list(first.headers)) == (every, every * 4096, headers)
        assert (second.key, second.value, second.letter.value_bytes) == (b"", b"", 0)

    async def test_numbers_and_times_at_their_limits_are_kept(self, index: DeadLetterIndex) -> None:
        """Offsets of 63 bits, times to the microsecond."""
        last = 2**63 - 1
        letter = replace(
            a_letter(1),
            origin=LetterOrigin("events", 2**31 - 1, last, -1),
            dlq_partition=-1,
            dlq_offset=last,
            attempts=2**31 - 1,
            failed_at=NOON + timedelta(microseconds=1),
            user_id="😀" * 512,
            event_type="é" * 64,
        )
        await index.note([letter])
        found = await one(index)
        assert found.letter.origin == letter.origin
        assert (found.letter.dlq_partition, found.letter.dlq_offset) == (-1, last)
        assert (found.letter.failed_at, found.letter.user_id) == (letter.failed_at, "😀" * 512)

    async def test_nothing_is_noted_without_letters(self, index: DeadLetterIndex) -> None:
        """An empty batch is no error."""
        await index.note([])
        assert await all_of(index) == []

    async def test_noting_again_changes_nothing(self, index: DeadLetterIndex) -> None:
        """In one batch or in several."""
        some = [a_letter(1), a_letter(2), a_letter(1, replays=1)]
        await index.note(some)
        before = await index.get(["0-1", "0-2"])
        await index.note([*some, *some])
        await index.note(some[:1])
        assert await index.get(["0-1", "0-2"]) == before

    async def test_letter_shows_the_failure_of_the_highest_replay_in_any_order(self, index: DeadLetterIndex) -> None:
        """Its original record is that of the lowest; its history is complete."""
        for number, order in enumerate(permutations(range(3))):
            failures = [
                replace(
                    a_letter(number, replays=replays, value=b"value %d" % replays, kind=f"kind-{replays}"),
                    dlq_partition=replays,
                    fingerprint=f"f{replays}",
                    attempts=replays,
                )
                for replays in order
            ]
            for failure in failures:
                await index.note([failure])
            await index.note([replace(each, id=f"1-{number}", dlq_partition=3 + each.replays) for each in failures])
            for letter_id in (f"0-{number}", f"1-{number}"):
                found = await one(index, letter_id)
                letter = found.letter
                assert (letter.kind, letter.fingerprint, letter.attempts, letter.replays) == ("kind-2", "f2", 2, 2)
                assert letter.failed_at == letter.changed_at == letter.first_failed_at + timedelta(minutes=2)
                assert letter.dlq_partition % 3 == 2
                assert found.value == b"value 0"
                assert [each.replays for each in found.failures] == [0, 1, 2]

    @pytest.mark.parametrize("together", [True, False])
    async def test_of_equal_replays_the_first_one_is_shown(self, index: DeadLetterIndex, *, together: bool) -> None:
        """As when a consumer has died before it committed the offset."""
        first = a_letter(1, message="first")
        again = replace(a_letter(1, message="again"), dlq_offset=9, failed_at=NOON + timedelta(hours=1))
        for batch in [[first, again]] if together else [[first], [again]]:
            await index.note(batch)
        found = await one(index)
        assert (found.letter.message, found.letter.dlq_offset, found.letter.failed_at) == ("first", 1, first.failed_at)
        assert [each.message for each in found.failures] == ["first", "again"]

    async def test_earliest_first_failure_is_shown(self, index: DeadLetterIndex) -> None:
        """Whichever is noted first."""
        early, late = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
        for number, times in enumerate([(early, late), (late, early)]):
            batch = [
                replace(a_letter(number, replays=replays), first_failed_at=time) for replays, time in enumerate(times)
            ]
            await index.note(batch[:1])
            await index.note(batch[1:])
            assert (await one(index, f"0-{number}")).letter.first_failed_at == early

    async def test_only_a_later_failure_makes_a_letter_dead_again(self, index: DeadLetterIndex) -> None:
        """A person's word on it stands until then."""
        await index.note([a_letter(1), a_letter(1, replays=1)])
        await index.change(EVERYTHING, DISCARD, an_entry(DISCARD), 1)
        await index.note([a_letter(1), replace(a_letter(1, replays=1), dlq_offset=9)])
        found = await one(index)
        assert (found.letter.state, len(found.failures)) == (LetterState.DISCARDED, 3)
        await index.note([a_letter(1, replays=2)])
        assert (await one(index)).letter.state is LetterState.DEAD

    @pytest.mark.parametrize("together", [True, False])
    async def test_topic_that_was_made_anew_brings_other_letters(
        self, index: DeadLetterIndex, *, together: bool
    ) -> None:
        """They go by their place in the DLQ, however often they are noted."""
        first = a_letter(1, value=b"old")
        anew = replace(a_letter(1, value=b"new"), origin=LetterOrigin("events", 0, 1, 7), dlq_offset=5, dlq_partition=2)
        again = replace(anew, dlq_offset=6)
        for batch in [[first, anew, again]] * 2 if together else [[first], [anew], [anew, again], [first]]:
            await index.note(batch)
        found = await index.get(["0-1", "dlq-2-5", "dlq-2-6"])
        assert [each.value for each in found] == [b"old", b"new", b"new"]
        assert [len(each.failures) for each in found] == [1, 1, 1]
        assert len(await all_of(index)) == 3

    async def test_letter_without_an_origin_is_known_by_its_id(self, index: DeadLetterIndex) -> None:
        """Its replay fails at another place, which is no origin."""
        await index.note([replace(a_letter(1), id="dlq-0-1", origin=None)])
        await index.note([replace(a_letter(9, replays=1), id="dlq-0-1")])
        found = await one(index, "dlq-0-1")
        assert (found.letter.replays, found.letter.origin, len(found.failures)) == (1, None, 2)

    async def test_those_who_note_the_same_at_once_note_it_once(self, letters: IndexUnderTest) -> None:
        """In whatever order each has them: nobody fails, and each failure is there once."""
        batch = [a_letter(number, replays=replays) for number in range(50) for replays in range(2)]
        anew = [replace(each, origin=LetterOrigin("events", 0, 1, 7), dlq_partition=1) for each in batch[::10]]
        orders: Sequence[Sequence[ReadLetter]] = [batch + anew, (batch + anew)[::-1], batch[::-1] + anew[::-1]] * 3
        await asyncio.gather(*(letters.index().note(order) for order in orders))
        found = await letters.index().get([f"0-{number}" for number in range(50)])
        assert [len(each.failures) for each in found] == [2] * 50 or sum(len(each.failures) for each in found) < 100
        everything = await all_of(letters.index())
        full = await letters.index().get([each.id for each in everything])
        failures = [(each.dlq_partition, each.dlq_offset) for one in full for each in one.failures]
        assert sorted(failures) == sorted((each.dlq_partition, each.dlq_offset) for each in batch + anew)


class ListContract(IndexContract):
    """Subclasses override the fixture `letters`."""

    @pytest.mark.parametrize(
        "wanted",
        [
            LetterFilter(ids=["0-1"]),
            LetterFilter(state=LetterState.DISCARDED),
            LetterFilter(kind=FailureKind.CONFLICT),
            LetterFilter(fingerprint="other"),
            LetterFilter(user_id="user-2"),
            LetterFilter(event_type="LOGOUT"),
            LetterFilter(event_id=UUID(int=77)),
            LetterFilter(error_class="Other"),
            LetterFilter(since=NOON + timedelta(hours=1)),
            LetterFilter(until=NOON),
        ],
    )
    async def test_each_filter_chooses_by_itself(self, index: DeadLetterIndex, wanted: LetterFilter) -> None:
        """One letter matches, and all others do not."""
        odd: Mapping[str, ReadLetter] = {
            "kind": replace(a_letter(1), kind=FailureKind.CONFLICT),
            "fingerprint": replace(a_letter(1), fingerprint="other"),
            "user_id": replace(a_letter(1), user_id="user-2"),
            "event_type": replace(a_letter(1), event_type="LOGOUT"),
            "event_id": replace(a_letter(1), event_id=UUID(int=77)),
            "error_class": replace(a_letter(1), error_class="Other"),
            "since": replace(a_letter(1), failed_at=NOON + timedelta(hours=1)),
            "until": replace(a_letter(1), failed_at=NOON - timedelta(microseconds=1)),
        }
        [field] = [name for name in LetterFilter.__slots__ if getattr(wanted, name) is not None]
        await index.note([odd.get(field, a_letter(1)), *(a_letter(number) for number in range(2, 6))])
        if field == "state":
            await index.change(LetterFilter(ids=["0-1"]), DISCARD, an_entry(DISCARD), 1)
        assert await ids(index, wanted) == ["0-1"]
        assert [group.sample for group in await index.groups(wanted, 10)] == ["0-1"]
        assert (await index.preview(wanted, Order(Action.DISCARD, "r"))).count == (0 if field == "state" else 1)

    async def test_filters_hold_together(self, index: DeadLetterIndex) -> None:
        """A letter has to match all of them."""
        await index.note([a_letter(1), replace(a_letter(2), user_id="user-2"), replace(a_letter(3), kind="conflict")])
        both = LetterFilter(user_id="user-1", kind="rejected", ids=["0-1", "0-2", "0-3", "0-4"])
        assert await ids(index, both) == ["0-1"]
        assert await ids(index, LetterFilter(ids=[])) == []
        assert await ids(index, LetterFilter(user_id="' OR TRUE --")) == []

    @pytest.mark.parametrize("odd", ["\0", "0-1\0", "\ud800", ""])
    async def test_text_that_nothing_can_hold_matches_nothing(self, index: DeadLetterIndex, odd: str) -> None:
        """As a client may ask for."""
        await index.note([a_letter(1)])
        for wanted in (LetterFilter(user_id=odd), LetterFilter(kind=odd, fingerprint="f"), LetterFilter(ids=[odd])):
            assert await ids(index, wanted) == []
            assert (await index.preview(wanted, DISCARD)).count == 0
        assert await ids(index, LetterFilter(ids=[odd, "0-1"])) == ["0-1"]
        assert [each.letter.id for each in await index.get([odd, "0-1"])] == ["0-1"]

    async def test_times_are_inclusive_and_exclusive(self, index: DeadLetterIndex) -> None:
        """From `since` on, before `until`."""
        await index.note([a_letter(number) for number in range(5)])
        wanted = LetterFilter(since=NOON + timedelta(seconds=1), until=NOON + timedelta(seconds=3))
        assert await ids(index, wanted) == ["0-2", "0-1"]

    @pytest.mark.parametrize("limit", [1, 3, 7, 30])
    async def test_pages_neither_repeat_nor_skip(self, index: DeadLetterIndex, limit: int) -> None:
        """Though many letters failed at one moment, and their ids sort otherwise as words."""
        batch = [replace(a_letter(number), failed_at=NOON + timedelta(seconds=number % 3)) for number in range(30)]
        batch = [*batch, replace(a_letter(40), id="dlq-0-1"), replace(a_letter(41), id="dlq--1-10")]
        await index.note(batch)
        seen: list[str] = []
        after: LetterCursor | None = None
        while True:
            page = await index.page(EVERYTHING, after, limit)
            seen += [letter.id for letter in page.letters]
            assert len(page.letters) == limit or page.following is None
            if (after := page.following) is None:
                break
        assert seen == [each.id for each in sorted(batch, key=lambda each: (each.failed_at, each.id), reverse=True)]

    async def test_letters_that_come_while_pages_are_read_disturb_nothing(self, index: DeadLetterIndex) -> None:
        """Newer ones are before the first page."""
        await index.note([a_letter(number) for number in range(4)])
        first = await index.page(EVERYTHING, None, 2)
        await index.note([a_letter(9)])
        second = await index.page(EVERYTHING, first.following, 2)
        assert [letter.id for letter in second.letters] == ["0-1", "0-0"]
        assert second.following is None

    async def test_groups_count_what_they_hold(self, index: DeadLetterIndex) -> None:
        """The largest first; the newest letter stands for the group."""
        await index.note(
            [
                replace(a_letter(1), message="old", user_id="a"),
                replace(a_letter(2), message="newer", user_id="b", error_class=None),
                replace(a_letter(3), message="older", user_id=None, first_failed_at=NOON - timedelta(days=1)),
                replace(a_letter(4), fingerprint="g", kind="conflict"),
                replace(a_letter(5), message="old", user_id="a", failed_at=NOON),
            ]
        )
        await index.note([replace(a_letter(2, replays=1), message="newest", error_class=None)])
        groups = await index.groups(EVERYTHING, 10)
        assert groups == [
            LetterGroup(
                fingerprint="f",
                kind="rejected",
                error_class=None,
                message="newest",
                count=4,
                users=2,
                first_failed_at=NOON - timedelta(days=1),
                failed_at=NOON + timedelta(seconds=2, minutes=1),
                oldest=NOON,
                sample="0-2",
            ),
            LetterGroup(
                fingerprint="g",
                kind="conflict",
                error_class="Refused",
                message="refused",
                count=1,
                users=1,
                first_failed_at=NOON + timedelta(seconds=4),
                failed_at=NOON + timedelta(seconds=4),
                oldest=NOON + timedelta(seconds=4),
                sample="0-4",
            ),
        ]
        assert await index.groups(EVERYTHING, 1) == groups[:1]
        assert await index.groups(LetterFilter(kind="conflict"), 10) == groups[1:]

    async def test_letters_are_found_in_the_order_asked_for(self, index: DeadLetterIndex) -> None:
        """Those that are not there are left out."""
        await index.note([a_letter(number) for number in range(3)])
        found = await index.get(["0-2", "none", "0-0", "dlq-0-1"])
        assert [each.letter.id for each in found] == ["0-2", "0-0"]
        assert await index.get([]) == []
