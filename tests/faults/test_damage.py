"""What the client loses when it fails on what it was sent."""

import signal

import pytest

from tests.faults.stage import Stage


@pytest.mark.quick
async def test_34_damaged_answer(stage: Stage) -> None:
    """The client drops what it read beside a record whose checksum is wrong, and the service reads it again."""
    await stage.topics.make(stage.topic, partitions=9)
    consumer = await stage.run("consumer")
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        # So much waits for it meanwhile that the next answers contain records of all partitions.
        consumer.signal(signal.SIGSTOP)
        await load.more(stage.events // 4)
        # One answer of each broker, beside those of the others; a record that is wrong each time it is
        # read halts its partition.
        for answers in stage.brokers.answers:
            answers.damage = (b'"seq": ', b'"SEQ": ')
        consumer.signal(signal.SIGCONT)
        await consumer.logged("reading again what could not be read")
        stage.struck_in_flight(load, "answer damaged")
        stage.healed()
        await load.acknowledged(stage.events)
    await stage.prove(load)
    stage.struck("answers damaged", sum(answers.damaged for answers in stage.brokers.answers))
