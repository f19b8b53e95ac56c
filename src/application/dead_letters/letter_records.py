"""Records of the DLQ as letters, in batches of bounded size."""

from collections.abc import AsyncGenerator, Callable, Iterable

from application.dead_letters.letters import LetterOrigin, ReadLetter
from application.ports import OversizeLetters
from domain.dead_letter import Record

_BATCH_LETTERS = 500
_BATCH_BYTES = 8 * 1024 * 1024


class LetterRecords:
    """Reads letters, those included that the DLQ was too small for."""

    def __init__(
        self,
        oversize: OversizeLetters,
        read: Callable[[Record, Record | None], ReadLetter],
        points_to: Callable[[Record], int | LetterOrigin | None],
    ) -> None:
        """`points_to` names the oversize letter that a record stands for, with which `read` reads it."""
        self._oversize = oversize
        self._read = read
        self._points_to = points_to

    async def batches(self, records: Iterable[Record]) -> AsyncGenerator[list[ReadLetter], None]:
        """Read records of the DLQ, in order."""
        batch: list[ReadLetter] = []
        size = 0
        for record in records:
            pointed = self._points_to(record)
            letter = self._read(record, None if pointed is None else await self._oversize.find(pointed))
            batch.append(letter)
            size += letter.size
            if len(batch) == _BATCH_LETTERS or size >= _BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    async def without_pointers(self, number: int = 0) -> AsyncGenerator[list[ReadLetter], None]:
        """Read the letters of which the DLQ knows nothing, from a number on."""
        while kept := await self._oversize.kept_since(number, _BATCH_LETTERS):
            yield [self._read(record, None) for record in kept]
            number = kept[-1].offset + 1
