"""Where records end that can never be stored."""

from collections.abc import Sequence
from typing import Protocol

from domain.dead_letter import DeadLetter


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

    async def keep(self, letter: DeadLetter, cause: str | None = None) -> None:
        """Store `letter` with its bytes, once however often it is kept; `cause` is None where its size was refused."""
        ...

    async def headers(self) -> Sequence[Sequence[tuple[str, bytes | None]]]:
        """Read the headers of all letters, which name the records that they are about."""
        ...
