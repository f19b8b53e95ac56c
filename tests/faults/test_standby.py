"""The database's server is lost, and its standby takes its place."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.postgres.schema.migrate import migrate
from tests.faults.servers import starter
from tests.faults.stage import Stage
from tests.support.standby import Replicated, replicated
from tests.support.waiting import eventually

_HASTE = {"DB_LOCK_TIMEOUT_SECONDS": "0.5", "DB_STATEMENT_TIMEOUT_SECONDS": "1"}
"""Nobody waits long for the standby."""
_WAITS = 6
"""So many waits for the standby are cut short that some are those of batches that were stored already."""


@pytest.fixture
async def servers() -> AsyncIterator[Replicated]:
    """Two servers; each commit waits for both."""
    loop, running = asyncio.get_running_loop(), replicated({"fsync": "off", "track_commit_timestamp": "on"})
    made = await loop.run_in_executor(starter, running.__enter__)
    yield made
    await loop.run_in_executor(starter, running.__exit__, None, None, None)


@pytest.mark.quick
async def test_36_primary_is_lost_while_its_standby_is_away(stage: Stage, servers: Replicated) -> None:
    """Rows that no standby has are visible, and found as duplicates; no offset passes them all the same."""
    primary = replace(stage, database=servers.server.admin)
    await migrate(primary.database)
    stage.db.server_port = primary.database.port
    await primary.run("consumer", **_HASTE)
    async with primary.kafka_load() as load:
        await load.acknowledged(stage.events // 3)
        await primary.flows(0)
        replicated_rows = len(await primary.ids())
        load.pause = 0.2
        await asyncio.to_thread(servers.standby.stop)
        earlier = _waits_cut_short(servers)

        async def are_cut_short() -> bool:
            return _waits_cut_short(servers) >= earlier + _WAITS

        await eventually(are_cut_short, f"{_WAITS} waits for the standby that were cut short", within=60)
        stage.struck("rows that no standby has", len(await primary.ids()) - replicated_rows)
        await load.busy()
        stage.struck_in_flight(load, "primary lost")
        await servers.promote()
        promoted = replace(primary, database=servers.on_standby(primary.database))
        stage.struck("waits for the standby cut short", _waits_cut_short(servers) - earlier)
        stage.db.server_port = promoted.database.port
        load.pause = 0.0
        await promoted.heal()
        await load.acknowledged(stage.events)
    seen = await promoted.prove(load)
    assert seen.letters == []


def _waits_cut_short(servers: Replicated) -> int:
    return servers.primary.log.read_text().count("canceling wait for synchronous replication")
