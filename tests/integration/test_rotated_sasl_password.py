"""The password for Kafka in a file, rotated while processes run."""

import asyncio
import hashlib
import secrets
import socket
import struct
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from adapters.postgres.sessions.database import Database
from tests.support.kafka import running
from tests.support.load import load
from tests.support.records import Topics
from tests.support.service import Services
from tests.support.world import World
from tools.kafka import KafkaCluster

USER, BROKER, BROKERS_OWN = "events", "broker", "s3cret"
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
LISTENER = "listener.name.internal"
SCRAM_SHA_512, ITERATIONS = 2, 4096


class Login:
    """A broker whose listener between brokers asks who its clients are; past it, `cluster.bootstrap` asks nobody."""

    def __init__(self, cluster: KafkaCluster) -> None:
        self.cluster = cluster

    def environment(self, file: Path) -> Mapping[str, str]:
        """The settings of a client that logs in with the password in a file."""
        return {
            "KAFKA_BROKER": self.cluster.internal_bootstrap,
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD_FILE": str(file),
        }

    def set_password(self, password: str) -> None:
        """Have the running broker ask for this password from now on."""
        # AlterUserScramCredentials in version 0, which the client does not know.
        salt = secrets.token_bytes(16)
        salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
        name, salt, salted = (bytes([len(each) + 1]) + each for each in (USER.encode(), salt, salted))
        upsertion = name + struct.pack(">bi", SCRAM_SHA_512, ITERATIONS) + salt + salted
        # No client id; no tags, no deletions, one upsertion.
        request = struct.pack(">hhih", 51, 0, 0, -1) + b"\0" + b"\1" + b"\2" + upsertion + b"\0" + b"\0"
        host, _, port = self.cluster.bootstrap.rpartition(":")
        with socket.create_connection((host, int(port))) as connection, connection.makefile("rwb") as stream:
            stream.write(struct.pack(">i", len(request)) + request)
            stream.flush()
            (size,) = struct.unpack(">i", stream.read(4))
            response = stream.read(size)
        # Correlation id, tags, throttle time, how many results; the user's name, the error.
        assert response[10 + len(name) : 12 + len(name)] == b"\0\0", response


@pytest.fixture(scope="module")
def login() -> Iterator[Login]:
    """A broker of these tests' own."""
    properties = {
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,INTERNAL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        f"{LISTENER}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        f"{LISTENER}.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        f"{LISTENER}.plain.sasl.jaas.config": (
            f'{LOGIN} username="{BROKER}" password="{BROKERS_OWN}" user_{BROKER}="{BROKERS_OWN}";'
        ),
    }
    with (
        tempfile.TemporaryDirectory(prefix="user-events-kafka-") as directory,
        running(KafkaCluster(Path(directory), properties=properties)) as cluster,
    ):
        yield Login(cluster)


async def test_rotated_sasl_password_is_taken_for_the_next_connection(
    services: Services, database: Database, login: Login, tmp_path: Path
) -> None:
    """Who is connected goes on; after a restart of the broker everybody logs in anew, without a restart here."""
    world, file = World(services, database, Topics(login.cluster.bootstrap)), tmp_path / "password"
    file.write_text(secrets.token_hex())
    await asyncio.to_thread(login.set_password, file.read_text())
    environment = login.environment(file)
    api, consumer = [await world.run(kind, **environment) for kind in ("api", "consumer")]
    async with load(api) as posted:
        await posted.more(20)
        other = secrets.token_hex()
        await asyncio.to_thread(login.set_password, other)
        await posted.more(20)
        await world.stored(posted.accepted, perhaps=posted.unknown)
        file.unlink()
        await asyncio.to_thread(login.cluster.restart, 1)
        await asyncio.gather(api.not_ready(), consumer.not_ready())
        file.write_text(other)
        await asyncio.gather(api.ready(), consumer.ready())
        await posted.more(20)
    await world.stored(posted.accepted, perhaps=posted.unknown)
    assert [service.exit_code for service in (api, consumer)] == [None, None]
