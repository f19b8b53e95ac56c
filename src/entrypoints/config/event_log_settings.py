"""Settings of the event log: Kafka, or the embedded log in PostgreSQL."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, FilePath, SecretStr, ValidationInfo, field_validator

from entrypoints.config.value_types import Addresses, Hours, Name, Replicas, TopicName, needs_certificate, needs_tls

MAX_BYTES = 256 * 1024 * 1024
"""PostgreSQL refuses a larger payload, and the memory does not hold a batch of them."""

AssignorName = Literal["range", "roundrobin", "sticky", "kafkajs"]
_TlsFile = Annotated[FilePath | None, needs_tls("kafka_security_protocol")]


class EventLogSettings(BaseModel, defer_build=True):
    """Where events wait for the consumer."""

    event_log: Literal["kafka", "postgres"] = Field(
        "kafka", description="Where events wait for the consumer: Kafka, or a log kept in PostgreSQL (embedded mode)."
    )
    log_retention: Hours = Field(
        168, description="Embedded log: hours that events are kept after all groups have read them."
    )

    kafka_broker: Addresses = Field("kafka:9092", description="Comma list of host:port of some brokers of the cluster.")
    kafka_topic: TopicName = Field("user-activity-events", description="Topic of the events.")
    kafka_consumer_group: Name = Field("user-activity-consumer-group", description="Group of the consumers.")
    kafka_dlq_topic: TopicName = Field("user-activity-events-dlq", description="Topic of the dead letters.")
    kafka_assignor: AssignorName = Field(
        "range", description="How members share partitions; `kafkajs` for a group with members of the legacy service."
    )
    kafka_session_timeout_seconds: Annotated[float, Field(ge=6, le=300)] = Field(
        30, description="How long a silent member keeps its partitions."
    )
    kafka_create_topics: bool = Field(
        True, description="Create missing topics at start. Existing ones are checked in any case."
    )
    kafka_partitions: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="Partitions of the events' topic. Unset: 4 for a new topic, any number for an existing one."
    )
    kafka_replication_factor: Replicas | None = Field(
        None, description="Replicas of both topics. Unset: the cluster's default."
    )
    kafka_min_isr: Replicas | None = Field(
        None, description="Replicas that must have a record before it is acknowledged. Unset: the cluster's default."
    )
    kafka_retention_hours: Hours = Field(
        168, description="How long the topic of the events keeps them; dead letters are kept for ever."
    )
    kafka_max_message_bytes: Annotated[int, Field(ge=65_536, le=MAX_BYTES)] = Field(
        1_048_576, description="Largest record of the topic of the events; the dead letters' limit is 64 KiB above it."
    )

    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Protocol of the connections to the brokers."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="How to authenticate where the protocol is one of SASL."
    )
    kafka_sasl_username: Name | None = Field(None, description="User name for SASL.")
    kafka_sasl_password: SecretStr | None = Field(None, description="Password for SASL.")
    kafka_ssl_cafile: _TlsFile = Field(None, description="CA certificates in PEM. Unset: the system's.")
    kafka_ssl_certfile: _TlsFile = Field(None, description="Client certificate in PEM.")
    kafka_ssl_keyfile: Annotated[_TlsFile, needs_certificate("kafka_ssl_certfile")] = Field(
        None, description="Client key in PEM."
    )
    kafka_ssl_check_hostname: bool = Field(True, description="Whether a broker's certificate must bear its name.")

    @field_validator("kafka_dlq_topic")
    @classmethod
    def _differs_from_topic(cls, value: str, info: ValidationInfo) -> str:
        if value == info.data.get("kafka_topic"):
            raise ValueError("must be another topic than KAFKA_TOPIC")
        return value

    @field_validator("kafka_min_isr")
    @classmethod
    def _fits_replication(cls, value: int | None, info: ValidationInfo) -> int | None:
        replication = info.data.get("kafka_replication_factor")
        if value is not None and replication is not None and value > replication:
            raise ValueError(f"must not exceed KAFKA_REPLICATION_FACTOR, which is {replication}")
        return value

    @field_validator("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _given_for_sasl(cls, value: object, info: ValidationInfo) -> object:
        protocol = info.data.get("kafka_security_protocol")
        if protocol is not None and (value is not None) != protocol.startswith("SASL"):
            verb = "is needed" if value is None else "would be ignored"
            raise ValueError(f"{verb}, since KAFKA_SECURITY_PROTOCOL is {protocol}")
        return value
