"""The contract of `ReplayPublisher`."""

import asyncio
from dataclasses import replace

from adapters.records import codec, letters, replays
from application.dead_letters.jobs import ReplayItem
from application.dead_letters.letters import LetterOrigin
from application.ports import Receipt
from domain.errors import Rejected
from tests.contracts.harness import LogContract, LogUnderTest
from tests.support.events import NOON, an_event, decode
from tests.support.waiting import PATIENCE


def an_item(offset: int, value: bytes | None = b"{", key: bytes | None = b"user-1") -> ReplayItem:
    """Make a letter's first replay."""
    return ReplayItem(
        letter_id=f"0-{offset}",
        number=1,
        edit=0,
        origin=LetterOrigin("events", 0, offset, 1_000),
        first_failed_at=NOON,
        key=key,
        value=value,
        headers=[("a", b"\xff"), ("none", None), ("a", b"2")],
        needs_new_id=False,
    )


class ReplayPublisherContract(LogContract):
    """Subclasses override the fixture `log`."""

    async def test_letter_is_published_with_its_bytes_and_its_origin(self, log: LogUnderTest) -> None:
        """Its key, its value and its headers as they were; then those that name its origin and its replay."""
        item = replace(an_item(7, b"\xff{"), edit=2)
        (receipt,) = await (await log.replay_publisher()).publish([item])
        (record,) = await log.records()
        assert receipt == Receipt(record.partition, record.offset)
        assert (record.key, record.value) == (b"user-1", b"\xff{")
        assert [*record.headers] == replays.render(item).headers
        assert [*record.headers][:3] == [("a", b"\xff"), ("none", None), ("a", b"2")]
        assert letters.points_to(record) is None

    async def test_letters_share_their_partition_with_the_events_of_their_user(self, log: LogUnderTest) -> None:
        """So that a replay is in order with what the user does next."""
        users = [f"user-{number}" for number in range(20)]
        items = [an_item(offset, key=user.encode()) for offset, user in enumerate(users)]
        replayed = await (await log.replay_publisher()).publish(items)
        published = await (await log.publisher()).publish([an_event(user) for user in users])
        places = [
            (first.partition, second.partition)
            for first, second in zip(replayed, published, strict=True)
            if isinstance(first, Receipt) and isinstance(second, Receipt)
        ]
        assert len(places) == len(users)
        assert all(first == second for first, second in places)

    async def test_receipts_are_in_order_however_large_the_letters(self, log: LogUnderTest) -> None:
        """Many of them are more than a log takes at once."""
        items = [an_item(offset, b"%d" % offset + b"x" * 400_000) for offset in range(60)]
        async with asyncio.timeout(PATIENCE):
            receipts = await (await log.replay_publisher()).publish(items)
        values = {Receipt(record.partition, record.offset): record.value for record in await log.records()}
        assert [values[receipt] for receipt in receipts if isinstance(receipt, Receipt)] == [
            item.value for item in items
        ]

    async def test_letter_that_needs_a_new_id_gets_the_same_one_each_time(self, log: LogUnderTest) -> None:
        """What is published twice is one event."""
        event = an_event()
        publisher = await log.replay_publisher()
        for _ in range(2):
            await publisher.publish([replace(an_item(7, codec.encode(event)), needs_new_id=True)])
        new = event._replace(id=replays.new_event_id("0-7", 1))
        assert [decode(record) for record in await log.records()] == [new, new]

    async def test_oversized_letter_is_rejected_and_the_others_are_not(self, log: LogUnderTest) -> None:
        """As an event that is too large."""
        items = [an_item(1), an_item(2, b"x" * 2 * 1024 * 1024), an_item(3)]
        first, second, third = await (await log.replay_publisher()).publish(items)
        assert isinstance(first, Receipt)
        assert isinstance(second, Rejected)
        assert isinstance(third, Receipt)

    async def test_letters_without_key_or_value_are_published(self, log: LogUnderTest) -> None:
        """Whatever stands in the DLQ can be tried again."""
        items = [an_item(1, key=None), an_item(2, None), an_item(3, None, None)]
        receipts = await (await log.replay_publisher()).publish(items)
        assert {type(receipt) for receipt in receipts} == {Receipt}
        records = {Receipt(record.partition, record.offset): record for record in await log.records()}
        found = [records[receipt] for receipt in receipts if isinstance(receipt, Receipt)]
        assert [(record.key, record.value) for record in found] == [(item.key, item.value) for item in items]

    async def test_nothing_to_publish_is_no_error(self, log: LogUnderTest) -> None:
        """No letters, no outcomes."""
        assert list(await (await log.replay_publisher()).publish([])) == []
