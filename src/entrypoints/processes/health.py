"""Is this process ready for work? Shared by the api and by the consumer's own small port.

A process is UP, DEGRADED (it does its own work, but not all of it, or a person has to act) or DOWN. Only DOWN is not
ready: a load balancer or a rollout that decides by readiness must not turn half an outage into a whole one. See
`docs/adr/0014-readiness-by-role.md`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from adapters.system import utc_now
from application.stopping import pause
from domain.errors import Unavailable, WrongDeployment
from entrypoints.http.health_report import Health, Part, Report, Status

logger = logging.getLogger(__name__)

_CHECK_INTERVAL_SECONDS = 5.0
"""How often the parts are checked when no request asks for them, so that `since` and the log are right."""


class Degraded(Exception):
    """A part does some of its work. `error` is safe to show to anybody, the message is for operators.

    `since` is when that began, where a better source knows it than the first check that failed.
    """

    def __init__(self, error: str, detail: str, action: str, since: datetime | None = None) -> None:
        super().__init__(detail)
        self.error = error
        self.action = action
        self.since = since


@dataclass(frozen=True, slots=True)
class Check:
    """How to check one part, and the consequence when the check fails."""

    ping: Callable[[], Awaitable[object]]
    action: str
    """How the process deals with the failure, or which work goes on without the part."""
    is_required: bool = True
    """Whether the process cannot do its own work without the part; otherwise the process is only degraded."""


class Readiness(Health):
    """Checks all parts at once."""

    def __init__(
        self, checks: Mapping[str, Check], *, timeout: float = 2.0, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """`timeout`: seconds that one check may take; then its part is DOWN."""
        self._checks = checks
        self._timeout = timeout
        self._clock = clock
        self._parts: dict[str, Part] = {}
        self._pings: dict[str, asyncio.Future[object]] = {}
        """The last ping of each part."""
        self._round: asyncio.Task[Report] | None = None
        self._stop = asyncio.Event()

    async def watch(self, stop: asyncio.Event) -> None:
        """Check the parts at intervals until `stop`, and log each change of state.

        From the moment that `stop` is set the process is DOWN, so that no new work arrives.
        """
        self._stop = stop
        logged: dict[str, Part] = {}
        while True:
            await pause(_CHECK_INTERVAL_SECONDS, stop)
            if stop.is_set():
                return
            for name, part in (await self.report()).parts.items():
                _log_change(name, logged.get(name), part)
                logged[name] = part

    async def report(self) -> Report:
        """Return the states of all parts within `timeout` seconds; concurrent callers share one round of pings."""
        if self._stop.is_set():
            return self._ending("draining", "in-flight work is finished, then the process exits")
        if self.failure is not None:
            return self._ending(self.failure, "the process exits unless it makes progress")
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._check_all())
        # Shielded: a caller that disconnects must not cancel the round of the others.
        return await asyncio.shield(self._round)

    def _ending(self, error: str, action: str) -> Report:
        return Report("DOWN", {"process": self._note("process", "DOWN", error, None, action)})

    async def _check_all(self) -> Report:
        parts = dict(zip(self._checks, await asyncio.gather(*map(self._check, self._checks)), strict=True))
        down = {name for name, part in parts.items() if part.status == "DOWN"}
        if any(self._checks[name].is_required for name in down):
            return Report("DOWN", parts)
        return Report("UP" if all(part.status == "UP" for part in parts.values()) else "DEGRADED", parts)

    async def _check(self, name: str) -> Part:
        check = self._checks[name]
        try:
            await self._ping(name)
        except TimeoutError:
            return self._note(name, "DOWN", f"no answer within {self._timeout:g} s", None, check.action)
        except Degraded as degraded:
            return self._note(name, "DEGRADED", degraded.error, str(degraded), degraded.action, since=degraded.since)
        except (Unavailable, WrongDeployment) as error:
            kind = "unavailable" if isinstance(error, Unavailable) else "incompatible deployment"
            return self._note(name, "DOWN", kind, str(error), check.action)
        except Exception as error:  # noqa: BLE001 - any error means DOWN; the text of a foreign one may hold secrets
            return self._note(name, "DOWN", type(error).__name__, None, check.action)
        return self._note(name, "UP")

    async def _ping(self, name: str) -> None:
        """Raise the ping's error, or `TimeoutError`; a cancelled ping that ends late is not awaited."""
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

    def _note(self, name: str, status: Status, *problem: str | None, since: datetime | None = None) -> Part:
        """Keep and return the state of a part; `problem` is its error, detail and action."""
        last = self._parts.get(name)
        seen = last.since if last is not None and last.status == status else self._clock()
        self._parts[name] = part = Part(status, since or seen, *problem)
        return part


def _read_outcome(ping: asyncio.Future[object]) -> None:
    """Keep asyncio from reporting the exception of an abandoned ping as never retrieved."""
    if not ping.cancelled():
        ping.exception()


def _log_change(name: str, last: Part | None, part: Part) -> None:
    if last is not None and (last.status, last.error) == (part.status, part.error):
        return
    if part.status != "UP":
        fields = {"part": name, "status": part.status, "cause": part.detail or part.error, "action": part.action}
        logger.warning("readiness changed", extra=fields)
    elif last is not None:
        logger.info("readiness changed", extra={"part": name, "status": part.status})
