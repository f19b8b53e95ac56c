"""Why Kafka does not let us work: said in the line about the retry and in readiness, until it is mended."""

import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from adapters.postgres.sessions.database import Database
from tests.support.command import user_events
from tests.support.records import NewRecord, Topics
from tests.support.secured_kafka import PASSWORD, SecuredKafka, secured
from tests.support.service import Service, Services
from tests.support.waiting import eventually
from tests.support.world import World
from tools.kafka import KafkaCluster, probe

EVENT = {"userId": "user-1", "eventType": "LOGIN"}


@pytest.fixture(scope="module")
def secured_kafka() -> Iterator[SecuredKafka]:
    """A broker with users, rights and TLS."""
    with tempfile.TemporaryDirectory(prefix="user-events-kafka-") as directory, secured(Path(directory)) as kafka:
        yield kafka


@pytest.fixture
async def world(secured_kafka: SecuredKafka, services: Services, database: Database) -> World:
    """A world on that broker, with both topics."""
    world = World(services, database, secured_kafka.topics)
    await world.topics.make(world.topic, retention_ms="604800000")
    await world.topics.make(world.dlq_topic, retention_ms="-1", max_message_bytes="1200000")
    return world


async def all_rights(kafka: SecuredKafka, world: World) -> None:
    """Give the user what api and consumer need."""
    for topic in (world.topic, world.dlq_topic):
        await kafka.allow("topic", topic, "READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS")
    await kafka.allow("group", world.group, "READ")


async def said(service: Service, part: str, text: str) -> None:
    """Return when readiness names this cause."""

    async def is_said() -> bool:
        return text in (await service.parts()).get(part, {}).get("detail", "")

    await eventually(is_said, f"{text!r} in {part}")


