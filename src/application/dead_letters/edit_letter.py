"""Mend a dead letter, so that a replay can succeed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from application.dead_letters.letters import Edit
from application.dead_letters.orders import NewEntry
from application.event_loop import in_thread
from application.ports import DeadLetterIndex
from domain.differences import Difference, differences, parse_json
from domain.event import UserEvent


@dataclass(frozen=True, slots=True)
class Edited:
    """An edit, and in which places it differs from the value before; None where that was no JSON."""

    edit: Edit
    differences: Sequence[Difference] | None


class EditLetter:
    """Gives a dead letter another value, once that holds an event."""

    def __init__(self, index: DeadLetterIndex, parse: Callable[[bytes], UserEvent]) -> None:
        """`parse` reads a record's value by the rules of the edge, and raises `Invalid`."""
        self._index = index
        self._parse = parse

    def check(self, value: bytes) -> UserEvent:
        """Return the event that a value holds. Raises `Invalid` with all that is wrong with it."""
        return self._parse(value)

    async def __call__(self, letter_id: str, value: bytes, *, who: str, reason: str) -> Edited | None:
        """Edit a letter; None where there is no such letter.

        Its key stays, unless the event becomes another user's. Raises `Invalid` with all that is wrong with `value`,
        and `NotEditable` where the letter is not dead.
        """
        found = next(iter(await self._index.get([letter_id])), None)
        if found is None:
            return None
        event = await in_thread(self._parse, value)
        key = found.key if found.letter.user_id == event.user_id else event.user_id.encode()
        entry = NewEntry(who, "edit", {"ids": [letter_id]}, reason)
        edit = await self._index.edit(letter_id, value, key, event, entry)
        return None if edit is None else Edited(edit, await in_thread(partial(changes, found.present_value), value))


def changes(before: bytes | None, after: bytes) -> Sequence[Difference] | None:
    """Tell in which places a value differs from the one before it; None where one of them is no JSON."""
    try:
        return differences(parse_json(before or b""), parse_json(after))
    except (ValueError, RecursionError):
        return None
