"""The consumer's work on dead letters, beside its work on events."""

import asyncio
import logging

from application.dead_letters.auto_replay import AutoReplay
from application.dead_letters.forget_letters import ForgetLetters
from application.dead_letters.index_letters import IndexLetters
from application.dead_letters.replays.replay_worker import ReplayWorker
from application.stopping import finishing, pause
from domain.errors import WrongDeployment
from entrypoints.processes.lifecycle import Work

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 60.0
_FINISH_SECONDS = 5.0


class DeadLetterTasks:
    """Keeps the index of dead letters, and carries out replay jobs.

    Nothing of it stops the consumer: a task that fails is begun again after a minute.
    """

    def __init__(
        self,
        index: IndexLetters,
        replays: ReplayWorker,
        auto_replay: AutoReplay,
        forget: ForgetLetters,
        *,
        replays_by_itself: bool,
    ) -> None:
        """`replays_by_itself`: whether `auto_replay` is to run."""
        self._tasks: list[Work] = [index.run, replays.run, forget.run]
        if replays_by_itself:
            self._tasks.append(auto_replay.run)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; what is in flight then has some seconds to end, and is taken up again by another one."""
        try:
            async with finishing(stop, within=_FINISH_SECONDS) as limit:
                await asyncio.gather(*(self._run(task, stop) for task in self._tasks))
        except TimeoutError:
            if not limit.expired():
                raise
            logger.warning("shutdown timeout: abandoning work on dead letters", extra={"seconds": _FINISH_SECONDS})

    async def _run(self, task: Work, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await task(stop)
            except WrongDeployment as wrong:
                # One line: a person has to see to the deployment, not to the code.
                logger.error("dead letters need attention: %s", wrong)  # noqa: TRY400
            except Exception:
                logger.exception("a task of dead letters failed; it is begun again")
            await pause(_PAUSE_SECONDS, stop)
