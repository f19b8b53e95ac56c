"""Asks a broker which rights this user has to a topic, in a version of its metadata that the client does not speak."""

from typing import Any

from aiokafka.errors import TopicAuthorizationFailedError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

_METADATA = 3
_VERSION = 8
_WRITE = 1 << 4
_NOT_TOLD = -(2**31)
_TEXT = String("utf-8")
_BROKER = (("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT))
_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", Array(Int32)),
    ("isr", Array(Int32)),
    ("offline_replicas", Array(Int32)),
)
_TOPIC = (
    ("error_code", Int16),
    ("name", _TEXT),
    ("is_internal", Boolean),
    ("partitions", Array(*_PARTITION)),
    ("operations", Int32),
)


class _Rights(Response):  # type: ignore[misc]  # aiokafka publishes no types
    API_KEY, API_VERSION = _METADATA, _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(*_BROKER)),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        ("topics", Array(*_TOPIC)),
        ("cluster_operations", Int32),
    )


class _RightsRequest(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION = _METADATA, _VERSION
    RESPONSE_TYPE = _Rights
    SCHEMA = Schema(
        ("topics", Array(_TEXT)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
    )


class TopicRights(Request[_RightsRequest]):  # type: ignore[misc]
    """To be sent with the client's `send`."""

    API_KEY = _METADATA

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_RightsRequest]) -> _RightsRequest:
        """Render the only version that there is."""
        return request_struct_class([self._topic], False, False, True)

    @staticmethod
    def may_write(response: Any) -> bool:
        """Tell whether records may be sent there; True where the brokers do not say."""
        ((code, _name, _is_internal, _partitions, operations),) = response.topics
        if for_code(code) is TopicAuthorizationFailedError:
            return False
        return bool(code) or operations == _NOT_TOLD or bool(operations & _WRITE)
