"""The halted partitions of one topic in one group: list them, and resume them once a person has looked."""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from application.dead_letters.orders import NewEntry
from application.ports import AuditLog, Halt, LogReader, PartitionStates
from domain.errors import Unavailable, WrongDeployment

logger = logging.getLogger(__name__)


class NotHalted(Exception):
    """Partitions were named that are not halted; the message says which."""


class HaltedPartition(NamedTuple):
    """A halted partition, the time of its halt, and its backlog in records; None where the log cannot be read."""

    partition: int
    halt: Halt
    since: datetime
    backlog: int | None


class HaltedPartitions:
    """The halted partitions of `topic` in `group`. Every method raises `Unavailable` while the database is down."""

    def __init__(self, states: PartitionStates, log: LogReader, audit_log: AuditLog, topic: str, group: str) -> None:
        self.topic = topic
        self.group = group
        self._states = states
        self._log = log
        self._audit_log = audit_log

    async def find(self, partitions: Collection[int] | None) -> Sequence[HaltedPartition]:
        """List the halted ones of `partitions`, or all; raises `NotHalted` where one of `partitions` is not halted."""
        halts, since = await self._states.halts(), await self._states.halted_since()
        if missing := sorted(set(partitions or ()) - set(halts)):
            raise NotHalted(f"not halted: partition {', '.join(map(str, missing))} of {self}")
        chosen = [number for number in halts.keys() & since if partitions is None or number in partitions]
        backlog = await self._backlog({number: halts[number].offset for number in chosen})
        return [HaltedPartition(number, halts[number], since[number], backlog.get(number)) for number in sorted(chosen)]

    async def resume(self, partitions: Collection[int], who: str, reason: str) -> int:
        """Let consumers read on in `partitions`; return the number of partitions that were still halted.

        The audit log has its entry first: nothing is resumed that it does not know of.
        """
        wanted = {"topic": self.topic, "group": self.group, "partitions": sorted(partitions)}
        await self._audit_log.record(NewEntry(who, "resume", wanted, reason), {"partitions": len(partitions)})
        return len(await self._states.resume(partitions))

    async def _backlog(self, offsets: Mapping[int, int]) -> Mapping[int, int]:
        """Count the records of each partition from its offset on."""
        if not offsets:
            return {}
        try:
            spans = await self._log.spans()
        except (Unavailable, WrongDeployment) as error:
            logger.warning("backlog unknown", extra={"cause": str(error)})
            return {}
        known = offsets.keys() & spans
        return {each: max(0, spans[each].end - max(offsets[each], spans[each].start)) for each in known}

    def __str__(self) -> str:
        return f"topic {self.topic}, group {self.group}"
