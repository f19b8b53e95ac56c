"""A broker that authenticates its clients, and allows what the test configured."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Schema, String

from tests.support.certificates import Certificate
from tests.support.kafka import running
from tests.support.records import Topics
from tools.kafka import KafkaCluster, probe

USER, PASSWORD = "events", "s3cret"
_HOST = "127.0.0.1"
_RESOURCES = {"topic": 2, "group": 3, "cluster": 4}
_OPERATIONS = {"READ": 3, "WRITE": 4, "CREATE": 5, "DESCRIBE": 8, "DESCRIBE_CONFIGS": 10, "ALL": 2}
_LITERAL, _ALLOW, _ANY = 3, 3, 1


class SecuredKafka:
    """One broker: anybody may do anything at `topics.bootstrap`; a user with a password has rights at `sasl`."""

    def __init__(self, directory: Path) -> None:
        """Take the plan and start nothing."""
        self.certificate = Certificate(directory, _HOST)
        sasl, tls = probe.free_ports(2)
        self.sasl, self.tls = f"{_HOST}:{sasl}", f"{_HOST}:{tls}"
        listeners = f"SASL://{self.sasl},TLS://{self.tls}"
        (directory / "server.pem").write_text(self.certificate.key.read_text() + self.certificate.path.read_text())
        self.cluster = KafkaCluster(
            directory / "kafka",
            properties={
                "listeners": listeners,
                "advertised.listeners": listeners,
                "listener.security.protocol.map": "SASL:SASL_PLAINTEXT,TLS:SSL",
                "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
                "listener.name.sasl.plain.sasl.jaas.config": (
                    f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
                ),
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(directory / "server.pem"),
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
                "group.max.size": "1",
            },
        )

    @property
    def topics(self) -> Topics:
        """Its topics, without any bounds."""
        return Topics(self.cluster.bootstrap)

    @property
    def credentials(self) -> dict[str, str]:
        """The settings of a client that logs in."""
        return {
            "KAFKA_BROKER": self.sasl,
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD": PASSWORD,
        }

    async def allow(self, kind: str, name: str, *operations: str) -> None:
        """Give the user rights to a topic or a group."""
        acls = [
            (_RESOURCES[kind], name, _LITERAL, f"User:{USER}", "*", _OPERATIONS[operation], _ALLOW)
            for operation in operations
        ]
        async with self._client() as client:
            response = await client.send(client.get_random_node(), _CreateAcls(acls))
        assert {code for code, _message in response.results} == {0}, response

    async def revoke(self, kind: str, name: str, operation: str) -> None:
        """Take a right away."""
        acl = (_RESOURCES[kind], name, _LITERAL, f"User:{USER}", None, _OPERATIONS[operation], _ANY)
        async with self._client() as client:
            response = await client.send(client.get_random_node(), _DeleteAcls([acl]))
        assert {result[0] for result in response.results} == {0}, response

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AIOKafkaClient]:
        client = AIOKafkaClient(bootstrap_servers=self.cluster.bootstrap)
        try:
            await client.bootstrap()
            yield client
        finally:
            await client.close()


@contextmanager
def secured(directory: Path) -> Iterator[SecuredKafka]:
    """Run a broker of ours; without Java or Maven skip with the reason, which in CI is a failure."""
    kafka = SecuredKafka(directory)
    with running(kafka.cluster):
        yield kafka


_RULE = (
    ("resource_type", Int8),
    ("resource_name", String("utf-8")),
    ("pattern_type", Int8),
    ("principal", String("utf-8")),
    ("host", String("utf-8")),
    ("operation", Int8),
    ("permission_type", Int8),
)
_ERROR = (("error_code", Int16), ("error_message", String("utf-8")))


class _CreateAclsResponse(Response):  # type: ignore[misc]  # aiokafka publishes no types
    API_KEY, API_VERSION = 30, 1
    SCHEMA = Schema(("throttle_time_ms", Int32), ("results", Array(*_ERROR)))


class _CreateAclsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION = 30, 1
    RESPONSE_TYPE = _CreateAclsResponse
    SCHEMA = Schema(("creations", Array(*_RULE)))


class _CreateAcls(Request[_CreateAclsStruct]):  # type: ignore[misc]
    API_KEY = 30

    def __init__(self, acls: Sequence[tuple[object, ...]]) -> None:
        self._acls = list(acls)

    def build(self, request_struct_class: type[_CreateAclsStruct]) -> _CreateAclsStruct:
        return request_struct_class(self._acls)


class _DeleteAclsResponse(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 31, 1
    SCHEMA = Schema(("throttle_time_ms", Int32), ("results", Array(*_ERROR, ("matching", Array(*_ERROR, *_RULE)))))


class _DeleteAclsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION = 31, 1
    RESPONSE_TYPE = _DeleteAclsResponse
    SCHEMA = Schema(("filters", Array(*_RULE)))


class _DeleteAcls(Request[_DeleteAclsStruct]):  # type: ignore[misc]
    API_KEY = 31

    def __init__(self, acls: Sequence[tuple[object, ...]]) -> None:
        self._acls = list(acls)

    def build(self, request_struct_class: type[_DeleteAclsStruct]) -> _DeleteAclsStruct:
        return request_struct_class(self._acls)
