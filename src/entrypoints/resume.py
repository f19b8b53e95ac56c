"""`user-events resume`: lets consumers read on where a partition was stopped for a person to look."""

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

import typer

from adapters.postgres.engine import create_engine
from adapters.postgres.partition_states import PostgresPartitionStates
from application.ports import PartitionStates
from domain.stop import Stop
from entrypoints import connections
from entrypoints.settings import Settings


class NotStopped(Exception):
    """Partitions were named that are not stopped; the message says which."""


async def resume(
    states: PartitionStates, partitions: Collection[int] | None, *, asks: bool, acts: bool, as_json: bool
) -> None:
    """Print the stops of `partitions`, or all, and resume them if `acts`; if `asks`, not before a person said yes."""
    stops = await states.stops()
    if missing := sorted(set(partitions or ()) - set(stops)):
        raise NotStopped(f"not stopped: partition {', '.join(map(str, missing))}")
    chosen = {number: stop for number, stop in stops.items() if partitions is None or number in partitions}
    _print(chosen, as_json=as_json)
    if not chosen:
        typer.echo("nothing is stopped", err=True)
    elif not acts:
        typer.echo("nothing was resumed: this was a dry run", err=True)
    else:
        if asks:
            typer.confirm("Resume these partitions? Gaps and unreadable records are skipped.", abort=True, err=True)
        resumed = await states.resume(chosen.keys())
        typer.echo(f"resumed: {len(resumed)}; consumers read on there within some seconds", err=True)


@asynccontextmanager
async def states_of(settings: Settings) -> AsyncIterator[PartitionStates]:
    """What stands in the database for the group and the topic of `settings`."""
    engine = create_engine(connections.database(settings), application_name="user-events resume", pool_size=1)
    try:
        yield PostgresPartitionStates(engine, settings.kafka_topic, settings.kafka_consumer_group)
    finally:
        await engine.dispose()


def _print(stops: Mapping[int, Stop], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([{"partition": number, **stop._asdict()} for number, stop in stops.items()]))
        return
    for number, stop in stops.items():
        typer.echo(f"partition {number}: {stop.kind} at offset {stop.offset}: {stop.reason}")
