"""Both processes get SIGTERM under load, while all is well and while Kafka or PostgreSQL is not there."""

import pytest

from tests.faults.stage import Stage
from tests.support.service import Service
from tests.support.waiting import eventually


@pytest.mark.quick
async def test_05_sigterm_under_load(stage: Stage) -> None:
    """Both end in order, with a line that counts what was left; their successors find nothing missing."""
    api, consumer = await stage.run_both()
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 2)
        stage.struck_in_flight(load, "both told to end")
        await stage.terminate(api, consumer)
        stage.struck("last words", len(api.lines("the producer was closed")) + len(consumer.lines("drained")))
        stage.healed()
        await stage.run_again(api)
        await stage.run_again(consumer)
        await load.acknowledged(stage.events)
    await stage.prove(load)


async def test_06_sigterm_with_kafka_down(stage: Stage) -> None:
    """Whether Kafka refuses connections or swallows all they carry, both end within the grace period."""
    api, consumer = await stage.run_both()
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 3)
        stage.struck_in_flight(load, "Kafka gone")
        await stage.brokers.refuse()
        stage.struck("connections cut", stage.brokers.connections_cut)
        await stage.terminate(api, consumer)
        await stage.heal()
        api, consumer = await stage.run_again(api), await stage.run_again(consumer)

        await load.acknowledged(stage.events * 2 // 3)
        stage.struck_in_flight(load, "Kafka silent")
        stage.brokers.blackhole()
        await stage.terminate(api, consumer)
        stage.struck("bytes swallowed", stage.brokers.withheld)
        stage.struck("records not acknowledged", _unacknowledged(api))
        await stage.heal()
        await stage.run_again(api)
        await stage.run_again(consumer)
        await load.acknowledged(stage.events)
    await stage.prove(load)


async def test_07_sigterm_with_postgresql_hung(stage: Stage) -> None:
    """Both end within the grace period; the batch that PostgreSQL never answered is read again."""
    api, consumer = await stage.run_both()
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 2)
        stage.postgres.freeze()
        asked = stage.db.seen.total()

        async def is_asked() -> bool:
            return stage.db.seen.total() > asked

        await eventually(is_asked, "a question to PostgreSQL")
        stage.struck_in_flight(load, "PostgreSQL hung")
        await stage.terminate(api, consumer)
        stage.struck("questions that PostgreSQL did not answer", stage.db.seen.total() - asked)
        # Not all of the questions are about events.
        (drained,) = consumer.lines("drained")
        stage.struck("records of batches that it did not answer", drained["unfinished"])
        await stage.heal()
        await stage.run_again(api)
        await stage.run_again(consumer)
        await load.acknowledged(stage.events)
    await stage.prove(load)


def _unacknowledged(api: Service) -> int:
    """How many records an api has counted in the end whose outcome it did not learn."""
    (line,) = api.lines("the producer was closed")
    return int(line["unacknowledged"])
