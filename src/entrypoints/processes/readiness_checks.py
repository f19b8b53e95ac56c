"""The checks that decide the readiness of the api and of the consumer."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from application.consume.consumer_loop import ConsumerLoop
from application.ports import DeadLetterQueue, EventPublisher, EventSource, EventStore, PartitionStates
from domain.errors import Unavailable
from entrypoints.processes.health import Check, Degraded, Readiness
from entrypoints.processes.preparation import Preparation

_PREPARATION_RETRIED = "the preparation of schema and topics is retried"


def api_readiness(store: EventStore, publisher: EventPublisher, preparation: Preparation) -> Readiness:
    """The api is ready when events can be published: an outage of the database must not become one of ingestion.

    Where the log is kept in PostgreSQL, the log is down with the database.
    """
    reads_fail = "reads answer 503 until it is back; publishing needs the event log alone"
    publishing_fails = "publishing answers 503, to be retried with the eventId; reconnecting"
    return Readiness(
        {
            "event_log": Check(publisher.ping, publishing_fails),
            "database": Check(store.ping, reads_fail, is_required=False),
            "preparation": Check(preparation.ping, _PREPARATION_RETRIED, is_required=False),
        }
    )


def consumer_readiness(
    store: EventStore,
    dead_letters: DeadLetterQueue,
    source: EventSource,
    consumer_loop: ConsumerLoop,
    preparation: Preparation,
    *,
    states: PartitionStates,
    program: str,
) -> Readiness:
    """The consumer is ready when it is a member of the group and reaches the database and the DLQ.

    A halted or paused partition only degrades it: a release that fixes the cause must become ready. `program` is the
    command `user-events` as it is called on this machine.
    """
    retried = "batches are kept and retried with backoff; their partitions are paused meanwhile"

    async def event_log() -> None:
        await source.ping()
        if waiting := source.open_transactions():
            raise Degraded(
                f"another producer has left a transaction open: partition {', '.join(map(str, waiting))}",
                "; ".join(
                    f"partition {number} is waiting behind an open transaction at offset {offset}"
                    for number, offset in waiting.items()
                ),
                "records behind it are read once it has ended; `kafka-transactions.sh` finds and aborts one that hangs",
            )

    async def progress() -> None:
        if not consumer_loop.is_reading:
            raise Unavailable(f"cannot read the log: {consumer_loop.waits_for}")
        if consumer_loop.halted:
            causes = (
                f"partition {number} is halted at offset {halt.offset}: {halt.reason}"
                for number, halt in consumer_loop.halted.items()
            )
            since: Mapping[int, datetime] = {}
            with suppress(Unavailable):
                since = await states.halted_since()
            raise Degraded(
                f"halted: partition {', '.join(map(str, consumer_loop.halted))}",
                "; ".join(filter(None, [*causes, consumer_loop.waits_for])),
                f"a person has to look: `{program} resume` lists and resumes them; the other partitions go on",
                since=min((since[each] for each in consumer_loop.halted if each in since), default=None),
            )
        if consumer_loop.waits_for is not None:
            raise Degraded("paused: a dependency is unavailable", consumer_loop.waits_for, retried)
        if consumer_loop.suspected:
            causes = (f"partition {number} up to offset {until}" for number, until in consumer_loop.suspected.items())
            raise Degraded(
                f"reading record by record: partition {', '.join(map(str, consumer_loop.suspected))}",
                "; ".join(causes),
                "consumers crashed here before: a poison pill is found and dead-lettered after three crashes; "
                "single reads end once the partition has caught up",
            )

    return Readiness(
        {
            "database": Check(store.ping, retried),
            "event_log": Check(event_log, "joining the group again"),
            "dead_letters": Check(dead_letters.ping, "dead letters are retried with their partition"),
            "progress": Check(progress, retried),
            "preparation": Check(preparation.ping, _PREPARATION_RETRIED),
        }
    )
