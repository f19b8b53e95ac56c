"""Settings of the HTTP servers: addresses, proxies, and limits of requests."""

from typing import Annotated

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from entrypoints.config.event_log_settings import MAX_BYTES
from entrypoints.config.value_types import Count, Name, Networks, Origins, PathPrefix, Port, Seconds

ENVELOPE_BYTES = 16 * 1024
"""Most bytes of a record beside the request's body: user id as key, event id, timestamp, headers, batch header."""


class HttpSettings(BaseModel, defer_build=True):
    """Where the processes listen, and which requests they accept."""

    host: Name = Field("0.0.0.0", description="Address that the api and the consumer's health port listen on.")  # noqa: S104 - as in the legacy service; a container has no other
    port: Port = Field(3000, description="Port of the api.")
    consumer_port: Port = Field(3001, description="Port of the consumer's health checks.")
    cors_origins: Origins | None = Field(
        None,
        description="Comma list of the origins whose pages may use the api, such as https://app.example.com, or `*`. "
        "Unset: none.",
    )
    root_path: PathPrefix | None = Field(
        None, description="Path below which clients find the api, where a proxy removes it: `/api`."
    )
    trusted_proxies: Networks | None = Field(
        None, description="Comma list of addresses and networks of proxies whose `X-Forwarded-Prefix` counts."
    )

    admin_open: bool = Field(
        False,
        description="Whether all clients of the api may change dead letters and read the audit log, not only those on "
        "its machine. The api does not check who they are.",
    )

    publish_timeout_seconds: Seconds = Field(
        10,
        description="Longest wait for the log, from its connection to its acknowledgement; then the response is 503, "
        "outcome unknown.",
    )
    max_body_bytes: Annotated[int, Field(ge=1_024, le=MAX_BYTES)] = Field(
        524_288, description="Largest request body, and largest event of a batch; counted uncompressed."
    )
    max_batch_events: Annotated[int, Field(ge=1, le=10_000)] = Field(1_000, description="Most events of one batch.")
    max_batch_bytes: Annotated[int, Field(ge=1_024, le=64 * 1024 * 1024)] = Field(
        8_388_608, description="Largest body of a batch, counted uncompressed."
    )
    body_silence_seconds: Seconds = Field(10, description="Longest pause between two chunks of a request's body.")
    body_timeout_seconds: Seconds = Field(60, description="Longest that a request's body may take to arrive.")
    max_connections: Count = Field(
        4_096,
        description="Most connections to the api; the newest beyond it is answered with 503. Lowered where the "
        "limit of open files is low.",
    )
    keep_alive_seconds: Annotated[int, Field(ge=2, le=3_600)] = Field(
        75, description="How long an idle connection is kept; above the idle timeout of a proxy in front."
    )
    max_in_flight: Count = Field(1_000, description="Most requests served at a time; beyond it the response is 503.")

    @field_validator("max_body_bytes")
    @classmethod
    def _fits_a_record(cls, value: int, info: ValidationInfo) -> int:
        limit = info.data.get("kafka_max_message_bytes", value + 2 * ENVELOPE_BYTES) - 2 * ENVELOPE_BYTES
        if value > limit:
            raise ValueError(f"must leave {2 * ENVELOPE_BYTES} bytes of KAFKA_MAX_MESSAGE_BYTES: at most {limit}")
        return value
