"""The register of erased users in memory."""

from collections.abc import Collection
from datetime import datetime

from adapters.memory.outage import Outage


class MemoryErasures(Outage):
    """An `Erasures`; `register` is written by whoever deletes rows."""

    def __init__(self) -> None:
        self.register: dict[str, datetime] = {}

    async def erased_at(self, user_ids: Collection[str]) -> dict[str, datetime]:
        await self._reach()
        return {user_id: self.register[user_id] for user_id in user_ids if user_id in self.register}
