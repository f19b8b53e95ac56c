"""Settings of the consumer: batches, retries, dead letters and the watchdog."""

from typing import Annotated

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from entrypoints.config.database_settings import BATCH_PER_STATEMENT
from entrypoints.config.value_types import Count, Seconds

_LEAST_WATCHDOG = f"PUBLISH_TIMEOUT_SECONDS + {BATCH_PER_STATEMENT} * DB_STATEMENT_TIMEOUT_SECONDS"


class ConsumerSettings(BaseModel, defer_build=True):
    """How the consumer works, and when it gives up."""

    batch_size: Annotated[int, Field(ge=1, le=50_000)] = Field(
        5_000, description="Most records that the consumer stores in one transaction."
    )
    retry_budget_seconds: Annotated[float, Field(gt=0, le=31_536_000)] | None = Field(
        None, description="Duration of an outage after which a batch becomes dead letters. Unset: it is always retried."
    )
    dlq_max_consecutive: Count = Field(
        100, description="Consecutive dead letters after which a partition is halted until `user-events resume`."
    )
    dlq_max_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="Ratio of dead letters to recent records above which a partition is halted, too."
    )
    dlq_ratio_min_records: Count = Field(1_000, description="Fewest recent records of a partition for that ratio.")
    dlq_ratio_window_seconds: Seconds = Field(60, description="How long a record counts as recent for that ratio.")
    auto_replay: bool = Field(
        True,
        description="Whether dead letters of kind `exhausted` are replayed by themselves once the database has been up "
        "for a minute: each up to 10 times, after a minute at first and after six hours in the end.",
    )
    retain_dead_letters_days: Annotated[float, Field(gt=0, le=36_500)] | None = Field(
        None,
        description="How long the index keeps dead letters that ended stored or discarded; the dead-letter topic keeps "
        "them. Unset: for ever.",
    )
    watchdog_seconds: Seconds = Field(
        120,
        description="Longest that the consumer may make no progress while records wait; then it exits with code 1, so "
        f"that its supervisor starts another. At least {_LEAST_WATCHDOG}.",
    )

    @field_validator("watchdog_seconds")
    @classmethod
    def _outlasts_a_batch(cls, value: float, info: ValidationInfo) -> float:
        statement = info.data.get("db_statement_timeout_seconds", 0)
        least = info.data.get("publish_timeout_seconds", 0) + BATCH_PER_STATEMENT * statement
        if value < least:
            raise ValueError(f"must be at least {least:g}, for {_LEAST_WATCHDOG}")
        return value
