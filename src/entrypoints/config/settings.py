"""Every setting: its name, type, default and meaning, and the rules that settings keep among each other."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from adapters.kafka.assignor import AssignorName
from entrypoints.config.addresses import MOST_PORT, addresses
from entrypoints.config.origins import origins
from entrypoints.config.proxies import network_list, prefix

Port = Annotated[int, Field(ge=1, le=MOST_PORT)]
Seconds = Annotated[float, Field(ge=0.01, le=3_600)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Replicas = Annotated[int, Field(ge=1, le=32_767)]
"""As Kafka counts them, in 16 bits."""
Hours = Annotated[int, Field(ge=1, le=876_000)]
"""A century at most."""
Name = Annotated[str, Field(min_length=1)]
TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]

ENVELOPE_BYTES = 16 * 1024
"""What a record holds beside the request's body: user id as key, event id, timestamp, headers, the batch's frame."""
BATCH_PER_STATEMENT = 1.25
"""By how much the limit of a batch exceeds that of a statement."""
_AFTER_PUBLISH_SECONDS = 10
"""What the end of the api takes beside the last acknowledgement, above all a producer that flushes."""
AFTER_BATCH_SECONDS = 12
"""What the end of the consumer takes beside the last batch: the client's goodbyes, each with a limit of its own."""
_LEAST_GRACE = (
    f"PUBLISH_TIMEOUT_SECONDS + {_AFTER_PUBLISH_SECONDS} and "
    f"{BATCH_PER_STATEMENT} * DB_STATEMENT_TIMEOUT_SECONDS + {AFTER_BATCH_SECONDS}"
)
_LEAST_WATCH = f"PUBLISH_TIMEOUT_SECONDS + {BATCH_PER_STATEMENT} * DB_STATEMENT_TIMEOUT_SECONDS"
_WITHOUT_TLS = {"disable", "PLAINTEXT", "SASL_PLAINTEXT"}
_MOST_BYTES = 256 * 1024 * 1024
"""Beyond it PostgreSQL would refuse the payload, and the memory would not hold a batch."""