CASES: Mapping[str, tuple[dict[str, str], str]] = {
    "password": (
        {"KAFKA_SASL_PASSWORD": "wr0ng"},
        "SaslAuthenticationFailed: Authentication failed: Invalid username or password",
    ),
    "mechanism": (
        {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"},
        "the broker does not offer KAFKA_SASL_MECHANISM=SCRAM-SHA-256",
    ),
    "no login": ({"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}, "another KAFKA_SECURITY_PROTOCOL than PLAINTEXT"),
    "login where there is none": ({"KAFKA_BROKER": "plain"}, "another KAFKA_SECURITY_PROTOCOL than SASL_PLAINTEXT"),
    "TLS to a plain port": (
        {"KAFKA_BROKER": "plain", "KAFKA_SECURITY_PROTOCOL": "SSL"},
        "another KAFKA_SECURITY_PROTOCOL than SSL",
    ),
    "plain to a TLS port": (
        {"KAFKA_BROKER": "tls", "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"},
        "another KAFKA_SECURITY_PROTOCOL than PLAINTEXT",
    ),
    "unknown authority": (
        {"KAFKA_BROKER": "tls", "KAFKA_SECURITY_PROTOCOL": "SSL"},
        "certificate verify failed",
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_cause_of_a_refused_connection_is_said_with_the_address(
    case: str, world: World, secured_kafka: SecuredKafka
) -> None:
    """By the commands, in the line about the retry, and in the readiness of api and consumer; no password."""
    changes, cause = CASES[case]
    environment = world.environment | secured_kafka.credentials | changes
    addresses = {"plain": secured_kafka.cluster.bootstrap, "tls": secured_kafka.tls}
    address = environment["KAFKA_BROKER"] = addresses.get(environment["KAFKA_BROKER"], environment["KAFKA_BROKER"])
    if not environment["KAFKA_SECURITY_PROTOCOL"].startswith("SASL"):
        environment = {name: value for name, value in environment.items() if "_SASL_" not in name}
    consumer = await world.services.start("consumer", environment)
    api = await world.services.start("api", environment)
    for service in (api, consumer):
        await service.logged("waiting for dependencies")
        line = service.lines("waiting for dependencies")[0]
        assert cause in line["cause"]
        assert address in line["cause"]
    # Only operators see causes in full.
    for part in ("preparation", "dead_letters"):
        await said(consumer, part, cause)
    answer = await api.client.post("/events/generate", json=EVENT)
    assert answer.status_code == 503
    for secret in (PASSWORD, "wr0ng"):
        assert secret not in api.text + consumer.text


async def test_broker_that_is_advertised_where_nobody_is_is_named(
    services: Services, database: Database, tmp_path: Path
) -> None:
    """The bootstrap address answers, and nothing that it leads to."""
    (nowhere,) = probe.free_ports(1)
    with KafkaCluster(tmp_path / "kafka", advertised_ports=[nowhere]) as cluster:
        world = World(services, database, Topics(cluster.bootstrap))
        consumer = await world.start("consumer", KAFKA_BROKER=f"127.0.0.1:{cluster.ports[0]}")
        await consumer.logged("waiting for dependencies")
        assert f"127.0.0.1:{nowhere}: " in consumer.lines("waiting for dependencies")[0]["cause"]
        await said(consumer, "dead_letters", f"127.0.0.1:{nowhere}: ")


async def test_api_is_not_ready_while_the_right_to_write_is_missing(world: World, secured_kafka: SecuredKafka) -> None:
    """From the first refusal on, or before it; nobody has to publish for it to become ready again."""
    await all_rights(secured_kafka, world)
    api = await world.start("api", **secured_kafka.credentials)
    await api.ready()
    assert (await api.client.post("/events/generate", json=EVENT)).status_code == 201
    await secured_kafka.revoke("topic", world.topic, "WRITE")

    async def is_refused() -> bool:
        return (await api.client.post("/events/generate", json=EVENT)).status_code == 503

    await eventually(is_refused, "a refused event")
    await api.not_ready()
    # The producer is replaced meanwhile, more than once, and what was sent to it says little.
    for _ in range(3):
        seen = len(api.lines("the producer was replaced"))

        async def is_replaced(seen: int = seen) -> bool:
            assert await is_refused()
            assert not await api.is_ready()
            return len(api.lines("the producer was replaced")) > seen

        await eventually(is_replaced, "another producer")
    cause = api.lines("readiness changed")[-1]["cause"]
    assert "TopicAuthorizationFailedError" in cause or "no right to WRITE" in cause
    await secured_kafka.allow("topic", world.topic, "WRITE")
    await api.ready()
    assert (await api.client.post("/events/generate", json=EVENT)).status_code == 201


async def test_missing_rights_are_named(world: World, secured_kafka: SecuredKafka) -> None:
    """One after the other, until all are there."""
    for topic in (world.topic, world.dlq_topic):
        await secured_kafka.allow("topic", topic, "DESCRIBE")
    finished = await user_events("topics", environment=world.environment | secured_kafka.credentials)
    assert finished.exit_code == 0
    assert f"{world.topic}: its settings were not checked: this user may not DESCRIBE_CONFIGS of it" in finished.stderr
    consumer = await world.start("consumer", **secured_kafka.credentials)
    await said(consumer, "event_log", f"GroupAuthorizationFailedError: {world.group}")
    await secured_kafka.allow("group", world.group, "READ")
    await world.send(NewRecord(b"{oops"))
    await said(consumer, "progress", f"TopicAuthorizationFailedError: {world.topic}")
    await secured_kafka.allow("topic", world.topic, "READ")
    await said(consumer, "dead_letters", "AuthorizationFailed")
    await secured_kafka.allow("topic", world.dlq_topic, "WRITE")
    await consumer.ready()
    await world.consumed(1)


async def test_group_that_takes_no_more_members_is_named(world: World, secured_kafka: SecuredKafka) -> None:
    """Its place is taken once it is free."""
    await all_rights(secured_kafka, world)
    first = await world.run("consumer", **secured_kafka.credentials)
    second = await world.start("consumer", **secured_kafka.credentials)
    await second.logged("cannot read the log at present")
    assert "GroupMaxSizeReachedError" in second.lines("cannot read the log at present")[0]["cause"]
    await said(second, "event_log", "group.max.size")
    assert await first.terminate() == 0
    await second.ready()


DATABASES: Mapping[str, tuple[dict[str, str], str]] = {
    "nobody listens": ({"DB_PORT": "1"}, "ConnectionRefusedError"),
    "no such host": ({"DB_HOST": "nowhere.invalid"}, "gaierror"),
    "no such user": ({"DB_USER": "nobody"}, "SQLSTATE 28"),
    "no such database": ({"DB_NAME": "nothing"}, 'SQLSTATE 3D000: database "nothing" does not exist'),
    "silence": ({"DB_PORT": "silent"}, "TimeoutError: no session within 5 s"),
}


@pytest.mark.parametrize("case", DATABASES)
async def test_cause_of_a_refused_session_is_said_with_the_address(case: str, world: World) -> None:
    """In the line about the retry and in readiness."""
    changes, cause = DATABASES[case]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        changes = changes | ({"DB_PORT": str(silent.getsockname()[1])} if case == "silence" else {})
        environment = world.environment | changes
        consumer = await world.services.start("consumer", environment)
        await consumer.logged("waiting for dependencies")
        told = consumer.lines("waiting for dependencies")[0]["cause"]
        assert cause in told
        assert f"(at {environment['DB_HOST']}:{environment['DB_PORT']})" in told
        await said(consumer, "preparation", cause)
        assert world.database.password not in consumer.text
