"""What is said of a topic's settings, and which of them the service refuses."""

from collections.abc import Mapping

import pytest

from adapters.kafka.topic_settings import Topic

EVENTS = Topic("events", None, None, None, 3_600_000, 1_048_576)
DLQ = Topic("dlq", None, None, None, -1, 1_048_576, is_ordered=False)
FINE = {
    "cleanup.policy": "delete",
    "retention.ms": "3600000",
    "retention.bytes": "-1",
    "max.message.bytes": "1048588",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": "9223372036854775807",
    "message.timestamp.after.max.ms": "3600000",
}


def warnings(topic: Topic = EVENTS, standing: Mapping[str, str] = FINE, replication: int = 3) -> list[str]:
    """Say what is wrong with a topic."""
    return [*topic.warnings(standing, replication)]


def test_topic_made_by_the_service_is_fine() -> None:
    """As are settings that an old broker does not know."""
    for topic in (EVENTS, DLQ):
        assert topic.refusal(topic.configs, "kafka:9092") is None
        assert warnings(topic, topic.configs) == []
    assert warnings() == []
    assert warnings(standing={}) == []


@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete,compact"])
def test_compaction_is_refused_with_the_command_that_ends_it(policy: str) -> None:
    """Whatever else the topic does."""
    refusal = EVENTS.refusal(FINE | {"cleanup.policy": policy}, "kafka:9092")
    assert refusal is not None
    assert refusal.startswith(f"topic events has cleanup.policy={policy}: compaction deletes")
    assert refusal.endswith(
        "kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name events "
        "--add-config cleanup.policy=delete"
    )


@pytest.mark.parametrize(
    ("name", "value", "warning"),
    [
        ("retention.ms", "1000", "retention.ms is 1000, wanted 3600000"),
        ("retention.bytes", "9", "retention.bytes is 9: events may be deleted before retention.ms"),
        ("max.message.bytes", "1000", "max.message.bytes is 1000, wanted 1048576"),
        ("unclean.leader.election.enable", "true", "unclean.leader.election.enable is true: a broker that lacks"),
        ("min.insync.replicas", "4", "min.insync.replicas is 4, but replication is 3: older brokers take no records"),
        ("min.insync.replicas", "1", "min.insync.replicas is 1 of 3: a single broker that is lost may take"),
        ("message.timestamp.type", "LogAppendTime", "message.timestamp.type is LogAppendTime"),
        ("message.timestamp.before.max.ms", "5", "message.timestamp.before.max.ms is 5: records are refused"),
        ("message.timestamp.after.max.ms", "5", "message.timestamp.after.max.ms is 5: records are refused"),
    ],
)
def test_each_risk_is_named(name: str, value: str, warning: str) -> None:
    """In one line with the setting and its value."""
    (told,) = warnings(standing=FINE | {name: value})
    assert told.startswith(warning)


def test_bounded_dead_letters_are_warned_about() -> None:
    """They are to stay for ever."""
    assert warnings(DLQ, FINE | {"retention.bytes": "9"}) == [
        "retention.ms is 3600000, wanted -1",
        "retention.bytes is 9: the oldest dead letters are deleted; wanted -1",
    ]


def test_single_replica_is_not_warned_about() -> None:
    """There is nothing that a second acknowledgement could come from."""
    assert warnings(standing=FINE | {"min.insync.replicas": "1"}, replication=1) == []