class Settings(BaseModel):
    """Every variable of the environment that the service reads; the field's name in capitals is the variable's."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    host: Name = Field("0.0.0.0", description="Address that the api and the consumer's health port listen on.")  # noqa: S104 - as the predecessor; a container has no other
    port: Port = Field(3000, description="Port of the api.")
    consumer_port: Port = Field(3001, description="Port of the consumer's health checks.")
    cors_origins: Annotated[str, AfterValidator(origins)] | None = Field(
        None,
        description="Comma list of the origins whose pages may use the api, such as https://app.example.com, or `*`. "
        "Unset: none.",
    )
    root_path: Annotated[str, AfterValidator(prefix)] | None = Field(
        None, description="Path below which clients find the api, if a proxy cuts it off: `/api`."
    )
    trusted_proxies: Annotated[str, AfterValidator(network_list)] | None = Field(
        None, description="Comma list of addresses and networks of proxies whose `X-Forwarded-Prefix` counts."
    )

    event_log: Literal["kafka", "postgres"] = Field(
        "kafka", description="Where events wait for the consumer: Kafka, or a log kept in PostgreSQL (embedded mode)."
    )

    kafka_broker: Annotated[str, AfterValidator(addresses)] = Field(
        "kafka:9092", description="Comma list of host:port from which the cluster is found."
    )
    kafka_topic: TopicName = Field("user-activity-events", description="Topic of the events.")
    kafka_consumer_group: Name = Field("user-activity-consumer-group", description="Group of the consumers.")
    kafka_dlq_topic: TopicName = Field("user-activity-events-dlq", description="Topic of the dead letters.")
    kafka_assignor: AssignorName = Field(
        "range", description="How members share partitions; `kafkajs` to share a group with the predecessor's members."
    )
    kafka_session_timeout_seconds: Annotated[float, Field(ge=6, le=300)] = Field(
        30, description="How long a silent member keeps its partitions."
    )
    kafka_create_topics: bool = Field(
        True, description="Make missing topics at start. Those that exist are checked in any case."
    )
    kafka_partitions: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="Partitions of the events' topic. Unset: 4 for a new one, and whatever an existing one has."
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
    kafka_max_message_bytes: Annotated[int, Field(ge=65_536, le=_MOST_BYTES)] = Field(
        1_048_576, description="Largest record of the topic of the events; the dead letters' limit is 64 KiB above it."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to speak to the brokers."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="How to log in where the protocol is one of SASL."
    )
    kafka_sasl_username: Name | None = Field(None, description="User name for SASL.")
    kafka_sasl_password: SecretStr | None = Field(None, description="Password for SASL.")
    kafka_ssl_cafile: FilePath | None = Field(None, description="CA certificates in PEM. Unset: the system's.")
    kafka_ssl_certfile: FilePath | None = Field(None, description="Client certificate in PEM.")
    kafka_ssl_keyfile: FilePath | None = Field(None, description="Client key in PEM.")
    kafka_ssl_check_hostname: bool = Field(True, description="Whether a broker's certificate must bear its name.")

    log_retention: Hours = Field(
        168, description="Embedded log: hours that events are kept after all groups read them."
    )

    db_host: Name = Field("postgres", description="Host of PostgreSQL.")
    db_port: Port = Field(5432, description="Port of PostgreSQL.")
    db_user: Name = Field("postgres", description="User of PostgreSQL.")
    db_password: SecretStr = Field(SecretStr("postgres"), description="Password of PostgreSQL.")
    db_name: Name = Field("eventsdb", description="Database of PostgreSQL.")
    db_sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = Field(
        "disable", description="TLS to PostgreSQL, in the words of its own clients."
    )
    db_sslrootcert: FilePath | None = Field(
        None, description="CA certificates in PEM. Unset: the system's; `require` then checks nothing."
    )
    db_sslcert: FilePath | None = Field(None, description="Client certificate in PEM.")
    db_sslkey: FilePath | None = Field(None, description="Client key in PEM.")
    db_pool_size: Annotated[int, Field(ge=4, le=200)] = Field(10, description="Connections of one process at most.")
    db_statement_timeout_seconds: Seconds = Field(10, description="Longest that one statement may take.")
    db_lock_timeout_seconds: Seconds = Field(
        5, description="Longest that a statement may wait for a lock; below the limit of a statement."
    )
    db_migrate: bool = Field(True, description="Bring the schema up to date at start.")

    batch_size: Annotated[int, Field(ge=1, le=50_000)] = Field(
        5_000, description="Most records that the consumer stores in one transaction."
    )
    retry_budget_seconds: Annotated[float, Field(gt=0, le=31_536_000)] | None = Field(
        None, description="After how long an outage turns a batch into dead letters. Unset: never, it is held."
    )
    storm_letters_in_a_row: Count = Field(
        100, description="After how many dead letters in a row a partition is stopped until `user-events resume`."
    )
    storm_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="Which part of a partition's recent records being dead letters stops it likewise."
    )
    storm_records: Count = Field(1_000, description="How many recent records there must be before their part counts.")
    storm_window_seconds: Seconds = Field(60, description="Which records are recent.")
    publish_timeout_seconds: Seconds = Field(
        10,
        description="Longest wait for the log, from its connection to its acknowledgement; then the answer is 503, "
        "outcome unknown.",
    )
    max_body_bytes: Annotated[int, Field(ge=1_024, le=_MOST_BYTES)] = Field(
        524_288, description="Largest request body, and largest event of a batch; counted uncompressed."
    )
    max_batch_events: Annotated[int, Field(ge=1, le=10_000)] = Field(1_000, description="Most events of one batch.")
    max_batch_bytes: Annotated[int, Field(ge=1_024, le=64 * 1024 * 1024)] = Field(
        8_388_608, description="Largest body of a batch, counted uncompressed."
    )
    body_silence_seconds: Seconds = Field(
        10, description="Longest that nothing may come of a request's body while it is awaited."
    )
    body_timeout_seconds: Seconds = Field(60, description="Longest that a request's body may take to arrive.")
    max_connections: Count = Field(
        4_096,
        description="Connections to the api at a time; beyond it the newest is answered with 503. Lowered where the "
        "limit of open files is low.",
    )
    keep_alive_seconds: Annotated[int, Field(ge=2, le=3_600)] = Field(
        75, description="How long a connection is kept between requests; above the patience of a proxy in front."
    )
    max_in_flight: Count = Field(1_000, description="Requests served at a time; beyond it the answer is 503.")
    watchdog_seconds: Seconds = Field(
        120,
        description="For how long the consumer may do nothing although records wait; then it ends with exit code 1, so "
        f"that its supervisor starts another. At least {_LEAST_WATCH}.",
    )
    shutdown_grace_seconds: Seconds = Field(
        25,
        description="By when a process has ended after SIGTERM, SIGINT or SIGHUP; below the supervisor's own patience, "
        f"and at least {_LEAST_GRACE}.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="JSON lines, or text to be read by people. `auto`: text on a terminal."
    )
    data_dir: Path = Field(Path(".data"), description="Embedded mode: folder of the local PostgreSQL.")

    @field_validator("*", mode="before")
    @classmethod
    def _takes_words_in_any_case(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):
            return value
        words = {word.lower(): word for word in _words(cls.model_fields[str(info.field_name)].annotation)}
        return words.get(value.lower(), value)

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

    @field_validator(
        *("kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile", "db_sslrootcert", "db_sslcert", "db_sslkey")
    )
    @classmethod
    def _given_for_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        switch = "db_sslmode" if str(info.field_name).startswith("db_") else "kafka_security_protocol"
        if value is not None and info.data.get(switch) in _WITHOUT_TLS:
            raise ValueError(f"would be ignored, since {switch.upper()} is {info.data[switch]}")
        return value

    @field_validator("kafka_ssl_keyfile", "db_sslkey")
    @classmethod
    def _has_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        certificate = "db_sslcert" if info.field_name == "db_sslkey" else "kafka_ssl_certfile"
        if certificate in info.data and (value is None) != (info.data[certificate] is None):
            raise ValueError(f"goes together with {certificate.upper()}")
        return value

    @field_validator("db_lock_timeout_seconds")
    @classmethod
    def _is_below_statement(cls, value: float, info: ValidationInfo) -> float:
        if value >= info.data.get("db_statement_timeout_seconds", float("inf")):
            raise ValueError("must be below DB_STATEMENT_TIMEOUT_SECONDS")
        return value

    @field_validator("max_body_bytes")
    @classmethod
    def _fits_a_record(cls, value: int, info: ValidationInfo) -> int:
        most = info.data.get("kafka_max_message_bytes", value + 2 * ENVELOPE_BYTES) - 2 * ENVELOPE_BYTES
        if value > most:
            raise ValueError(f"must leave {2 * ENVELOPE_BYTES} bytes of KAFKA_MAX_MESSAGE_BYTES: at most {most}")
        return value

    @field_validator("watchdog_seconds")
    @classmethod
    def _outlasts_a_batch(cls, value: float, info: ValidationInfo) -> float:
        statement = info.data.get("db_statement_timeout_seconds", 0)
        least = info.data.get("publish_timeout_seconds", 0) + BATCH_PER_STATEMENT * statement
        if value < least:
            raise ValueError(f"must be at least {least:g}, for {_LEAST_WATCH}")
        return value

    @field_validator("shutdown_grace_seconds")
    @classmethod
    def _outlasts_what_was_begun(cls, value: float, info: ValidationInfo) -> float:
        api = info.data.get("publish_timeout_seconds", 0) + _AFTER_PUBLISH_SECONDS
        consumer = BATCH_PER_STATEMENT * info.data.get("db_statement_timeout_seconds", 0) + AFTER_BATCH_SECONDS
        if value < max(api, consumer):
            raise ValueError(f"must be at least {max(api, consumer):g}, for {_LEAST_GRACE}")
        return value

    def shown(self) -> dict[str, str]:
        """Render all variables for people, secrets masked, unset ones empty."""
        return {name.upper(): "" if value is None else str(value) for name, value in self}


def _words(annotation: Any) -> Sequence[str]:
    """Name the words that a setting may be, if it is one of some words; others may stand beside as `None`."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return [word for part in get_args(annotation) for word in _words(part)]


@cache
def variables() -> Sequence[str]:
    """Name all variables of the environment that are read, those of files with secrets too."""
    return [
        variable
        for name in Settings.model_fields
        for variable in [name.upper(), *([f"{name.upper()}_FILE"] if is_secret(name) else [])]
    ]


def is_secret(name: str) -> bool:
    """Tell whether the field may also be given by a file, in the variable with the suffix _FILE."""
    annotation = Settings.model_fields[name].annotation
    return SecretStr in {annotation, *get_args(annotation)}
