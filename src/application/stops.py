"""Keep the source from what is stopped, until a person resumes it."""

import asyncio
from collections.abc import Container, Mapping
from contextlib import suppress

from application.custody import Custody
from application.ports import EventSource
from domain.errors import Unavailable
from domain.stop import Stop


class Stops:
    """The stops that the source has found, and those that stand in the custody."""

    def __init__(self, source: EventSource, custody: Custody, look: float) -> None:
        """`look`: how often, in seconds, to look whether a person has resumed what is stopped."""
        self._source = source
        self._custody = custody
        self._look = look
        self._look_again_at = 0.0
        self._shut: set[int] = set()
        """The partitions that the source was told to deliver nothing of."""

    @property
    def standing(self) -> Mapping[int, Stop]:
        """The partitions that are not read on, and why."""
        return {**self._source.stopped(), **self._custody.stopped}

    async def mind(self, held: Container[int]) -> None:
        """Shut what is stopped, and open again what is no longer, unless it is held; to be called again and again."""
        shut = set(self._custody.stopped)
        if shut != self._shut:
            self._source.pause(shut - self._shut)
            self._source.resume([partition for partition in self._shut - shut if partition not in held])
            self._shut = shut
            # What was read behind a stop before it was shut has to be given back before it may be opened again.
            return
        found, now = self._source.stopped(), asyncio.get_running_loop().time()
        if not (shut or found) or now < self._look_again_at:
            return
        self._look_again_at = now + self._look
        # In an outage they stay as they are.
        with suppress(Unavailable):
            for partition in await self._custody.resumed(found):
                if partition in found:
                    self._source.skip(partition)
