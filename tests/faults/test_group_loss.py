"""Members that lose their partitions while a batch is in their hands: the group goes on, and they do no harm."""

import asyncio
from itertools import pairwise
from signal import SIGCONT, SIGSTOP

import pytest

from tests.faults.evidence import Evidence
from tests.faults.kafka_load import KafkaLoad
from tests.faults.stage import Stage
from tests.support.proxy import Held
from tests.support.service import Service
from tests.support.waiting import eventually

_REBALANCE_SECONDS = 60.0
"""How long the group waits for a member to join again."""
_PILE = 4_000
"""More records than a COPY keeps to itself before it writes rows, which others then have to wait for."""
_COPIED = """
SELECT tuples_processed FROM pg_stat_progress_copy JOIN pg_stat_activity USING (pid)
WHERE relid = 'events'::regclass AND wait_event = 'ClientRead' ORDER BY query_start LIMIT 1
"""
"""How many rows the oldest COPY has that waits for its client."""


@pytest.mark.quick
async def test_08_zombie_wakes_after_its_session(stage: Stage) -> None:
    """What a frozen consumer had stored is found as duplicates by its successor, and its late commit is refused."""
    zombie = await stage.run("consumer")
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        commit = stage.brokers.hold("OffsetCommit")
        await commit.arrived()
        stage.struck_in_flight(load, "consumer frozen")
        zombie.signal(SIGSTOP)
        successor = await stage.run("consumer")
        await _commits_of(stage, successor)
        zombie.signal(SIGCONT)
        commit.release()
        stage.healed()
        await zombie.logged("batch superseded: it is read again")
        stage.struck("batches of the zombie superseded", len(zombie.lines("batch superseded: it is read again")))
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    stage.struck("duplicates found by the successor", len(successor.lines("event is a duplicate")))
    _assert_no_commit_went_back(seen)
    assert seen.letters == []


async def test_22_batch_slower_than_a_rebalance(stage: Stage) -> None:
    """The group shares anew without waiting for it for ever; the batch counts for nobody, and all is stored once."""
    # A batch may take longer than the group waits for a member, and the other one does not end it either.
    patience = {"DB_STATEMENT_TIMEOUT_SECONDS": "84", "SHUTDOWN_GRACE_SECONDS": "120"}
    slow = await stage.run("consumer", **patience)
    async with stage.kafka_load(most=2 * stage.events) as load:
        await load.acknowledged(stage.events // 2)
        commit = await _commit_of_a_pile(stage, load)
        stage.struck_in_flight(load, "a batch becomes slow")
        other = await stage.start("consumer", **patience)
        await slow.logged("a rebalance did not wait any longer for the batch in flight")
        await asyncio.sleep(_REBALANCE_SECONDS)
        commit.release()
        stage.healed()
        await slow.logged("batch superseded: it is read again")
        stage.struck("slow batches superseded", len(slow.lines("batch superseded: it is read again")))
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    stage.struck("partitions held by the other meanwhile", len(other.lines("holding")))
    _assert_no_commit_went_back(seen)
    assert seen.letters == []


async def _commit_of_a_pile(stage: Stage, load: KafkaLoad) -> Held:
    """Keep back the end of a COPY that holds many records.

    Some hold what was fetched before there were many: the one that waits for the pile, those that were read ahead
    beside it, and the one that the client had fetched by then.
    """
    held = stage.db.hold("CopyDone")
    await held.arrived()
    await load.acknowledged(load.history.acknowledged + _PILE)
    while await _copied(stage) < _PILE // 2:
        before, held = held, stage.db.hold("CopyDone")
        before.release()
        await held.arrived()
    return held


async def _copied(stage: Stage) -> int:
    """Count the rows of the COPY whose end is kept back, once the database has taken all of them."""
    found: list[int] = []

    async def waits() -> bool:
        found[:] = [rows for (rows,) in await stage.query(_COPIED)]
        return bool(found)

    await eventually(waits, "a COPY that waits for its end")
    return found[0]


async def _commits_of(stage: Stage, successor: Service) -> None:
    """Return when a successor has moved the group's offsets."""
    before = sum((await stage.committed()).values())

    async def have_moved() -> bool:
        return bool(successor.lines("event stored")) and sum((await stage.committed()).values()) > before

    await eventually(have_moved, "commits of the successor")


def _assert_no_commit_went_back(seen: Evidence) -> None:
    """Whoever lost a partition has not moved its offset behind the successor's back."""
    for before, after in pairwise(sorted(seen.commits, key=lambda each: each.partition)):
        assert before.partition != after.partition or before.offset <= after.offset, (before, after)
