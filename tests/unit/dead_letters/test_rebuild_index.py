"""Building the index again."""

from dataclasses import replace

import pytest

from adapters.memory import MemoryDeadLetterIndex, MemoryReplayPublisher, MemorySource
from adapters.memory.dead_letters.letters import MemoryLetters
from application.dead_letters.index_letters import IndexLetters
from application.dead_letters.jobs import ReplayItem
from application.dead_letters.letters import LetterInFull
from application.dead_letters.orders import NewEntry
from application.dead_letters.rebuild_index import RebuildIndex
from domain.errors import WrongDeployment
from tests.support.events import NOON, a_dead_letter
from tests.support.waiting import eventually
from tests.unit.dead_letters.worlds import GROUP, Running, World, a_letter


async def test_index_is_built_of_the_dlq_and_of_what_it_refused() -> None:
    """From the DLQ's beginning to its present end; pointers count once."""
    world = World()
    await world.dead_letters(*range(1, 1_201))
    world.log.append("dlq", b"legacy", b"{", partition=1)
    await world.oversize.keep(a_letter(2_000), "InvalidRecordError")
    await world.oversize.keep(a_letter(2_001))
    rebuild = RebuildIndex(world.reader, world.records, world.index.port)
    progress: list[tuple[int, int]] = []
    assert await rebuild("cli:me@here", "a new index", lambda *told: progress.append(told)) == 1_202
    assert progress == sorted(progress)
    assert progress[-1] == (1_201, 1_201)
    assert {*world.index.noted} == {*(f"0-{offset}" for offset in range(1, 1_201)), "0-2000", _legacy(world)}
    assert max(map(len, world.index.batches)) <= 500
    assert world.index.entries == [NewEntry("cli:me@here", "rebuild", {}, "a new index")]


def _legacy(world: World) -> str:
    record = next(record for record in world.log.records("dlq") if record.key == b"legacy")
    return f"dlq-{record.partition}-{record.offset}"


async def test_nothing_is_replaced_where_the_dlq_cannot_be_read() -> None:
    """The error is the caller's."""
    world = World()
    world.reader.outage = WrongDeployment("kafka: no right")
    with pytest.raises(WrongDeployment, match="no right"):
        await RebuildIndex(world.reader, world.records, world.index.port)("api", "why not")
    assert world.index.batches == []


async def test_rebuilt_index_is_the_one_that_was_kept_up_to_date() -> None:
    """Letters of ours and of others, each with the failure of its replay."""
    world = World()
    world.log.make("events")
    index = MemoryDeadLetterIndex(MemoryLetters(), "events")
    source = MemorySource(world.log, "dlq", GROUP)
    indexer = IndexLetters(source, index, world.records)
    await source.open()
    await world.dlq.send([a_letter(1)])
    world.log.append("dlq", b"legacy", b"[]", partition=1)
    legacy = _legacy(world)

    async def has_noted(failures: int) -> bool:
        return sum(len(letter.failures) for letter in await index.get(["0-1", legacy])) == failures

    async with Running(indexer):
        await eventually(lambda: has_noted(2), "both letters")
        items = [_replay_of(letter) for letter in await index.get(["0-1", legacy])]
        await MemoryReplayPublisher(world.log, "events").publish(items)
        await world.dlq.send([a_dead_letter(record) for record in world.log.records("events")])
        await eventually(lambda: has_noted(4), "the failures of both replays")
    kept = await index.get(["0-1", legacy])
    assert await RebuildIndex(world.reader, world.records, index)("api", "as before") == 2
    rebuilt = await index.get(["0-1", legacy])
    assert [{failure.replays for failure in letter.failures} for letter in rebuilt] == [{0, 1}, {0, 1}]
    assert [_lasting(letter) for letter in rebuilt] == [_lasting(letter) for letter in kept]


def _replay_of(found: LetterInFull) -> ReplayItem:
    letter = found.letter
    own = (letter.origin, letter.first_failed_at, found.key, found.value, found.headers)
    return ReplayItem(letter.id, 1, 0, *own, needs_new_id=False)


def _lasting(found: LetterInFull) -> LetterInFull:
    """Leave out when the state changed, which is when the index was written."""
    return replace(found, letter=replace(found.letter, changed_at=NOON))
