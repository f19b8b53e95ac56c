"""The consumer's work on dead letters, beside its work on events."""

import asyncio
import logging
from collections.abc import Sequence

from application.stopping import pause
from domain.errors import WrongDeployment
from entrypoints.processes.lifecycle import Work

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 60.0


class DeadLetterTasks:
    """Keeps the index of dead letters, and carries out replay jobs.

    Nothing of it stops the consumer: a task that fails is begun again after a minute.
    """

    def __init__(self, tasks: Sequence[Work]) -> None:
        self._tasks = tasks

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`."""
        await asyncio.gather(*(self._run(task, stop) for task in self._tasks))

    async def _run(self, task: Work, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await task(stop)
            except WrongDeployment as error:
                logger.error("dead letters need attention", extra={"cause": str(error)})
            except Exception:  # noqa: BLE001 - a bug here must not end the consumer
                logger.exception("a task of dead letters failed; it is begun again")
            await pause(_PAUSE_SECONDS, stop)
