"""Where records end that can never be stored."""

from collections.abc import Sequence
from typing import Protocol

from domain.dead_letter import DeadLetter


class DeadLetters(Protocol):
    """Where records go that can never be stored."""

    async def park(self, letters: Sequence[DeadLetter]) -> None:
        """Keep `letters`; returns only when all are durable, and may be called again with the same ones."""
        ...

    async def ping(self) -> None:
        """Return when letters could be parked."""
        ...


class OversizeLetters(Protocol):
    """Keeps letters whole that are too large for the dead letter topic."""

    async def keep(self, letter: DeadLetter) -> None:
        """Store `letter` with its bytes, once however often it is kept."""
        ...
