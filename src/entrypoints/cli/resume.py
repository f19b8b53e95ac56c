"""`user-events resume`: lets consumers read on where a partition was halted for a person to look."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

import typer

from adapters import wire
from application.ports import LogReader, PartitionStates
from domain.errors import Unavailable, WrongDeployment
from domain.stop import Stop


class NotStopped(Exception):
    """Partitions were named that are not halted; the message says which."""


class NotConfirmed(Exception):
    """Nobody could be asked, and nobody had said yes beforehand: nothing was changed."""


class Consent(Enum):
    """How a person agrees to what is about to be done."""

    GIVEN = auto()
    ASKED = auto()
    """On the terminal, once the partitions are listed."""
    MISSING = auto()
    """There is no terminal to ask on."""
    NOT_WANTED = auto()
    """It is a dry run."""


class Halt(NamedTuple):
    """A halted partition, since when, and how many records wait behind the offset; None where the log cannot tell."""

    partition: int
    stop: Stop
    since: datetime
    waiting: int | None


class Halts:
    """The halted partitions of one topic in one group."""

    def __init__(self, states: PartitionStates, log: LogReader, topic: str, group: str) -> None:
        self.topic = topic
        self.group = group
        self._states = states
        self._log = log

    async def find(self, partitions: Collection[int] | None) -> Sequence[Halt]:
        """List those of `partitions`, or all; raises `NotStopped`."""
        stops, since = await self._states.stops(), await self._states.stopped_since()
        if missing := sorted(set(partitions or ()) - set(stops)):
            raise NotStopped(f"not halted: partition {', '.join(map(str, missing))} of {self}")
        chosen = [number for number in stops.keys() & since if partitions is None or number in partitions]
        waiting = await self._waiting({number: stops[number].offset for number in chosen})
        return [Halt(number, stops[number], since[number], waiting.get(number)) for number in sorted(chosen)]

    async def resume(self, partitions: Collection[int]) -> int:
        """Have consumers read on; tell in how many partitions."""
        return len(await self._states.resume(partitions))

    async def _waiting(self, offsets: dict[int, int]) -> dict[int, int]:
        if not offsets:
            return {}
        try:
            spans = await self._log.spans()
        except (Unavailable, WrongDeployment) as error:
            typer.echo(f"how many records wait is unknown: {error}", err=True)
            return {}
        known = offsets.keys() & spans
        return {each: max(0, spans[each].end - max(offsets[each], spans[each].start)) for each in known}

    def __str__(self) -> str:
        return f"topic {self.topic}, group {self.group}"


async def resume(halts: Halts, partitions: Collection[int] | None, consent: Consent, *, as_json: bool) -> None:
    """Print the halted ones of `partitions`, or all, and resume them with a person's consent.

    Raises `NotStopped`, `NotConfirmed`, and `typer.Abort` where the answer was no.
    """
    found = await halts.find(partitions)
    _print(halts, found, as_json=as_json)
    if not found:
        typer.echo(f"nothing is halted: {halts}", err=True)
    elif consent is Consent.NOT_WANTED:
        typer.echo("nothing was resumed: this was a dry run", err=True)
    elif consent is Consent.MISSING:
        raise NotConfirmed("nothing was resumed: there is no terminal to ask on; --yes resumes without asking")
    else:
        if consent is Consent.ASKED:
            typer.confirm("Resume these partitions? Gaps and unreadable records are skipped.", abort=True, err=True)
        resumed = await halts.resume([halt.partition for halt in found])
        typer.echo(f"resumed: {resumed}; consumers read on there within some seconds", err=True)


def _print(halts: Halts, found: Sequence[Halt], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_as_json(halts, halt) for halt in found]))
    elif found:
        typer.echo(str(halts))
        for partition, stop, since, waiting in found:
            records = "?" if waiting is None else waiting
            typer.echo(
                f"partition {partition}: halted at offset {stop.offset} since {wire.render_time(since)}, "
                f"{records} records wait: {stop.kind}: {stop.reason}"
            )


def _as_json(halts: Halts, halt: Halt) -> dict[str, object]:
    place = {"topic": halts.topic, "group": halts.group, "partition": halt.partition}
    return {**place, **halt.stop._asdict(), "since": wire.render_time(halt.since), "waiting": halt.waiting}
