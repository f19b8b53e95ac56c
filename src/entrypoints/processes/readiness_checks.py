"""The checks that decide the readiness of the api and of the consumer."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime

from application.consume.consumer_loop import ConsumerLoop
from application.ports import DeadLetterQueue, EventPublisher, EventSource, EventStore, PartitionStates
from domain.errors import Unavailable
from entrypoints.processes.health import Check, Degraded, Readiness
from entrypoints.processes.preparation import Preparation

_PREPARATION_RETRIED = "the preparation of schema and topics is retried"
_BATCHES_RETRIED = "batches are kept and retried with backoff; their partitions are paused meanwhile"


class ApiReadiness(Readiness):
    """The api is ready when events can be published: an outage of the database must not become one of ingestion.

    Where the log is kept in PostgreSQL, the log is down with the database.
    """

    def __init__(self, store: EventStore, publisher: EventPublisher, preparation: Preparation) -> None:
        publishing_fails = "publishing answers 503, to be retried with the eventId; reconnecting"
        reads_fail = "reads answer 503 until it is back; publishing needs the event log alone"
        super().__init__(
            {
                "event_log": Check(publisher.ping, publishing_fails),
                "database": Check(store.ping, reads_fail, is_required=False),
                "preparation": Check(preparation.ping, _PREPARATION_RETRIED, is_required=False),
            }
        )


class ConsumerReadiness(Readiness):
    """The consumer is ready when it is a member of the group and reaches the database and the DLQ.

    A halted or paused partition only degrades it: a release that fixes the cause must become ready.
    """

    def __init__(
        self,
        store: EventStore,
        dead_letters: DeadLetterQueue,
        source: EventSource,
        consumer_loop: ConsumerLoop,
        preparation: Preparation,
        *,
        states: PartitionStates,
        program: str,
    ) -> None:
        """`program` is the command `user-events` as it is called on this machine."""
        super().__init__(
            {
                "database": Check(store.ping, _BATCHES_RETRIED),
                "event_log": Check(self._check_event_log, "joining the group again"),
                "dead_letters": Check(dead_letters.ping, "dead letters are retried with their partition"),
                "progress": Check(self._check_progress, _BATCHES_RETRIED),
                "preparation": Check(preparation.ping, _PREPARATION_RETRIED),
            }
        )
        self._source = source
        self._consumer_loop = consumer_loop
        self._states = states
        self._program = program

    async def _check_event_log(self) -> None:
        await self._source.ping()
        if waiting := self._source.open_transactions():
            raise Degraded(
                f"another producer has left a transaction open: {_partitions(waiting)}",
                "; ".join(
                    f"partition {number} is waiting behind an open transaction at offset {offset}"
                    for number, offset in waiting.items()
                ),
                "records behind it are read once it has ended; `kafka-transactions.sh` finds and aborts one that hangs",
            )

    async def _check_progress(self) -> None:
        waits_for = self._consumer_loop.waits_for
        if self._consumer_loop.poll_trouble is not None:
            raise Unavailable(f"cannot read the log: {waits_for}")
        if self._consumer_loop.partitions.halted:
            raise await self._halted()
        if waits_for is not None:
            raise Degraded("paused: a dependency is unavailable", waits_for, _BATCHES_RETRIED)
        if suspected := self._consumer_loop.partitions.suspected:
            raise Degraded(
                f"reading record by record: {_partitions(suspected)}",
                "; ".join(f"partition {number} up to offset {until}" for number, until in suspected.items()),
                "consumers crashed here before: a poison pill is found and dead-lettered after three crashes; "
                "single reads end once the partition has caught up",
            )

    async def _halted(self) -> Degraded:
        halted, waits_for = self._consumer_loop.partitions.halted, self._consumer_loop.waits_for
        causes = [
            f"partition {number} is halted at offset {halt.offset}: {halt.reason}" for number, halt in halted.items()
        ]
        since: Mapping[int, datetime] = {}
        with suppress(Unavailable):
            since = await self._states.halted_since()
        return Degraded(
            f"halted: {_partitions(halted)}",
            "; ".join([*causes, waits_for] if waits_for else causes),
            f"a person has to look: `{self._program} resume` lists and resumes them; the other partitions go on",
            since=min((since[number] for number in halted if number in since), default=None),
        )


def _partitions(numbers: Iterable[int]) -> str:
    return f"partition {', '.join(map(str, numbers))}"
