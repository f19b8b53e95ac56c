"""Start and stop a process in order: signals, work side by side, retries until the world is up, a limit on the end."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence

from domain.errors import Unavailable

logger = logging.getLogger(__name__)

_RETRY_FIRST_SECONDS = 0.1
_RETRY_MOST_SECONDS = 5.0

Work = Callable[[asyncio.Event], Awaitable[None]]
"""Something that goes on until its event is set, and then ends soon."""


async def run_until_signal(work: Work, *, grace: float, until_eof: bool) -> None:
    """Run `work` until the first SIGINT or SIGTERM, or (when asked) until stdin ends because the parent is gone.

    Later signals change nothing. What has not ended `grace` seconds after the first is ended by force with exit code
    1: whatever it held is not committed and will be read again.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def request(reason: str) -> None:
        if stop.is_set():
            logger.info("already stopping", extra={"reason": reason})
            return
        logger.info("stopping", extra={"reason": reason})
        _end_by_force_after(grace)
        stop.set()

    def watch_stdin() -> None:
        if not os.read(sys.stdin.fileno(), 1):
            loop.remove_reader(sys.stdin.fileno())
            request("the parent is gone")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, request, number.name)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), watch_stdin)
    await work(stop)
    logger.info("stopped")


def _end_by_force_after(seconds: float) -> None:
    """Bound the end from outside the event loop, which may be what hangs."""

    def end() -> None:
        logger.error("the grace period is over: ending by force", extra={"seconds": seconds})
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


async def run_together(stop: asyncio.Event, *works: Work) -> None:
    """Run `works` side by side; when one fails the others are told to stop, and its error is raised."""
    tasks = [asyncio.ensure_future(work(stop)) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        stop.set()
    await asyncio.gather(*tasks)


class Preparation:
    """What has to be done once before the work, each step repeated while the world is not up."""

    def __init__(self, steps: Sequence[Callable[[], Awaitable[object]]]) -> None:
        self._steps = steps
        self._missing = "has not begun yet"
        self.done = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Take the steps in order. A step's `WrongDeployment` passes through."""
        for step in self._steps:
            pause = _RETRY_FIRST_SECONDS
            while not await self._take(step):
                try:
                    await asyncio.wait_for(stop.wait(), pause)
                except TimeoutError:
                    pause = min(2 * pause, _RETRY_MOST_SECONDS)
                else:
                    return
        self._missing = ""
        self.done.set()
        logger.info("prepared")

    async def _take(self, step: Callable[[], Awaitable[object]]) -> bool:
        try:
            await step()
        except Unavailable as unavailable:
            if str(unavailable) != self._missing:
                logger.warning("waiting for the world to be up", extra={"cause": str(unavailable)})
            self._missing = str(unavailable)
            return False
        return True

    async def ping(self) -> None:
        """Return when all is prepared."""
        if self._missing:
            raise Unavailable(self._missing)
