"""Who did what."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from application.dead_letters.orders import AuditEntry, NewEntry


class AuditLog(Protocol):
    """An append-only log of what people have changed. Ports that change dead letters write their entries themselves."""

    async def record(self, entry: NewEntry, counts: Mapping[str, int]) -> AuditEntry:
        """Add an entry."""
        ...

    async def page(
        self, before: int | None, limit: int, *, action: str | None = None, who: str | None = None
    ) -> Sequence[AuditEntry]:
        """List entries, newest first: those with ids below `before`, of one action, by one person; None matches all."""
        ...
