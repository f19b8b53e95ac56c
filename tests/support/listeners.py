"""Listeners for sources that are tested without a consumer."""

from collections.abc import Awaitable, Callable, Collection, Mapping


class Witness:
    """Remembers its calls; raises the error that it is given when partitions are assigned."""

    def __init__(self, finish: Callable[[Collection[int]], Awaitable[object]] | None = None) -> None:
        """`finish` is awaited while partitions are revoked, to commit something for instance."""
        self.assigned: list[dict[int, int]] = []
        self.revoked: list[set[int]] = []
        self.lost: list[set[int]] = []
        self.error: Exception | None = None
        self.finish = finish

    async def on_assigned(self, positions: Mapping[int, int]) -> None:
        if self.error is not None:
            raise self.error
        self.assigned.append(dict(positions))

    async def on_revoked(self, partitions: Collection[int]) -> None:
        self.revoked.append(set(partitions))
        if self.finish is not None:
            await self.finish(partitions)

    async def on_lost(self, partitions: Collection[int]) -> None:
        self.lost.append(set(partitions))
