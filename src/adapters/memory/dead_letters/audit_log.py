"""Who did what, in memory."""

from collections.abc import Mapping

from adapters.memory.dead_letters.letters import MemoryLetters
from adapters.memory.outage import Outage
from application.dead_letters.orders import AuditEntry, NewEntry


class MemoryAuditLog(Outage):
    """An `AuditLog` over shared `letters`."""

    def __init__(self, letters: MemoryLetters) -> None:
        self._letters = letters

    async def record(self, entry: NewEntry, counts: Mapping[str, int]) -> AuditEntry:
        await self._reach()
        return self._letters.record(entry, counts)

    async def page(
        self, before: int | None, limit: int, *, action: str | None = None, who: str | None = None
    ) -> list[AuditEntry]:
        await self._reach()
        found = [
            entry
            for entry in reversed(self._letters.audit_log)
            if (before is None or entry.id < before) and action in (None, entry.action) and who in (None, entry.who)
        ]
        return found[:limit]
