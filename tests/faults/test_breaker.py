"""A topic that turns into nothing but poison: its partitions are halted before all of it is dead letters."""

import pytest

from application.ports import HaltKind
from tests.faults.stage import Stage
from tests.support.waiting import eventually

_POISON = 250
_DLQ_LIMIT = 100
"""The default of DLQ_MAX_CONSECUTIVE."""
_HALTED = 3
"""How many of four partitions turn into poison."""


@pytest.mark.quick
async def test_24_nothing_but_poison(stage: Stage) -> None:
    """Each of these is halted after 100 dead letters, also for a successor, until it is resumed; the others go on."""
    await stage.topics.make(stage.topic, partitions=_HALTED + 1)
    consumer = await stage.run("consumer")
    async with stage.kafka_load() as load, stage.blocks() as others:
        await load.acknowledged(stage.events // 2)
        for partition in range(_HALTED):
            await others.append([b"{oops"] * _POISON, partition=partition)
        stage.struck_in_flight(load, "poison")
        load.pause = 0.25
        await _halted_after(stage, _DLQ_LIMIT)
        await stage.flows(_HALTED)
        await consumer.kill9()
        await stage.start("consumer")
        await stage.flows(_HALTED)
        await _halted_after(stage, _DLQ_LIMIT)
        await stage.resume()
        await _halted_after(stage, 2 * _DLQ_LIMIT)
        await stage.resume()
        stage.healed()
        load.pause = 0.0
        await load.acknowledged(stage.events)
    seen = await stage.prove(load, others)
    assert len(seen.letters) == _HALTED * _POISON


async def _halted_after(stage: Stage, letters: int) -> None:
    """Return when the partitions are halted again; fail unless each has so many dead letters then."""

    async def are_halted() -> bool:
        return len(await stage.halts()) == _HALTED

    await eventually(are_halted, "halted partitions")
    halts = await stage.halts()
    assert {halt.kind for halt in halts.values()} == {HaltKind.DLQ_LIMIT}
    assert len(await stage.letters()) == _HALTED * letters
    stage.struck("partitions halted", len(halts))
