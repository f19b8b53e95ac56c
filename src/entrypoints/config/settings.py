"""All settings. Their names in capitals are the variables of the environment."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from entrypoints.config.consumer_settings import ConsumerSettings
from entrypoints.config.database_settings import BATCH_PER_STATEMENT, DatabaseSettings
from entrypoints.config.event_log_settings import EventLogSettings
from entrypoints.config.event_settings import EventSettings
from entrypoints.config.http_settings import HttpSettings
from entrypoints.config.value_types import Seconds

AFTER_BATCH_SECONDS = 12
"""Seconds that the consumer needs after its last batch, mainly to leave the group and to close its clients."""
_AFTER_PUBLISH_SECONDS = 10
"""Seconds that the api needs after the last acknowledgement, mainly to flush its producer."""
_LEAST_GRACE = (
    f"PUBLISH_TIMEOUT_SECONDS + {_AFTER_PUBLISH_SECONDS} and "
    f"{BATCH_PER_STATEMENT} * DB_STATEMENT_TIMEOUT_SECONDS + {AFTER_BATCH_SECONDS}"
)


# The last base comes first in the order of the fields; a rule sees only the fields before its own.
class Settings(ConsumerSettings, HttpSettings, DatabaseSettings, EventLogSettings, EventSettings, defer_build=False):
    """Every setting of the service; immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    shutdown_grace_seconds: Seconds = Field(
        25,
        description="Longest that a process may take to end after SIGTERM, SIGINT or SIGHUP; below the limit of its "
        f"supervisor, and at least {_LEAST_GRACE}.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="JSON lines, or text for people. `auto`: text on a terminal."
    )
    data_dir: Path = Field(Path(".data"), description="Embedded mode: folder of the local PostgreSQL.")

    @field_validator("*", mode="before")
    @classmethod
    def _ignores_case_of_words(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):
            return value
        words = {word.lower(): word for word in _words(cls.model_fields[str(info.field_name)].annotation)}
        return words.get(value.lower(), value)

    @field_validator("shutdown_grace_seconds")
    @classmethod
    def _outlasts_work_in_flight(cls, value: float, info: ValidationInfo) -> float:
        api = info.data.get("publish_timeout_seconds", 0) + _AFTER_PUBLISH_SECONDS
        consumer = BATCH_PER_STATEMENT * info.data.get("db_statement_timeout_seconds", 0) + AFTER_BATCH_SECONDS
        if value < max(api, consumer):
            raise ValueError(f"must be at least {max(api, consumer):g}, for {_LEAST_GRACE}")
        return value

    def shown(self) -> dict[str, str]:
        """Render all variables for people, secrets masked, unset ones empty."""
        return {name.upper(): "" if value is None else str(value) for name, value in self}


def _words(annotation: Any) -> Sequence[str]:
    """List the words of a `Literal`, which may be part of a union; empty for other types."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return [word for part in get_args(annotation) for word in _words(part)]


@cache
def variables() -> Sequence[str]:
    """List all variables of the environment that are read, with those that name the files of secrets."""
    return [
        variable
        for name in Settings.model_fields
        for variable in [name.upper(), *([f"{name.upper()}_FILE"] if is_secret(name) else [])]
    ]


def is_secret(name: str) -> bool:
    """Whether the field is a secret, which may also be given by a file: the variable with the suffix _FILE."""
    annotation = Settings.model_fields[name].annotation
    return SecretStr in {annotation, *get_args(annotation)}
