"""What a reader of Kafka does where the log has gaps, ends too early, or says nothing."""

import asyncio
from contextlib import aclosing

import pytest
from aiokafka import AIOKafkaProducer

from adapters.kafka.connection import Brokers
from adapters.kafka.log_reader import KafkaLogReader
from application.ports import Span
from domain.errors import Unavailable, WrongDeployment
from tests.support.kafka import KafkaServer
from tests.support.records import NewRecord, Topics


async def offsets(reader: KafkaLogReader, start: int, end: int) -> list[int]:
    """Read a range of the only partition, of which retention took nothing."""
    async with aclosing(reader.read(0, start, end)) as reading:
        stretches = [stretch async for stretch in reading]
    assert sum(stretch.deleted for stretch in stretches) == 0
    found = [record.offset for stretch in stretches for record in stretch.records]
    assert len(found) + sum(stretch.transaction_marks for stretch in stretches) == max(end - start, 0)
    return found


async def test_transactions_leave_gaps_that_are_passed_over(kafka: KafkaServer) -> None:
    """Their marks and what was aborted are no records, also at the end of the range; what is open is not yet there."""
    topic = await kafka.new_topic()
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=topic)
    async with producer:
        for is_wanted in (True, False, True, False):
            await producer.begin_transaction()
            await asyncio.gather(*[await producer.send(topic, b"x") for _ in range(2)])
            await (producer.commit_transaction if is_wanted else producer.abort_transaction)()
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"x")
        reader = KafkaLogReader(Brokers(kafka.bootstrap), topic)
        assert await reader.spans() == {0: Span(0, 12)}
        assert await offsets(reader, 0, 12) == [0, 1, 6, 7]
        assert await offsets(reader, 1, 7) == [1, 6]
        assert await offsets(reader, 2, 6) == []
        await producer.abort_transaction()


async def test_log_that_was_made_anew_is_not_read_on(kafka: KafkaServer) -> None:
    """It ends before the place that it had reached."""
    topics = Topics(kafka.bootstrap)
    topic = await kafka.new_topic()
    await topics.send(topic, [NewRecord(b"x")] * 2)
    with pytest.raises(WrongDeployment, match=f"{topic}, partition 0, offset 5: the log was truncated or made anew"):
        await offsets(KafkaLogReader(Brokers(kafka.bootstrap), topic), 5, 9)


async def test_silence_of_the_brokers_is_bounded(kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they have what they do not give, nobody waits for ever."""
    monkeypatch.setattr("adapters.kafka.log_reader._SILENCE_SECONDS", 1.0)
    topics = Topics(kafka.bootstrap)
    topic = await kafka.new_topic()
    await topics.send(topic, [NewRecord(b"x")] * 2)
    with pytest.raises(Unavailable, match=f"{topic}, partition 0, offset 2: nothing came within 1 s"):
        await offsets(KafkaLogReader(Brokers(kafka.bootstrap), topic), 0, 3)


async def test_brokers_that_are_down_are_unavailable() -> None:
    """Whatever they are asked."""
    reader = KafkaLogReader(Brokers("127.0.0.1:1"), "events")
    with pytest.raises(Unavailable, match="KafkaConnectionError"):
        await reader.spans()
    with pytest.raises(Unavailable, match="KafkaConnectionError"):
        await offsets(reader, 0, 1)
