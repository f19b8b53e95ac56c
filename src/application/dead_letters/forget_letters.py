"""Bounds what the index of dead letters keeps."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from application.ports import DeadLetterIndex
from application.stopping import pause
from domain.errors import Unavailable

logger = logging.getLogger(__name__)

_HOUR_SECONDS = 3_600.0
_RETRY_SECONDS = 60.0


class ForgetLetters:
    """Drops letters some time after they ended stored or discarded; those that are dead are never dropped."""

    def __init__(self, index: DeadLetterIndex, clock: Callable[[], datetime], retain: timedelta | None) -> None:
        """`retain`: for how long finished letters are kept; None: for ever."""
        self._index = index
        self._clock = clock
        self._retain = retain

    async def run(self, stop: asyncio.Event) -> None:
        """Drop what is old enough each hour until `stop`."""
        if self._retain is None:
            await stop.wait()
            return
        while not stop.is_set():
            try:
                forgotten = await self._forget(self._retain, stop)
            except Unavailable as unavailable:
                logger.warning("cannot drop old dead letters at present", extra={"cause": str(unavailable)})
                await pause(_RETRY_SECONDS, stop)
                continue
            if forgotten:
                logger.info("dropped old dead letters from the index", extra={"letters": forgotten})
            await pause(_HOUR_SECONDS, stop)

    async def _forget(self, retain: timedelta, stop: asyncio.Event) -> int:
        before, forgotten = self._clock() - retain, 0
        while not stop.is_set() and (some := await self._index.forget(before)):
            forgotten += some
        return forgotten
