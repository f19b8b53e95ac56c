"""Settings of PostgreSQL."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, FilePath, SecretStr, ValidationInfo, field_validator

from entrypoints.config.value_types import Name, Port, Seconds, needs_certificate, needs_tls

BATCH_PER_STATEMENT = 1.25
"""The time limit of a batch as a multiple of that of a statement."""

_TlsFile = Annotated[FilePath | None, needs_tls("db_sslmode")]


class DatabaseSettings(BaseModel, defer_build=True):
    """Where the database is, and how long it may take."""

    db_host: Name = Field("postgres", description="Host of PostgreSQL.")
    db_port: Port = Field(5432, description="Port of PostgreSQL.")
    db_user: Name = Field("postgres", description="User of PostgreSQL.")
    db_password: SecretStr = Field(SecretStr("postgres"), description="Password of PostgreSQL.")
    db_name: Name = Field("eventsdb", description="Database of PostgreSQL.")
    db_sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = Field(
        "disable", description="TLS to PostgreSQL, with the meaning that libpq gives to these modes."
    )
    db_sslrootcert: _TlsFile = Field(
        None, description="CA certificates in PEM. Unset: the system's; `require` then checks nothing."
    )
    db_sslcert: _TlsFile = Field(None, description="Client certificate in PEM.")
    db_sslkey: Annotated[_TlsFile, needs_certificate("db_sslcert")] = Field(None, description="Client key in PEM.")
    db_pool_size: Annotated[int, Field(ge=4, le=200)] = Field(
        10, description="Most connections of one process; a consumer has four more for dead letters."
    )
    db_statement_timeout_seconds: Seconds = Field(10, description="Longest that one statement may take.")
    db_lock_timeout_seconds: Seconds = Field(
        5, description="Longest that a statement may wait for a lock; below the limit of a statement."
    )
    db_migrate: bool = Field(True, description="Bring the schema up to date at start.")

    @field_validator("db_lock_timeout_seconds")
    @classmethod
    def _is_below_statement(cls, value: float, info: ValidationInfo) -> float:
        if value >= info.data.get("db_statement_timeout_seconds", float("inf")):
            raise ValueError("must be below DB_STATEMENT_TIMEOUT_SECONDS")
        return value
