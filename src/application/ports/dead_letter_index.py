"""What stands in the dead-letter topic, so that it can be searched."""

from collections.abc import AsyncIterable, Sequence
from datetime import datetime
from typing import Protocol

from application.dead_letters.letters import (
    Edit,
    LetterCursor,
    LetterFilter,
    LetterGroup,
    LetterInFull,
    LetterPage,
    ReadLetter,
)
from application.dead_letters.orders import NewEntry, Order, Preview
from domain.event import UserEvent


class NotEditable(Exception):
    """The letter is not dead: a replay, a discard or its event's row has come first."""


class DeadLetterIndex(Protocol):
    """One entry a letter; the DLQ is the truth, from which the index can be built again.

    A letter is `dead` when it is noted first, and again once a later replay of it fails. What only the index knows
    (discards, edits, replays) outlives a rebuild, since it stands in the audit log and with the jobs as well.
    """

    async def note(self, letters: Sequence[ReadLetter]) -> None:
        """Take in what records of the DLQ say, in any order and however often; all of it is durable on return.

        Each record is one failure in the history of its letter. The letter shows the failure of the highest replay,
        of equal ones the first; it becomes `dead` only by a failure of a replay later than all noted before, which
        is the outcome of that replay in its job, too. Where a letter with this id and another origin timestamp
        stands already (the topic was made anew), it is noted as `dlq-<partition>-<offset>`.
        """
        ...

    async def rebuild(self, batches: AsyncIterable[Sequence[ReadLetter]], entry: NewEntry) -> int:
        """Replace all entries by what `batches` say; return the number of letters.

        All or nothing: until it returns everybody sees the old index, and changes of the index wait, or raise
        `Unavailable`. Discards, restores, edits and replays are applied again, from what outlives the index.
        """
        ...

    async def page(self, wanted: LetterFilter, after: LetterCursor | None, limit: int) -> LetterPage:
        """List at most `limit` letters, by time of the last failure, then id, descending."""
        ...

    async def groups(self, wanted: LetterFilter, limit: int) -> Sequence[LetterGroup]:
        """Group letters by fingerprint, the largest group first."""
        ...

    async def get(self, letter_ids: Sequence[str]) -> Sequence[LetterInFull]:
        """Find letters, in the order of `letter_ids`; those that are not there are left out."""
        ...

    async def preview(self, wanted: LetterFilter, order: Order) -> Preview:
        """Tell what `order` would do to the chosen letters at this moment; changes nothing."""
        ...

    async def change(self, wanted: LetterFilter, order: Order, entry: NewEntry, expected: int | None) -> int:
        """Discard or restore the chosen letters that `preview` counts, with an entry in the audit log.

        Returns how many. Raises `CountChanged` where it is not `expected` (None: any number will do).
        """
        ...

    async def edit(
        self, letter_id: str, value: bytes, key: bytes | None, event: UserEvent, entry: NewEntry
    ) -> Edit | None:
        """Give a dead letter another value and key, which a replay publishes; the original ones stay.

        `event` is what `value` holds: the letter shows its id, user and type. An entry in the audit log is made.
        Returns None where there is no such letter; raises `NotEditable` where it is not dead.
        """
        ...

    async def due(self, kind: str, max_replays: int, limit: int) -> Sequence[str]:
        """Name dead letters of a kind whose last failure is so long ago that they may be replayed by themselves.

        A minute for the first replay, twice as long for each further one, at most six hours.
        """
        ...

    async def forget(self, before: datetime) -> int:
        """Drop letters that were stored or discarded before a time; return how many. At most some thousand a call."""
        ...
