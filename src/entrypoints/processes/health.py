"""Is this process ready for work? Shared by the API and by the consumer's own small port.

A process is UP, DEGRADED (it does its own work, but not all of it, or a person has to act) or DOWN. Only DOWN is not
ready: whoever routes requests or rolls out a release by readiness must not turn half an outage into a whole one. See
`docs/adr/0014-readiness-by-role.md`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from adapters.system import utc_now
from application.stopping import pause
from domain.errors import Unavailable, WrongDeployment

logger = logging.getLogger(__name__)

Ping = Callable[[], Awaitable[object]]
Status = Literal["UP", "DEGRADED", "DOWN"]

_LOOK_SECONDS = 5.0
"""How often the parts are asked though nobody wants to know, so that `since` and the log are right."""


class Degraded(Exception):
    """A part does some of its work. `error` is safe to show to anybody, `detail` is for operators.

    `since` tells since when, where that is known better than by looking.
    """

    def __init__(self, error: str, detail: str, action: str, since: datetime | None = None) -> None:
        super().__init__(detail)
        self.error = error
        self.action = action
        self.since = since


@dataclass(frozen=True, slots=True)
class Check:
    """How to ask one part, and what it means when that fails."""

    ping: Ping
    action: str
    """What is done about it, or what goes on without it."""
    is_required: bool = True
    """Whether the process cannot do its own work without it; otherwise the process is degraded meanwhile."""


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of one thing this process depends on."""

    status: Status
    since: datetime
    """When it was first seen in this state, or when it came to be so, where that is known."""
    error: str | None = None
    """What is wrong, in words that name no address and no user."""
    detail: str | None = None
    """What is wrong, in full; for operators only."""
    action: str | None = None
    """What is done about it."""


class Report(msgspec.Struct, frozen=True):
    """The state of the process and of its parts."""

    status: Status
    parts: dict[str, Part]

    @property
    def for_strangers(self) -> "Report":
        """The same without details, which may hold addresses and users."""
        parts = {name: msgspec.structs.replace(part, detail=None) for name, part in self.parts.items()}
        return Report(self.status, parts)


class Readiness:
    """Asks every part at once; set `draining` as the first step of a shutdown, so that no new work comes in."""

    def __init__(
        self, checks: Mapping[str, Check], *, timeout: float = 2.0, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.draining = False
        self.failure: str | None = None
        """Why this process has to be replaced; then it is not even alive in the sense of `/health`."""
        self._checks = checks
        self._timeout = timeout
        self._clock = clock
        self._parts: dict[str, Part] = {}
        self._pings: dict[str, asyncio.Future[object]] = {}
        """The last one of each part."""
        self._round: asyncio.Task[Report] | None = None

    async def drain_on(self, stop: asyncio.Event) -> None:
        """Answer DOWN from the moment that `stop` is set."""
        await stop.wait()
        self.draining = True

    async def watch(self, stop: asyncio.Event) -> None:
        """Ask the parts now and then until `stop`, and log each that is in another state than at the last look."""
        told: dict[str, Part] = {}
        while True:
            await pause(_LOOK_SECONDS, stop)
            if stop.is_set():
                return
            for name, part in (await self.report()).parts.items():
                _log_change(name, told.get(name), part)
                told[name] = part

    async def report(self) -> Report:
        """Tell how all parts are, within `timeout` seconds; callers at the same time share one round of pings."""
        if self.draining:
            return self._ending("draining", "what was begun is finished, then the process ends")
        if self.failure is not None:
            return self._ending(self.failure, "the process ends unless it moves again")
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._ask_all())
        # Shielded: a caller that hangs up must not take the others' answer along.
        return await asyncio.shield(self._round)

    def _ending(self, error: str, action: str) -> Report:
        return Report("DOWN", {"process": self._note("process", "DOWN", error=error, action=action)})

    async def _ask_all(self) -> Report:
        parts = dict(zip(self._checks, await asyncio.gather(*map(self._ask, self._checks)), strict=True))
        down = {name for name, part in parts.items() if part.status == "DOWN"}
        if any(self._checks[name].is_required for name in down):
            return Report("DOWN", parts)
        return Report("UP" if all(part.status == "UP" for part in parts.values()) else "DEGRADED", parts)

    async def _ask(self, name: str) -> Part:
        check = self._checks[name]
        try:
            await self._ping(name)
        except TimeoutError:
            return self._note(name, "DOWN", error=f"no answer within {self._timeout:g} s", action=check.action)
        except Degraded as error:
            told = {"error": error.error, "detail": str(error), "action": error.action}
            return self._note(name, "DEGRADED", **told, since=error.since)
        except (Unavailable, WrongDeployment) as error:
            word = "unavailable" if isinstance(error, Unavailable) else "incompatible deployment"
            return self._note(name, "DOWN", error=word, detail=str(error), action=check.action)
        except Exception as error:  # noqa: BLE001 - whatever it is, the part is down; a foreign text may hold secrets
            return self._note(name, "DOWN", error=type(error).__name__, action=check.action)
        return self._note(name, "UP")

    async def _ping(self, name: str) -> None:
        """Raise what the ping raises, or `TimeoutError`; one that is cancelled and ends late is not waited for."""
        last = self._pings.get(name)
        if last is not None and not last.done():
            raise TimeoutError
        ping = self._pings[name] = asyncio.ensure_future(self._checks[name].ping())
        ping.add_done_callback(_read_outcome)
        try:
            await asyncio.wait([ping], timeout=self._timeout)
            if not ping.done():
                raise TimeoutError
            await ping
        finally:
            ping.cancel()

    def _note(
        self,
        name: str,
        status: Status,
        *,
        error: str | None = None,
        detail: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
    ) -> Part:
        last = self._parts.get(name)
        seen = last.since if last is not None and last.status == status else self._clock()
        self._parts[name] = part = Part(status, since or seen, error, detail, action)
        return part


def _read_outcome(ping: asyncio.Future[object]) -> None:
    """Keep a ping that nobody waits for any more from being reported as forgotten."""
    if not ping.cancelled():
        ping.exception()


def _log_change(name: str, last: Part | None, part: Part) -> None:
    if last is not None and (last.status, last.error) == (part.status, part.error):
        return
    if part.status != "UP":
        cause = part.detail or part.error
        told = {"part": name, "status": part.status, "cause": cause, "action": part.action}
        logger.warning("readiness changed", extra=told)
    elif last is not None:
        logger.info("readiness changed", extra={"part": name, "status": part.status})
