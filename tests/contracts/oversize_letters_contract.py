"""The contract of `OversizeLetters`."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import pytest
from msgspec import structs

from adapters.records import dlq_headers
from application.dead_letters.letters import LetterOrigin
from application.ports import OversizeLetters
from domain.dead_letter import Record
from tests.support.events import a_dead_letter, a_record


class OversizeUnderTest(Protocol):
    """Where dead letters are kept; empty at the start of each test."""

    @property
    def letters(self) -> OversizeLetters: ...

    async def kept(self) -> Sequence[Record]:
        """Read what is kept: each record with its dead letter's headers."""
        ...


class OversizeLettersContract:
    """Subclasses override the fixture `oversize`."""

    @pytest.fixture
    def oversize(self) -> OversizeUnderTest:
        raise NotImplementedError

    @pytest.mark.parametrize("value", [b"\xff\0{" * 500_000, b"", None], ids=["large", "empty", "none"])
    async def test_dead_letter_is_kept_whole(self, oversize: OversizeUnderTest, value: bytes | None) -> None:
        """The record's origin, its bytes, and all headers in their order, whatever their names and values."""
        headers = (("trace", b"\x80"), ("none", None), ("a\0b", b"\0"), ("", b""), ("trace", b"2"))
        letter = a_dead_letter(a_record(value, partition=3, offset=7, headers=headers))
        await oversize.letters.keep(letter)
        (kept,) = await oversize.kept()
        assert (kept.topic, kept.partition, kept.offset) == ("events", 3, 7)
        assert (kept.timestamp, kept.key, kept.value) == (letter.record.timestamp, letter.record.key, value)
        assert list(kept.headers) == dlq_headers.render(letter)

    async def test_dead_letter_is_kept_once_by_any_number_of_callers(self, oversize: OversizeUnderTest) -> None:
        """A crash before the commit keeps it again."""
        letter = a_dead_letter(a_record(b"bad"))
        await asyncio.gather(*(oversize.letters.keep(replace(letter, attempts=number)) for number in range(1, 6)))
        await oversize.letters.keep(letter)
        assert [record.value for record in await oversize.kept()] == [b"bad"]

    async def test_records_of_a_topic_that_was_made_anew_are_others(self, oversize: OversizeUnderTest) -> None:
        """Their offsets begin again; their times do not."""
        first = a_record(b"first")
        for record in (first, structs.replace(first, timestamp=first.timestamp + 1, value=b"second")):
            await oversize.letters.keep(a_dead_letter(record))
        assert {record.value for record in await oversize.kept()} == {b"first", b"second"}

    async def test_headers_of_all_dead_letters_can_be_read(self, oversize: OversizeUnderTest) -> None:
        """Whatever they were refused for."""
        odd = a_dead_letter(a_record(b"bad", headers=(("a\0b", b"\x80"), ("none", None))))
        for letter, cause in ((odd, None), (a_dead_letter(a_record(b"bad", offset=1)), "InvalidTimestampError")):
            await oversize.letters.keep(letter, cause)
        first, second = sorted(await oversize.letters.headers(), key=len, reverse=True)
        assert list(first) == dlq_headers.render(odd)
        assert ("dlq.offset", b"1") in second

    async def test_dead_letter_is_found_by_its_number_and_by_its_record(self, oversize: OversizeUnderTest) -> None:
        """The number stays the same however often it is kept; it is the offset of what is found."""
        letters = oversize.letters
        first, second = (a_dead_letter(a_record(b"%d" % offset, partition=3, offset=offset)) for offset in (7, 8))
        numbers = [await letters.keep(letter) for letter in (first, second, first)]
        assert numbers[0] == numbers[2] != numbers[1]
        origin = LetterOrigin("events", 3, 7, first.record.timestamp)
        for which in (numbers[0], origin):
            found = await letters.find(which)
            assert found is not None
            assert (found.topic, found.partition, found.offset) == ("events", -1, numbers[0])
            assert (found.timestamp, found.key, found.value) == (origin.timestamp, b"key", b"7")
            assert list(found.headers) == dlq_headers.render(first)
        for unknown in (max(numbers) + 1, 2**63 - 1, origin._replace(timestamp=1), origin._replace(topic="other")):
            assert await letters.find(unknown) is None

    async def test_dead_letters_without_a_pointer_are_listed_by_number(self, oversize: OversizeUnderTest) -> None:
        """Also one whose pointer was refused after it had been kept for its size."""
        letters = oversize.letters
        causes = [None, "InvalidRecordError", "InvalidRecordError", None, "InvalidRecordError"]
        kept = [a_dead_letter(a_record(b"%d" % offset, offset=offset)) for offset in range(len(causes))]
        numbers = [await letters.keep(letter, cause) for letter, cause in zip(kept, causes, strict=True)]
        await letters.keep(kept[3], "PolicyViolationError")
        await letters.keep(kept[1])

        async def listed(number: int, limit: int = 10) -> list[bytes | None]:
            return [record.value for record in await letters.kept_since(number, limit)]

        assert await listed(0) == [b"1", b"2", b"3", b"4"]
        assert await listed(0, 2) == [b"1", b"2"]
        assert await listed(numbers[2]) == [b"2", b"3", b"4"]
        assert await listed(numbers[4] + 1) == []
        (last,) = await letters.kept_since(numbers[4], 10)
        assert (last.partition, last.offset) == (-1, numbers[4])
        assert list(last.headers) == dlq_headers.render(kept[4])
