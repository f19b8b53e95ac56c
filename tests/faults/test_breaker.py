"""A topic that turns into nothing but poison: its partitions stop before all of it is dead letters."""

import pytest

from domain.stop import StopKind
from tests.faults.stage import Stage
from tests.support.waiting import eventually

_POISON = 250
_LETTERS_IN_A_ROW = 100
"""The default of DLQ_MAX_CONSECUTIVE."""
_STOPPED = 3
"""How many of four partitions turn into poison."""


@pytest.mark.quick
async def test_24_nothing_but_poison(stage: Stage) -> None:
    """Each such partition stops after 100 letters, also for a successor, until it is resumed; the others flow on."""
    await stage.topics.make(stage.topic, partitions=_STOPPED + 1)
    consumer = await stage.run("consumer")
    async with stage.kafka_load() as load, stage.blocks() as others:
        await load.acknowledged(stage.events // 2)
        for partition in range(_STOPPED):
            await others.append([b"{oops"] * _POISON, partition=partition)
        stage.struck_in_flight(load, "poison")
        load.pause = 0.25
        await _stopped_after(stage, _LETTERS_IN_A_ROW)
        await stage.flows(_STOPPED)
        await consumer.kill9()
        await stage.start("consumer")
        await stage.flows(_STOPPED)
        await _stopped_after(stage, _LETTERS_IN_A_ROW)
        await stage.resume()
        await _stopped_after(stage, 2 * _LETTERS_IN_A_ROW)
        await stage.resume()
        stage.healed()
        load.pause = 0.0
        await load.acknowledged(stage.events)
    seen = await stage.prove(load, others)
    assert len(seen.letters) == _STOPPED * _POISON


async def _stopped_after(stage: Stage, letters: int) -> None:
    """Return when the partitions are stopped again; fail unless each has so many letters then."""

    async def are_stopped() -> bool:
        return len(await stage.stops()) == _STOPPED

    await eventually(are_stopped, "stopped partitions")
    stops = await stage.stops()
    assert {stop.kind for stop in stops.values()} == {StopKind.STORM}
    assert len(await stage.letters()) == _STOPPED * letters
    stage.struck("partitions stopped", len(stops))
