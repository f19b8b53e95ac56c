"""Work in small steps, for as long as a process runs and whatever is unavailable meanwhile."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from application.consume.pace import Backoff
from application.stopping import pause
from domain.errors import Unavailable, WrongDeployment

logger = logging.getLogger(__name__)

_DEPLOYMENT_SECONDS = 60.0
"""How long a step waits for a person to mend the deployment."""


class Repetition:
    """Repeats a step until an event; one that fails is repeated after a pause."""

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[float]],
        backoff: Backoff,
        explain: Callable[[str | None], Awaitable[None]] | None = None,
    ) -> None:
        """`name`: what the step does, for logs. A step returns for how many seconds to wait after it.

        `explain` is awaited with the cause of the first failure in a row, and with None after the next success.
        """
        self._name = name
        self._step = step
        self._backoff = backoff
        self._explain = explain
        self._failures = 0
        self._cause: str | None = None

    async def run(self, until: asyncio.Event) -> None:
        """Repeat the step until `until` is set."""
        while not until.is_set():
            await pause(await self._tried(), until)

    async def _tried(self) -> float:
        try:
            seconds = await self._step()
            await self._succeeded()
        except Unavailable as unavailable:
            return await self._failed(unavailable, self._backoff.after(self._failures + 1))
        except WrongDeployment as wrong:
            return await self._failed(wrong, _DEPLOYMENT_SECONDS)
        return seconds

    async def _succeeded(self) -> None:
        if self._cause is None:
            return
        if self._explain is not None:
            await self._explain(None)
        logger.info("%s: succeeding again", self._name, extra={"failures": self._failures})
        self._failures, self._cause = 0, None

    async def _failed(self, error: Unavailable | WrongDeployment, seconds: float) -> float:
        self._failures += 1
        is_first, self._cause = self._cause is None, str(error)
        if is_first:
            level = logging.ERROR if isinstance(error, WrongDeployment) else logging.WARNING
            logger.log(level, "%s: failing, trying again", self._name, extra={"cause": self._cause})
            await self._explained()
        return seconds

    async def _explained(self) -> None:
        if self._explain is None:
            return
        try:
            await self._explain(self._cause)
        except (Unavailable, WrongDeployment):
            # What is unavailable may be the database that the cause would be noted in; it is in the log.
            logger.debug("%s: the cause could not be noted", self._name)
