"""A broker for tests."""

import asyncio
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support.encoded import Encoded
from tests.support.missing import missing
from tools.kafka import KafkaCluster, KafkaNotAvailable

_API_VERSIONS_V3 = struct.pack(">hhihB", 18, 3, 0, -1, 0) + b"\x06tests\x021\x00"
"""A request of Kafka's protocol: API key, version, correlation id, no client id, no tags; our name and version."""
_FINALIZED_FEATURES_TAG = 2


@contextmanager
def running(cluster: KafkaCluster) -> Iterator[KafkaCluster]:
    """Run a cluster of ours; without Java or Maven skip with the reason, which in CI is a failure."""
    try:
        cluster.start()
    except KafkaNotAvailable as unavailable:
        missing(f"no Apache Kafka to test with: {unavailable}")
    try:
        yield cluster
    finally:
        cluster.stop()


@dataclass(frozen=True)
class KafkaServer:
    """Where the broker is; `cluster` can be killed where it is ours."""

    bootstrap: str
    cluster: KafkaCluster | None = None

    async def new_topic(self, *, partitions: int = 1, **configs: str) -> str:
        """Make a topic of a test's own and return its name."""
        name = f"test-{uuid4().hex}"
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, partitions, -1, {}, topic_configs=configs)])
        finally:
            await admin.close()
        return name


async def broker_level(bootstrap: str) -> str:
    """Return the level of a broker's metadata, which is close to its version; None with ZooKeeper."""
    host, _, port = bootstrap.split(",", maxsplit=1)[0].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(struct.pack(">i", len(_API_VERSIONS_V3)) + _API_VERSIONS_V3)
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        features = _finalized_features(Encoded(await reader.readexactly(size)))
    finally:
        writer.close()
        await writer.wait_closed()
    return f"metadata.version {features['metadata.version']}" if "metadata.version" in features else "without KRaft"


def _finalized_features(response: Encoded) -> dict[str, int]:
    response.take(4 + 2)  # correlation id, error code
    for _ in range(response.varint() - 1):
        response.take(3 * 2)  # an API's key and versions
        response.tags()
    response.take(4)  # throttle time
    features = response.tags().get(_FINALIZED_FEATURES_TAG)
    levels = {}
    for _ in range(features.varint() - 1 if features else 0):
        assert features is not None
        name = features.compact_text()
        levels[name] = features.number("h")
        features.number("h")
        features.tags()
    return levels
