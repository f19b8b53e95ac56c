"""The contract of `DeadLetterQueue`."""

import asyncio

import pytest

from domain.dead_letter import Record
from tests.contracts.harness import LogContract, LogUnderTest
from tests.support.events import a_dead_letter, a_record
from tests.support.waiting import PATIENCE


def header(record: Record, name: str) -> list[bytes | None]:
    """Read every value of one header."""
    return [value for key, value in record.headers if key == name]


class DeadLettersContract(LogContract):
    """Subclasses override the fixture `log`."""

    async def test_dead_letter_keeps_the_record_verbatim_and_says_why(self, log: LogUnderTest) -> None:
        """Key, value and headers are the original's; its origin and the reason are added."""
        record = a_record(
            b"\xff\x00{", partition=3, offset=7, headers=(("trace", b"\x80"), ("none", None), ("trace", b"2"))
        )
        await (await log.dead_letters()).send([a_dead_letter(record)])
        (dead_letter,) = await log.read_dead_letters()
        assert (dead_letter.key, dead_letter.value) == (record.key, record.value)
        assert header(dead_letter, "trace") == [b"\x80", b"2"]
        assert header(dead_letter, "none") == [None]
        assert header(dead_letter, "dlq.topic") == [b"events"]
        assert header(dead_letter, "dlq.partition") == [b"3"]
        assert header(dead_letter, "dlq.offset") == [b"7"]
        assert header(dead_letter, "dlq.kind") == [b"undecodable"]

    @pytest.mark.parametrize("name", ["", "\0", "a\0b", "ü"])
    async def test_header_may_have_any_name(self, log: LogUnderTest, name: str) -> None:
        """Producers are free to choose it, and a dead letter that cannot be sent would block its partition."""
        await (await log.dead_letters()).send([a_dead_letter(a_record(b"bad", headers=((name, b"\0"),)))])
        (dead_letter,) = await log.read_dead_letters()
        assert header(dead_letter, name) == [b"\0"]

    async def test_record_without_key_or_value_can_be_dead_lettered(self, log: LogUnderTest) -> None:
        """A tombstone is a record as well, and is not the same as an empty value."""
        letters = await log.dead_letters()
        await letters.send([a_dead_letter(a_record(None)), a_dead_letter(a_record(b"", offset=1))])
        values = {header(record, "dlq.offset")[0]: record.value for record in await log.read_dead_letters()}
        assert values == {b"0": None, b"1": b""}

    async def test_value_as_large_as_the_source_allows_can_be_dead_lettered(self, log: LogUnderTest) -> None:
        """Its own headers never make a dead letter too large."""
        value = b"x" * (1024 * 1024 - 4096)
        await (await log.dead_letters()).send([a_dead_letter(a_record(value), reason="y" * 10_000)])
        assert [record.value for record in await log.read_dead_letters()] == [value]

    async def test_dead_letter_sent_again_is_no_error(self, log: LogUnderTest) -> None:
        """A crash between the send and the commit sends the same dead letters twice."""
        letters = await log.dead_letters()
        for attempt in (1, 2):
            await letters.send([a_dead_letter(a_record(b"bad"), attempts=attempt)])
        assert {record.value for record in await log.read_dead_letters()} == {b"bad"}

    async def test_replayed_record_keeps_its_first_origin_and_tells_its_last_error(self, log: LogUnderTest) -> None:
        """Headers do not grow with replays."""
        letters = await log.dead_letters()
        await letters.send([a_dead_letter(a_record(b"bad", offset=7), reason="first")])
        (dead_letter,) = await log.read_dead_letters()
        counted = tuple((name, b"1" if name == "dlq.replays" else value) for name, value in dead_letter.headers)
        replayed = a_record(b"bad", offset=99, headers=counted)
        await letters.send([a_dead_letter(replayed, reason="second")])
        last = next(
            record for record in await log.read_dead_letters() if header(record, "dlq.error.message") == [b"second"]
        )
        assert header(last, "dlq.offset") == [b"7"]
        assert sorted(name for name, _ in last.headers) == sorted(name for name, _ in dead_letter.headers)

    async def test_dead_letters_sent_at_once_are_all_durable(self, log: LogUnderTest) -> None:
        """Every call that returned has made its dead letters durable, also beside other senders."""
        opened = [await log.dead_letters() for _ in range(4)]
        values = [[b"%d-%d" % (number, offset) for offset in range(25)] for number in range(len(opened))]
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(
                *(
                    letters.send([a_dead_letter(a_record(value, offset=offset)) for offset, value in enumerate(own)])
                    for letters, own in zip(opened, values, strict=True)
                )
            )
        assert sorted(record.value or b"" for record in await log.read_dead_letters()) == sorted(
            value for own in values for value in own
        )

    async def test_ping_returns_while_dead_letters_could_be_sent(self, log: LogUnderTest) -> None:
        """Open is ready."""
        await (await log.dead_letters()).ping()
