"""The contract of `EventPublisher`."""

import asyncio
import time
from typing import ClassVar

import pytest

from adapters.records import codec
from application.ports import Receipt
from domain.errors import Rejected
from tests.contracts.harness import LogContract, LogUnderTest
from tests.support.events import an_event, decode
from tests.support.waiting import PATIENCE


class PublisherContract(LogContract):
    """Subclasses override the fixture `log` and, where the log knows no such thing, the flags."""

    limits_record_size: ClassVar[bool] = True

    async def test_receipt_has_partition_and_offset(self, log: LogUnderTest) -> None:
        """One receipt an event, in order, and there the log has exactly that event."""
        events = [an_event(f"user-{number}") for number in range(20)]
        receipts = await (await log.publisher()).publish(events)
        stored = {Receipt(record.partition, record.offset): decode(record) for record in await log.records()}
        assert [stored[receipt] for receipt in receipts if isinstance(receipt, Receipt)] == events

    async def test_receipts_of_a_long_call_have_each_offset(self, log: LogUnderTest) -> None:
        """However the log divides it, and while single events of the same users are published beside it."""
        publisher = await log.publisher()
        events = [an_event(f"user-{number % 9}", b'{"a":"%s"}' % (b"x" * 500)) for number in range(300)]
        singles = [an_event(f"user-{number % 9}") for number in range(30)]
        async with asyncio.timeout(PATIENCE):
            receipts, *others = await asyncio.gather(
                publisher.publish(events), *(publisher.publish([single]) for single in singles)
            )
        stored = {Receipt(record.partition, record.offset): decode(record) for record in await log.records()}
        told = [*receipts, *(receipt for [receipt] in others)]
        assert [stored.pop(receipt) for receipt in told if isinstance(receipt, Receipt)] == [*events, *singles]
        assert stored == {}
        assert all(
            own == sorted(own)
            for user in range(9)
            if (own := [receipt for receipt in receipts[user::9] if isinstance(receipt, Receipt)])
        )

    async def test_record_keeps_the_format_of_the_legacy_service(self, log: LogUnderTest) -> None:
        """Key, value, header and time are what any other consumer of the topic expects; the payload is verbatim."""
        before = time.time() * 1000
        event = an_event("Jörg", b'{ "b": 1.0, "a": "\\u00e4 \xc3\xa4" }')
        await (await log.publisher()).publish([event])
        (record,) = await log.records()
        assert (record.key, record.value) == ("Jörg".encode(), codec.encode(event))
        assert event.payload in (record.value or b"")
        assert ("content-type", b"application/json") in list(record.headers)
        assert before - 1000 <= record.timestamp <= time.time() * 1000 + 1000

    async def test_users_events_share_a_partition_in_the_order_given(self, log: LogUnderTest) -> None:
        """Within a call and from call to call."""
        publisher = await log.publisher()
        events = [an_event(f"user-{number % 7}") for number in range(100)]
        for start in range(0, 100, 25):
            await publisher.publish(events[start : start + 25])
        records = await log.records()
        for number in range(7):
            user = f"user-{number}"
            of_user = [record for record in records if record.key == user.encode()]
            assert len({record.partition for record in of_user}) == 1
            assert [decode(record) for record in of_user] == [each for each in events if each.user_id == user]

    async def test_nothing_to_publish_is_no_error(self, log: LogUnderTest) -> None:
        """No events, no outcomes."""
        assert list(await (await log.publisher()).publish([])) == []

    async def test_oversized_event_is_rejected_and_the_others_are_not(self, log: LogUnderTest) -> None:
        """The limit costs the one event that exceeds it."""
        if not self.limits_record_size:
            pytest.skip("this log takes records of any size")
        events = [an_event(), an_event(payload=b'{"a":"%s"}' % (b"x" * 2 * 1024 * 1024)), an_event()]
        first, second, third = await (await log.publisher()).publish(events)
        assert isinstance(first, Receipt)
        assert isinstance(second, Rejected)
        assert isinstance(third, Receipt)
        assert [decode(record) for record in await log.records()] == [events[0], events[2]]

    async def test_publishers_of_one_partition_at_once_lose_and_repeat_nothing(self, log: LogUnderTest) -> None:
        """Each record is there once, offsets strictly increase, and each publisher's own order is kept."""
        publishers = [await log.publisher() for _ in range(4)]
        events = [[an_event("one-user") for _ in range(50)] for _ in publishers]

        async def publish(number: int) -> list[Receipt]:
            receipts: list[Receipt] = []
            for start in range(0, 50, 10):
                outcomes = await publishers[number].publish(events[number][start : start + 10])
                receipts += [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
            return receipts

        async with asyncio.timeout(PATIENCE):
            receipts = await asyncio.gather(*(publish(number) for number in range(len(publishers))))
        records = await log.records()
        offsets = [record.offset for record in records]
        assert offsets == sorted(set(offsets))
        by_place = {Receipt(record.partition, record.offset): decode(record) for record in records}
        assert len(by_place) == 200
        for own, given in zip(events, receipts, strict=True):
            assert given == sorted(given)
            assert [by_place[receipt] for receipt in given] == own

    async def test_ping_returns_while_the_log_answers(self, log: LogUnderTest) -> None:
        """A publisher that is open is ready."""
        await (await log.publisher()).ping()
