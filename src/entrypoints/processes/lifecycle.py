"""Start and stop a process in order: signals, work side by side, retries until the world is up, a limit on the end."""

import asyncio
import gc
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from domain.errors import Unavailable

logger = logging.getLogger(__name__)

_RETRY_FIRST_SECONDS = 0.1
_RETRY_MOST_SECONDS = 5.0
_NEW_OBJECTS = 200_000
"""After how many the collector looks for garbage among them: those of a request or a batch nearly all go without it."""

Work = Callable[[asyncio.Event], Awaitable[None]]
"""Something that goes on until its event is set, and then ends soon."""
Step = Callable[[], Awaitable[object]]
"""Something that is done once, and may have to be tried again."""


async def run_until_signal(work: Work, *, grace: float, until_eof: bool) -> None:
    """Run `work` until the first SIGINT, SIGTERM or SIGHUP, or (when asked) until stdin ends: the parent is gone.

    Later signals change nothing. What has not ended `grace` seconds after the stop, whoever asked for it, is ended by
    force with exit code 1: whatever it held is not committed and will be read again.
    """
    stop = _Stop(grace)
    loop = asyncio.get_running_loop()

    def request(reason: str) -> None:
        if stop.is_set():
            logger.info("already stopping", extra={"reason": reason})
            return
        logger.info("stopping", extra={"reason": reason})
        stop.set()

    def watch_stdin() -> None:
        if not os.read(sys.stdin.fileno(), 1):
            loop.remove_reader(sys.stdin.fileno())
            request("the parent is gone")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # `nohup` has the end of a terminal ignored.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, request, number.name)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), watch_stdin)
    _set_aside_what_stays()
    await work(stop)
    logger.info("stopped")


def _set_aside_what_stays() -> None:
    """Spare the collector of garbage the walk through all modules, which halts everything for a tenth of a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


class _Stop(asyncio.Event):
    """Begins the grace period when it is set, by a signal or because a work has failed."""

    def __init__(self, grace: float) -> None:
        super().__init__()
        self._grace = grace

    def set(self) -> None:
        if not self.is_set():
            _end_by_force_after(self._grace)
        super().set()


def _end_by_force_after(seconds: float) -> None:
    """Bound the end from outside the event loop, which may be what hangs."""

    def end() -> None:
        logger.error("the grace period is over: ending by force", extra={"seconds": seconds})
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


async def run_together(stop: asyncio.Event, *works: Work) -> None:
    """Run `works` side by side; when one fails the others are told to stop, and once they have, its error is raised."""
    tasks = [asyncio.ensure_future(work(stop)) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for error in filter(None, (task.exception() for task in done)):
            # Told now, since the end may have to be forced before it is raised.
            logger.error("stopping", extra={"reason": f"{type(error).__name__}: {error}"})
    finally:
        stop.set()
    await asyncio.wait(tasks)
    # Those that were done first stand first, so that it is not an error of the stop that is raised.
    await asyncio.gather(*done, *tasks)


async def repeat_until_up(step: Step, *, patience: float = math.inf) -> None:
    """Take `step`, again and again while it is `Unavailable`, which is raised when no try fits into `patience` seconds.

    What was begun is finished.
    """
    clock = asyncio.get_running_loop().time
    enough = clock() + patience
    pause, told = _RETRY_FIRST_SECONDS, ""
    while True:
        began = clock()
        try:
            await step()
        except Unavailable as unavailable:
            # The next try may take as long as this one.
            if 2 * clock() - began + pause >= enough:
                raise
            if str(unavailable) != told:
                logger.warning("waiting for the world to be up", extra={"cause": str(unavailable)})
            told = str(unavailable)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(2 * pause, _RETRY_MOST_SECONDS)


class Preparation:
    """What has to be done once before the work, each step repeated while the world is not up."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._missing = "has not begun yet"

    async def run(self, stop: asyncio.Event) -> None:
        """Take the steps in order; on `stop` the one under way is cancelled. A `WrongDeployment` passes through."""
        taking = asyncio.ensure_future(self._take_all())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([taking, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        taking.cancel()
        await asyncio.wait([taking])
        if not taking.cancelled():
            taking.result()

    async def ping(self) -> None:
        """Return when all is prepared."""
        if self._missing:
            raise Unavailable(self._missing)

    async def _take_all(self) -> None:
        for step in self._steps:
            await repeat_until_up(partial(self._take, step))
        self._missing = ""
        logger.info("prepared")

    async def _take(self, step: Step) -> None:
        try:
            await step()
        except Unavailable as unavailable:
            self._missing = str(unavailable)
            raise
