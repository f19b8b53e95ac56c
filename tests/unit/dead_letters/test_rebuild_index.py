"""Building the index again."""

import pytest

from application.dead_letters.orders import NewEntry
from application.dead_letters.rebuild_index import RebuildIndex
from domain.errors import WrongDeployment
from tests.unit.dead_letters.worlds import World, a_letter


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
