"""Where records end that can never be stored."""

from collections.abc import Sequence
from typing import Protocol

from application.dead_letters.letters import LetterOrigin
from domain.dead_letter import DeadLetter, Record


class DeadLetterQueue(Protocol):
    """Where records go that can never be stored."""

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Keep `letters`; returns only when all are durable, and may be called again with the same ones."""
        ...

    async def ping(self) -> None:
        """Return when dead letters could be sent."""
        ...


class OversizeLetters(Protocol):
    """Keeps letters whole that the dead letter topic refuses, mostly since they are too large for it."""

    async def keep(self, letter: DeadLetter, cause: str | None = None) -> int:
        """Store `letter` with its bytes, once however often it is kept; return its number.

        `cause` says why the topic takes nothing of it; None where its size was refused, so that the topic has a
        pointer to it.
        """
        ...

    async def headers(self) -> Sequence[Sequence[tuple[str, bytes | None]]]:
        """Read the headers of all letters, which name the records that they are about."""
        ...

    async def find(self, which: int | LetterOrigin) -> Record | None:
        """Find a letter by its number, or by the record that it is about; as a record with the letter's headers.

        Its partition is -1, and its offset its number.
        """
        ...

    async def kept_since(self, number: int, limit: int) -> Sequence[Record]:
        """List letters of which the topic has no pointer, with numbers from `number` on, in order.

        At most `limit`, fewer where they are large, but one at least; as `find` has them. A number may appear after a
        higher one.
        """
        ...
