"""Users whose rows were deleted on purpose."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol


class Erasures(Protocol):
    """The register of users whose rows were deleted on purpose; whoever deletes them notes it there."""

    async def erased_at(self, user_ids: Collection[str]) -> Mapping[str, datetime]:
        """Tell when each of the users was erased; those who were not are left out."""
        ...
