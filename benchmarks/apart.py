"""Call a function in a process of its own, which shares neither interpreter nor memory with the measured process."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of a module in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return await asyncio.get_running_loop().run_in_executor(executor, partial(function, *args, **kwargs))
