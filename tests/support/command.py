"""The service's commands that end by themselves, as an operator runs them."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from typing import NamedTuple

from tests.support.service import SOURCES

_END_SECONDS = 90.0


class Finished(NamedTuple):
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str


async def user_events(*arguments: str, environment: Mapping[str, str]) -> Finished:
    """Run a command to its end with the settings of `environment` and no others."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "entrypoints", *arguments),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCES} | dict(environment),
        # No terminal, whatever these tests have: nobody is asked anything.
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(_END_SECONDS):
            stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Finished(process.returncode, stdout.decode(), stderr.decode())
