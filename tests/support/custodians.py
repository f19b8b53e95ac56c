"""Custodians for sources that are tested without a consumer."""

from collections.abc import Collection, Mapping


class Witness:
    """Remembers what it hears; an error that it is given is raised when partitions begin."""

    def __init__(self) -> None:
        self.begun: list[dict[int, int]] = []
        self.ended: list[set[int]] = []
        self.error: Exception | None = None

    async def begin(self, positions: Mapping[int, int]) -> None:
        if self.error is not None:
            raise self.error
        self.begun.append(dict(positions))

    async def end(self, partitions: Collection[int]) -> None:
        self.ended.append(set(partitions))
