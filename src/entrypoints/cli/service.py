"""`user-events api`, `consumer` and `dev`: the processes of the service."""

import logging
import os
import sys
from typing import Literal

from adapters.observability.frequent_lines import PROCESS
from entrypoints.cli.run import exit_codes, read_settings, run
from entrypoints.config.program import commit, release
from entrypoints.container import Container, assembled
from entrypoints.dev.supervisor import dev_environment, run_dev
from entrypoints.processes.api import Api
from entrypoints.processes.consumer import Consumer
from entrypoints.processes.event_catalog import mistakes_in_schemas
from entrypoints.processes.lifecycle import run_until_signal

logger = logging.getLogger(__name__)


def run_process(process: Literal["api", "consumer"], *, until_eof: bool) -> None:
    """Run a process until it is stopped."""
    settings = read_settings(os.environ, sys.stdout, mistakes_in_schemas)
    # Names the process in each line, for logs that several processes share.
    PROCESS.name = process
    _log_start()

    def choose(container: Container) -> Api | Consumer:
        return container.api() if process == "api" else container.consumer()

    async def work() -> None:
        async with assembled(settings, choose) as root:
            await run_until_signal(root.run, grace=settings.shutdown_grace_seconds, until_eof=until_eof)

    run(work())


def run_on_this_machine() -> None:
    """Run all processes of the service, and the log and the database where none is configured."""
    environment = dev_environment(os.environ)
    settings = read_settings(environment, sys.stdout, mistakes_in_schemas)
    _log_start()
    with exit_codes():
        run_dev(settings, environment, run)


def _log_start() -> None:
    logger.info("starting", extra={"version": release(), "commit": commit()})
