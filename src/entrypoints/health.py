"""Is this process ready for work? Shared by the API and by the consumer's own small port."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import msgspec

from domain.errors import Unavailable, WrongDeployment

Ping = Callable[[], Awaitable[object]]
Status = Literal["UP", "DOWN"]


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of one thing this process depends on; `error` names what is wrong, without secrets."""

    status: Status
    error: str | None = None


class Report(msgspec.Struct, frozen=True):
    """The state of the process and of its parts."""

    status: Status
    parts: dict[str, Part]


class Readiness:
    """Pings every part at once; set `draining` as the first step of a shutdown, so that no new work comes in."""

    def __init__(self, parts: Mapping[str, Ping], *, timeout: float = 2.0) -> None:
        self.draining = False
        self.failure: str | None = None
        """Why this process has to be replaced; then it is not even alive in the sense of `/health`."""
        self._parts = parts
        self._timeout = timeout
        self._check: asyncio.Task[Report] | None = None

    async def drain_on(self, stop: asyncio.Event) -> None:
        """Answer DOWN from the moment that `stop` is set."""
        await stop.wait()
        self.draining = True

    async def report(self) -> Report:
        """Tell whether all parts answer within `timeout` seconds; callers at the same time share one round of pings."""
        if self.draining or self.failure is not None:
            return Report("DOWN", {"process": Part("DOWN", self.failure or "draining")})
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._ping_all())
        # Shielded: a caller that hangs up must not take the others' answer along.
        return await asyncio.shield(self._check)

    async def _ping_all(self) -> Report:
        parts = await asyncio.gather(*map(self._ping, self._parts.values()))
        return Report(
            "UP" if all(part.status == "UP" for part in parts) else "DOWN",
            dict(zip(self._parts, parts, strict=True)),
        )

    async def _ping(self, ping: Ping) -> Part:
        try:
            async with asyncio.timeout(self._timeout):
                await ping()
        except TimeoutError:
            return Part("DOWN", f"TimeoutError: no answer within {self._timeout:g} s")
        except (Unavailable, WrongDeployment) as error:
            return Part("DOWN", f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the part is down; a foreign text may hold secrets
            return Part("DOWN", type(error).__name__)
        return Part("UP")
