"""Look at dead letters."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from application.dead_letters.letters import (
    Letter,
    LetterCursor,
    LetterFilter,
    LetterGroup,
    LetterInFull,
    LetterPage,
    LetterState,
)
from application.event_loop import in_thread
from application.listing import StoredEvent
from application.ports import DeadLetterIndex, EventStore
from domain.dead_letter import FailureKind
from domain.differences import Difference, differences, parse_json
from domain.event import UserEvent
from domain.validation import Invalid

MAX_GROUPS = 1_000
_EXPORT_PAGE_LETTERS = 1_000
_EXPORT_CHUNK_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Conflict:
    """The event whose row has the letter's event id, and in which fields the letter differs from it.

    `differences` is None where the letter's present value holds no event.
    """

    stored: StoredEvent
    differences: Sequence[Difference] | None


class BrowseLetters:
    """Reads the index by the page, by the id, by the group, or as a whole."""

    def __init__(self, index: DeadLetterIndex, store: EventStore, parse: Callable[[bytes], UserEvent]) -> None:
        """`parse` reads a record's value, and raises `Invalid`."""
        self._index = index
        self._store = store
        self._parse = parse

    async def page(self, wanted: LetterFilter, after: LetterCursor | None, limit: int) -> LetterPage:
        """Read one page."""
        return await self._index.page(wanted, after, limit)

    async def groups(self, wanted: LetterFilter) -> Sequence[LetterGroup]:
        """Group letters by their cause, the largest group first; at most `MAX_GROUPS`."""
        return await self._index.groups(wanted, MAX_GROUPS)

    async def get(self, letter_id: str) -> LetterInFull | None:
        """Find one letter."""
        return next(iter(await self._index.get([letter_id])), None)

    async def conflict(self, found: LetterInFull) -> Conflict | None:
        """Find the row that the letter conflicts with; None where it does not, or the row is gone."""
        letter, value = found.letter, found.present_value
        # The row of a letter that was stored after an edit is its own.
        is_conflict = letter.kind == FailureKind.CONFLICT and letter.state is not LetterState.STORED
        if not is_conflict or letter.event_id is None or value is None:
            return None
        stored = await self._store.get(letter.event_id)
        if stored is None:
            return None
        return Conflict(stored, await in_thread(partial(self._differences, stored), value))

    def _differences(self, stored: StoredEvent, value: bytes) -> Sequence[Difference] | None:
        try:
            return differences(_fields(stored), _fields(self._parse(value)))
        except (Invalid, ValueError, RecursionError):
            return None

    async def export(self, wanted: LetterFilter) -> AsyncIterator[Sequence[LetterInFull]]:
        """Read all chosen letters in full, newest first, some at a time."""
        after: LetterCursor | None = None
        while True:
            page = await self._index.page(wanted, after, _EXPORT_PAGE_LETTERS)
            for some in _chunks(page.letters):
                yield await self._index.get([letter.id for letter in some])
            after = page.following
            if after is None:
                return


def _chunks(letters: Sequence[Letter]) -> Iterator[Sequence[Letter]]:
    """Part letters so that the values of each part fit in the memory."""
    part: list[Letter] = []
    for letter in letters:
        if part and sum(each.value_bytes or 0 for each in (*part, letter)) > _EXPORT_CHUNK_BYTES:
            yield part
            part = []
        part.append(letter)
    if part:
        yield part


def _fields(event: StoredEvent | UserEvent) -> dict[str, object]:
    """Name the fields that conflicting events may differ in as requests name them."""
    payload = "{}" if event.payload is None else event.payload
    return {"userId": event.user_id, "eventType": event.event_type, "payload": parse_json(payload)}
