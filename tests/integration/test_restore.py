"""A database that is put back to an earlier state, as `docs/operations.md` says."""

from dataclasses import replace
from uuid import uuid4

from tests.support.command import user_events
from tests.support.events import an_event
from tests.support.postgres import PostgresServer
from tests.support.records import NewRecord
from tests.support.world import World, as_records


async def test_restored_database_gets_its_rows_back_from_the_log(world: World, postgres: PostgresServer) -> None:
    """The audit names what is missing; setting the group's offsets back stores just that, and the audit is content."""
    saved, lost = [an_event() for _ in range(10)], [an_event() for _ in range(10)]
    poison = NewRecord(b"{oops", partition=1)
    await world.make_topic(partitions=2)
    await world.send(*as_records(saved, partitions=2))
    consumer = await world.run("consumer")
    await world.consumed(len(saved))
    assert await consumer.terminate() == 0
    backup = await _copy(world, postgres)

    consumer = await world.run("consumer")
    await world.send(*as_records(lost, partitions=2), poison)
    await world.consumed(len(saved) + len(lost) + 1)
    assert await consumer.terminate() == 0

    restored = replace(world, database=replace(world.database, name=backup))
    try:
        assert await restored.ids() == {event.id for event in saved}
        audited = await user_events("audit", environment=restored.environment)
        assert audited.exit_code == 1
        assert sum(str(event.id) in audited.stdout for event in lost) == len(lost)

        await world.topics.reset(world.group, world.topic)
        consumer = await restored.run("consumer")
        await restored.stored({event.id for event in [*saved, *lost]})
        await restored.consumed(len(saved) + len(lost) + 1)
        assert await consumer.terminate() == 0
        audited = await user_events("audit", environment=restored.environment)
        assert audited.exit_code == 0, audited.stdout
        # The record that was a dead letter before is one again; each names the same origin.
        letters = await restored.letters()
        assert [dict(letter.headers)["dlq.offset"] for letter in letters] == [b"10", b"10"]
    finally:
        await postgres.drop(backup)


async def _copy(world: World, postgres: PostgresServer) -> str:
    """Copy the database as it is at this moment, which is what a backup restores."""
    name = f"backup_{uuid4().hex}"
    await postgres.create(name, template=world.database.name)
    return name
