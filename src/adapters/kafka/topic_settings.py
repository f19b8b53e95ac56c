"""How a topic should be set, and what is wrong with one that is set otherwise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_FOR_EVER = "-1"
_LEAST_CLOCK_DIFFERENCE_MS = 60_000
"""Below it, hosts whose clocks differ by seconds could not write."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it should be; None where the cluster's default or what stands already will do."""

    name: str
    partitions: int | None
    replication: int | None
    min_isr: int | None
    retention_ms: int
    """-1 for ever."""
    max_message_bytes: int
    is_ordered: bool = True
    """Whether keys must keep their partitions, so that a topic with another number of them is refused."""

    @property
    def configs(self) -> dict[str, str]:
        """Render the settings that a new topic is made with."""
        configs = {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": "CreateTime",
        }
        if self._is_kept_for_ever:
            configs["retention.bytes"] = _FOR_EVER
        return configs if self.min_isr is None else configs | {"min.insync.replicas": str(self.min_isr)}

    @property
    def _is_kept_for_ever(self) -> bool:
        return str(self.retention_ms) == _FOR_EVER

    def refusal(self, standing: Mapping[str, str], bootstrap: str) -> str | None:
        """Tell why the service may not run on a topic with the settings `standing`, and the remedy."""
        policy = standing.get("cleanup.policy", "")
        if "compact" not in policy:
            return None
        return (
            f"topic {self.name} has cleanup.policy={policy}: compaction deletes all acknowledged records of a key but "
            f"the newest. Remedy: kafka-configs.sh --bootstrap-server {bootstrap} --alter --entity-type topics "
            f"--entity-name {self.name} --add-config cleanup.policy=delete"
        )

    def warnings(self, standing: Mapping[str, str], replication: int) -> Iterator[str]:
        """Name what differs from what should be, and what is at risk by it."""
        yield from self._differences(standing)
        if self.replication not in {None, replication}:
            yield f"replication is {replication}, wanted {self.replication}"
        yield from self._retention(standing)
        yield from _replication(standing, replication)
        yield from _timestamps(standing)

    def _differences(self, standing: Mapping[str, str]) -> Iterator[str]:
        retention_ms, largest, in_sync = (
            _number(standing, name) for name in ("retention.ms", "max.message.bytes", "min.insync.replicas")
        )
        if retention_ms not in {None, self.retention_ms}:
            yield f"retention.ms is {retention_ms}, wanted {self.retention_ms}"
        if largest is not None and largest < self.max_message_bytes:
            yield f"max.message.bytes is {largest}, wanted {self.max_message_bytes}"
        if in_sync is not None and self.min_isr is not None and in_sync < self.min_isr:
            yield f"min.insync.replicas is {in_sync}, wanted {self.min_isr}"

    def _retention(self, standing: Mapping[str, str]) -> Iterator[str]:
        bound = standing.get("retention.bytes", _FOR_EVER)
        if bound == _FOR_EVER:
            return
        if self._is_kept_for_ever:
            yield f"retention.bytes is {bound}: the oldest dead letters are deleted; wanted -1"
        else:
            yield f"retention.bytes is {bound}: events may be deleted before retention.ms, and before they are read"


def _replication(standing: Mapping[str, str], replication: int) -> Iterator[str]:
    if standing.get("unclean.leader.election.enable") == "true":
        yield "unclean.leader.election.enable is true: a broker that lacks acknowledged records may become leader"
    in_sync = _number(standing, "min.insync.replicas")
    if in_sync is None:
        return
    if in_sync > replication:
        yield f"min.insync.replicas is {in_sync}, but replication is {replication}: older brokers take no records"
    elif in_sync == 1 < replication:
        yield f"min.insync.replicas is 1 of {replication}: a single broker that is lost may take acknowledged records"


def _timestamps(standing: Mapping[str, str]) -> Iterator[str]:
    if standing.get("message.timestamp.type", "CreateTime") != "CreateTime":
        yield "message.timestamp.type is LogAppendTime: a record's time is the broker's, not when it was accepted"
    for name in ("message.timestamp.before.max.ms", "message.timestamp.after.max.ms"):
        limit = _number(standing, name)
        if limit is not None and limit < _LEAST_CLOCK_DIFFERENCE_MS:
            yield f"{name} is {limit}: records are refused where clocks differ by more"


def _number(standing: Mapping[str, str], name: str) -> int | None:
    return int(standing[name]) if name in standing else None
