"""Start and stop a process in order: signals, concurrent tasks, and a time limit on the shutdown."""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

_GC_THRESHOLD = 200_000
"""Allocations between generation-0 collections. Request- and batch-scoped objects are freed by reference counting, so
frequent collections gain nothing."""

Work = Callable[[asyncio.Event], Awaitable[None]]
"""A coroutine function that runs until its event is set, and then returns soon."""


async def run_until_signal(work: Work, *, grace: float, until_eof: bool) -> None:
    """Run `work` until the first SIGINT, SIGTERM or SIGHUP, or with `until_eof` until stdin ends with the parent.

    Later signals change nothing. `grace` seconds after the stop, whether by a signal or by a failure, a process that
    still runs exits by force with code 1: its uncommitted records are read again.
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
            request("the parent process ended")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # `nohup` starts its command with SIGHUP ignored.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, request, number.name)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), watch_stdin)
    # Exempt all objects made so far, mainly modules: a walk through them stops the process for a tenth of a second.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    await work(stop)
    logger.info("stopped")


class _Stop(asyncio.Event):
    """An event that starts the grace period when it is set, by a signal or by a failure."""

    def __init__(self, grace: float) -> None:
        super().__init__()
        # A thread, since the event loop itself may hang.
        self._timer = threading.Timer(grace, _exit, [grace])
        self._timer.daemon = True

    def set(self) -> None:
        if not self.is_set():
            self._timer.start()
        super().set()


def _exit(seconds: float) -> None:
    logger.error("shutdown timeout: exiting by force", extra={"seconds": seconds})
    os._exit(1)


async def run_together(stop: asyncio.Event, *works: Work) -> None:
    """Run `works` concurrently; when one fails, set `stop`, wait for the others, and raise its error."""
    tasks = [asyncio.ensure_future(work(stop)) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for error in filter(None, (task.exception() for task in done)):
            # Logged now, since a forced exit may come before the error is raised.
            logger.error("stopping", extra={"reason": f"{type(error).__name__}: {error}"})
    finally:
        stop.set()
    await asyncio.wait(tasks)
    # The tasks that were done before the stop come first, so that their error is raised and not one of the shutdown.
    await asyncio.gather(*done, *tasks)
