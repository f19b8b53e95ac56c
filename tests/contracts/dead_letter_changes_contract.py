"""The contract of `DeadLetterIndex`, as far as letters are changed, forgotten and rebuilt."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from application.dead_letters.letters import Letter, LetterFilter, LetterState, ReadLetter
from application.dead_letters.orders import CountChanged, NewEntry, Skipped
from application.ports import DeadLetterIndex, NotEditable
from domain.errors import Unavailable
from tests.contracts.dead_letter_index_contract import (
    EVERYTHING,
    IndexContract,
    IndexUnderTest,
    all_of,
    entries,
    ids,
    one,
)
from tests.support.events import NOON, an_event
from tests.support.letters import DISCARD, REPLAY, RESTORE, a_letter, an_entry

EDIT = NewEntry("cli:me@here", "edit", {"ids": ["0-1"]}, "a typo")
REBUILD = NewEntry("cli:me@here", "rebuild", {}, "after a restore")
FIRST = LetterFilter(ids=["0-1"])


async def edit(index: DeadLetterIndex, letter_id: str = "0-1", value: bytes = b"edited") -> None:
    """Edit a letter that is dead."""
    event = an_event(event_id=UUID(int=99), user_id="user-9")
    assert await index.edit(letter_id, value, b"user-9", event, EDIT) is not None


class PreviewContract(IndexContract):
    """Subclasses override the fixture `letters`."""

    async def test_preview_describes_the_letters_concerned(self, index: DeadLetterIndex) -> None:
        """And changes nothing."""
        await index.note([a_letter(number, fingerprint="fg"[number % 2]) for number in range(15)])
        before = await all_of(index)
        preview = await index.preview(LetterFilter(until=NOON + timedelta(seconds=13)), DISCARD)
        assert (preview.count, dict(preview.skipped)) == (13, {})
        assert [(group.fingerprint, group.count) for group in preview.groups] == [("f", 7), ("g", 6)]
        assert (preview.oldest, preview.newest) == (NOON, NOON + timedelta(seconds=12))
        assert list(preview.sample) == [f"0-{number}" for number in range(12, 2, -1)]
        assert await all_of(index) == before

    async def test_preview_of_nothing_is_empty(self, index: DeadLetterIndex) -> None:
        """No letter, no time."""
        preview = await index.preview(EVERYTHING, REPLAY)
        assert (preview.count, preview.groups, preview.oldest, preview.newest, preview.sample) == (
            0,
            [],
            None,
            None,
            [],
        )

    async def test_preview_says_why_letters_are_left_alone(self, index: DeadLetterIndex) -> None:
        """Each for one reason."""
        conflict = replace(a_letter(5), kind="conflict")
        await index.note(
            [
                a_letter(0),
                replace(a_letter(1), id="dlq-0-1", origin=None),
                a_letter(2),
                a_letter(3, replays=2),
                a_letter(4, topic="others"),
                conflict,
                replace(a_letter(6), kind="conflict"),
                replace(a_letter(7, replays=1, edit=1), kind="conflict"),
            ]
        )
        await index.change(LetterFilter(ids=["0-2"]), DISCARD, an_entry(DISCARD), 1)
        await edit(index, "0-6")
        await edit(index, "0-7")
        order = replace(REPLAY, max_replays=2)
        preview = await index.preview(EVERYTHING, order)
        assert {*preview.sample} == {"0-0", "dlq-0-1", "0-6"}
        skipped = {Skipped.STATE: 1, Skipped.MAX_REPLAYS: 1, Skipped.FOREIGN: 1, Skipped.CONFLICT: 2}
        assert (preview.count, dict(preview.skipped)) == (3, skipped)
        preview = await index.preview(EVERYTHING, replace(order, new_event_id=True))
        assert {*preview.sample} == {"0-0", "dlq-0-1", "0-6", "0-5", "0-7"}
        assert Skipped.CONFLICT not in preview.skipped
        assert dict((await index.preview(EVERYTHING, DISCARD)).skipped) == {Skipped.STATE: 1}
        assert dict((await index.preview(EVERYTHING, RESTORE)).skipped) == {Skipped.STATE: 7}


class ChangeContract(IndexContract):
    """Subclasses override the fixture `letters`."""

    async def test_discarded_letters_can_be_restored(self, letters: IndexUnderTest, index: DeadLetterIndex) -> None:
        """Each order has its entry in the audit log."""
        await index.note([a_letter(number) for number in range(3)])
        started = datetime.now(UTC) - timedelta(minutes=1)
        assert await index.change(LetterFilter(ids=["0-0", "0-1"]), DISCARD, an_entry(DISCARD), 2) == 2
        assert await ids(index, LetterFilter(state=LetterState.DISCARDED)) == ["0-1", "0-0"]
        assert (await one(index)).letter.changed_at > started
        assert await index.change(EVERYTHING, RESTORE, an_entry(RESTORE, "cli:me@here"), None) == 2
        assert {letter.state for letter in await all_of(index)} == {LetterState.DEAD}
        restored, discarded = await entries(letters)
        assert (restored.who, restored.action, restored.reason) == ("cli:me@here", "restore", "ours after all")
        assert (discarded.wanted, discarded.counts) == ({"kind": "rejected"}, {"letters": 2})
        assert restored.id > discarded.id

    @pytest.mark.parametrize("expected", [0, 1, 4])
    async def test_unexpected_number_changes_nothing(
        self, letters: IndexUnderTest, index: DeadLetterIndex, expected: int
    ) -> None:
        """Neither letters nor the audit log."""
        await index.note([a_letter(number) for number in range(3)])
        with pytest.raises(CountChanged) as raised:
            await index.change(EVERYTHING, DISCARD, an_entry(DISCARD), expected)
        assert (raised.value.expected, raised.value.found) == (expected, 3)
        assert {letter.state for letter in await all_of(index)} == {LetterState.DEAD}
        assert await entries(letters) == []

    async def test_letters_are_changed_by_one_of_many_who_try_at_once(self, letters: IndexUnderTest) -> None:
        """Each letter belongs to one entry of the audit log."""
        await letters.index().note([a_letter(number) for number in range(40)])
        parts = [LetterFilter(ids=[f"0-{number}" for number in order]) for order in (range(30), range(39, 9, -1))]
        changed = await asyncio.gather(
            *(letters.index().change(part, DISCARD, an_entry(DISCARD), None) for part in parts * 5)
        )
        assert sum(changed) == 40
        assert sum(entry.counts["letters"] for entry in await entries(letters)) == 40

    async def test_letters_are_noted_while_others_change(self, letters: IndexUnderTest) -> None:
        """Nobody fails; a letter that failed again is dead, whoever came first."""
        batch = [a_letter(number) for number in range(100)]
        await letters.index().note(batch)
        again = [a_letter(number, replays=1) for number in reversed(range(0, 100, 2))]
        await asyncio.gather(
            *(letters.index().note(batch) for _ in range(3)),
            letters.index().change(EVERYTHING, DISCARD, an_entry(DISCARD), None),
            letters.index().note(again),
            letters.index().change(EVERYTHING, RESTORE, an_entry(RESTORE), None),
            letters.index().change(EVERYTHING, DISCARD, an_entry(DISCARD), None),
        )
        found = await letters.index().get([each.id for each in batch])
        assert [len(each.failures) for each in found] == [2, 1] * 50
        assert [each.letter.replays for each in found] == [1, 0] * 50


class EditContract(IndexContract):
    """Subclasses override the fixture `letters`."""

    async def test_edited_letter_shows_what_its_new_value_holds(
        self, letters: IndexUnderTest, index: DeadLetterIndex
    ) -> None:
        """The original value stays."""
        await index.note([a_letter(1), a_letter(2)])
        before = await one(index)
        event = an_event(event_id=UUID(int=99), user_id="user-9")
        made = await index.edit("0-1", b"edited", b"user-9", event, EDIT)
        assert made is not None
        assert (made.number, made.who, made.reason, made.value) == (1, "cli:me@here", "a typo", b"edited")
        found = await one(index)
        shown = replace(before.letter, edits=1, event_id=event.id, user_id="user-9", value_bytes=6)
        assert found == replace(before, letter=replace(shown, event_type=event.event_type), edits=[made])
        assert found.present_value == b"edited"
        assert await ids(index, LetterFilter(user_id="user-9")) == ["0-1"]
        [entry] = await entries(letters)
        assert (entry.at, entry.action, entry.wanted) == (made.at, "edit", {"ids": ["0-1"]})
        assert (await one(index, "0-2")).edits == []

    async def test_later_failure_leaves_the_edit(self, index: DeadLetterIndex) -> None:
        """Though the record that failed had the edited value."""
        await index.note([a_letter(1, value=b"original")])
        await edit(index)
        await index.note([replace(a_letter(1, replays=1, edit=1, value=b"edited"), kind="conflict")])
        found = await one(index)
        assert (found.value, found.present_value, found.letter.user_id) == (b"original", b"edited", "user-9")
        assert [failure.edit for failure in found.failures] == [0, 1]

    async def test_letter_that_is_not_there_is_not_edited(self, letters: IndexUnderTest) -> None:
        """Nor is there an entry in the audit log."""
        for letter_id in ("0-1", "\0"):
            assert await letters.index().edit(letter_id, b"edited", None, an_event(), EDIT) is None
        assert await entries(letters) == []

    async def test_only_dead_letters_are_edited(self, letters: IndexUnderTest, index: DeadLetterIndex) -> None:
        """The last word on the others has been said."""
        await index.note([a_letter(1)])
        await index.change(EVERYTHING, DISCARD, an_entry(DISCARD), 1)
        with pytest.raises(NotEditable):
            await index.edit("0-1", b"edited", None, an_event(), EDIT)
        assert (await one(index)).edits == []
        assert len(await entries(letters)) == 1

    async def test_edits_at_once_are_numbered_one_by_one(self, letters: IndexUnderTest) -> None:
        """The last one is the present value."""
        await letters.index().note([a_letter(1)])
        made = await asyncio.gather(
            *(letters.index().edit("0-1", b"%d" % number, None, an_event(), EDIT) for number in range(8))
        )
        assert sorted(each.number for each in made if each is not None) == list(range(1, 9))
        found = await one(letters.index())
        assert [each.number for each in found.edits] == list(range(1, 9))
        assert found.letter.edits == 8

    async def test_edit_comes_before_a_discard_or_not_at_all(self, letters: IndexUnderTest) -> None:
        """Whoever comes first."""
        batch = [a_letter(number) for number in range(10)]
        await letters.index().note(batch)
        tries = [letters.index().edit(each.id, b"edited", None, an_event(), EDIT) for each in batch]
        discard = letters.index().change(EVERYTHING, DISCARD, an_entry(DISCARD), 10)
        *outcomes, count = await asyncio.gather(*tries[:5], discard, *tries[5:], return_exceptions=True)
        assert {each.state for each in await all_of(letters.index())} == {LetterState.DISCARDED}
        edited = sum(each.edits for each in await all_of(letters.index()))
        assert edited == 10 - sum(isinstance(each, NotEditable) for each in [*outcomes, count])
        assert len(await entries(letters)) == edited + 1


class DueContract(IndexContract):
    """Subclasses override the fixture `letters`."""

    async def test_delay_doubles_with_each_replay_up_to_six_hours(self, index: DeadLetterIndex) -> None:
        """Half a minute on either side of the moment; no more often than is allowed."""
        minutes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]
        now = datetime.now(UTC)
        batch = []
        for replays, delay in enumerate(minutes):
            for number, seconds in enumerate((-30, 30)):
                failed_at = now - timedelta(minutes=delay, seconds=seconds)
                letter = a_letter(2 * replays + number, replays=replays, kind="exhausted")
                batch.append(replace(letter, failed_at=failed_at))
        await index.note(batch)
        assert await index.due("exhausted", 10, 100) == [f"0-{2 * replays + 1}" for replays in range(9, -1, -1)]
        assert await index.due("exhausted", 11, 2) == ["0-19", "0-21"]
        assert await index.due("rejected", 10, 100) == []

    async def test_only_dead_letters_of_the_topic_are_due(self, index: DeadLetterIndex) -> None:
        """Not discarded ones, nor those of others."""
        await index.note([a_letter(0), a_letter(1), a_letter(2, topic="others")])
        await index.change(FIRST, DISCARD, an_entry(DISCARD), 1)
        assert await index.due("rejected", 5, 100) == ["0-0"]


class ForgetContract(IndexContract):
    """Subclasses override the fixture `letters`."""

    async def test_finished_letters_are_forgotten_after_a_time(self, index: DeadLetterIndex) -> None:
        """With their history; dead ones stay, however old."""
        await index.note([a_letter(number) for number in range(3)])
        await index.change(FIRST, DISCARD, an_entry(DISCARD), 1)
        assert await index.forget(datetime.now(UTC) - timedelta(minutes=1)) == 0
        assert await index.forget(datetime.now(UTC) + timedelta(minutes=1)) == 1
        assert await ids(index) == ["0-2", "0-0"]
        assert await index.get(["0-1"]) == []
        await index.note([replace(a_letter(1), dlq_offset=99)])
        assert len((await one(index)).failures) == 1


async def batches(*given: Sequence[ReadLetter]) -> AsyncIterator[Sequence[ReadLetter]]:
    """Give batches one after the other, as a reader of the DLQ does."""
    for batch in given:
        await asyncio.sleep(0)
        yield batch


class RebuildContract(IndexContract):
    """Subclasses override the fixture `letters`."""

    async def test_rebuilt_index_holds_what_the_topic_says(
        self, letters: IndexUnderTest, index: DeadLetterIndex
    ) -> None:
        """And nothing else; the audit log has an entry."""
        await index.note([a_letter(1), a_letter(2), a_letter(2, replays=1)])
        assert await index.rebuild(batches([a_letter(2)], [], [a_letter(3), a_letter(3)]), REBUILD) == 2
        assert await ids(index) == ["0-3", "0-2"]
        assert len((await one(index, "0-2")).failures) == 1
        [entry] = await entries(letters)
        assert (entry.action, entry.who, entry.counts) == ("rebuild", "cli:me@here", {"letters": 2})
        assert await index.rebuild(batches(), REBUILD) == 0
        assert await ids(index) == []

    async def test_discards_restores_and_edits_outlive_a_rebuild(self, index: DeadLetterIndex) -> None:
        """The last word on each letter stands, with its time."""
        batch = [a_letter(number) for number in range(6)]
        await index.note(batch)
        for numbers, order in [((1, 2, 3), DISCARD), ((2, 3), RESTORE), ((3,), DISCARD)]:
            await index.change(LetterFilter(ids=[f"0-{each}" for each in numbers]), order, an_entry(order), None)
        for letter_id in ("0-2", "0-4", "0-4"):
            await edit(index, letter_id)
        before = await index.get([each.id for each in batch])
        assert await index.rebuild(batches(batch[3:], batch[:3]), REBUILD) == 6
        after = await index.get([each.id for each in batch])
        assert after == before

    async def test_rebuild_that_fails_midway_leaves_the_old_index(
        self, letters: IndexUnderTest, index: DeadLetterIndex
    ) -> None:
        """Whole, without an entry in the audit log; the next one succeeds."""
        await index.note([a_letter(1), a_letter(2)])
        before = await index.get(["0-1", "0-2"])

        async def broken() -> AsyncIterator[Sequence[ReadLetter]]:
            yield [a_letter(1, replays=1), a_letter(3)]
            raise Unavailable("the log is away")

        with pytest.raises(Unavailable, match="the log is away"):
            await index.rebuild(broken(), REBUILD)
        assert await ids(index) == ["0-2", "0-1"]
        assert await index.get(["0-1", "0-2"]) == before
        assert await entries(letters) == []
        assert await index.rebuild(batches([a_letter(3)]), REBUILD) == 1

    async def test_old_index_is_seen_until_the_new_one_is_whole(self, letters: IndexUnderTest) -> None:
        """Whoever notes meanwhile waits, and what they note is in the new one."""
        index = letters.index()
        await index.note([a_letter(1)])
        seen: list[Sequence[Letter]] = []
        noting: list[asyncio.Task[None]] = []

        async def slow() -> AsyncIterator[Sequence[ReadLetter]]:
            yield [a_letter(2)]
            noting.append(asyncio.create_task(letters.index().note([a_letter(3)])))
            seen.append(await all_of(letters.index()))
            yield [a_letter(4)]

        assert await index.rebuild(slow(), REBUILD) == 2
        await asyncio.gather(*noting)
        assert [[letter.id for letter in each] for each in seen] == [["0-1"]]
        assert await ids(index) == ["0-4", "0-3", "0-2"]

    async def test_index_is_rebuilt_by_several_one_after_the_other(self, letters: IndexUnderTest) -> None:
        """And with those who note at once."""
        batch = [a_letter(number) for number in range(20)]
        await letters.index().note(batch)
        await asyncio.gather(
            *(letters.index().rebuild(batches(batch[:10], batch[10:]), REBUILD) for _ in range(3)),
            *(letters.index().note(batch[::-1]) for _ in range(3)),
        )
        found = await letters.index().get([each.id for each in batch])
        assert [len(each.failures) for each in found] == [1] * 20
