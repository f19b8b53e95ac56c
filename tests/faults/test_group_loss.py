"""Members that lose their partitions while a batch is in flight: the group goes on, and they do no harm."""

from itertools import pairwise
from signal import SIGCONT, SIGSTOP

import pytest

from tests.faults.evidence import Evidence
from tests.faults.stage import Stage
from tests.support.service import Service
from tests.support.waiting import eventually

_REFUSED = "stale generation: offsets not committed"
_IMPATIENT = "a rebalance does not wait any longer for in-flight batches"


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
        await zombie.logged(_REFUSED)
        stage.struck("commits of the zombie refused", len(zombie.lines(_REFUSED)))
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    stage.struck("duplicates found by the successor", len(successor.lines("event is a duplicate")))
    _assert_no_commit_went_back(seen)
    assert seen.letters == []


async def test_22_batch_slower_than_a_rebalance(stage: Stage) -> None:
    """The group shares anew without waiting for it for ever; the batch counts for nobody, and all is stored once."""
    # A batch may take longer than a rebalance waits for it, and the other one does not end it either.
    patience = {"DB_STATEMENT_TIMEOUT_SECONDS": "84", "SHUTDOWN_GRACE_SECONDS": "120"}
    slow = await stage.run("consumer", **patience)
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        commit = stage.db.hold("CopyDone")
        await commit.arrived()
        stage.struck_in_flight(load, "a batch becomes slow")
        await stage.start("consumer", **patience)
        await slow.logged(_IMPATIENT)
        stage.struck("rebalances that did not wait for a batch", len(slow.lines(_IMPATIENT)))
        commit.release()
        stage.healed()
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    _assert_no_commit_went_back(seen)
    assert seen.letters == []


async def _commits_of(stage: Stage, successor: Service) -> None:
    """Return when a successor has moved the group's offsets."""
    before = sum((await stage.committed()).values())

    async def have_moved() -> bool:
        return bool(successor.lines("event stored")) and sum((await stage.committed()).values()) > before

    await eventually(have_moved, "commits of the successor")


def _assert_no_commit_went_back(seen: Evidence) -> None:
    """A member that lost a partition has not moved its offset afterwards."""
    for before, after in pairwise(sorted(seen.commits, key=lambda each: each.partition)):
        assert before.partition != after.partition or before.offset <= after.offset, (before, after)
