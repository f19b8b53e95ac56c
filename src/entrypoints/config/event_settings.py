"""Settings of events: which types are accepted, and which payloads they may have."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, DirectoryPath, Field, ValidationInfo, field_validator

from domain.event_types import LEGACY_TYPES, EventTypes


def _check_types(text: str) -> str:
    return str(EventTypes.of(text))


class EventSettings(BaseModel, defer_build=True):
    """What an event may be."""

    event_types: Annotated[str, AfterValidator(_check_types)] = Field(
        str(LEGACY_TYPES),
        description="Comma list of the accepted event types; `*` accepts any name of a letter and up to 63 more "
        "letters, digits, or `_ . : -`.",
    )
    event_schemas: DirectoryPath | None = Field(
        None,
        description="Folder of JSON Schemas (2020-12) for payloads: `ORDER_PLACED.json` for the type ORDER_PLACED, "
        "which need not be listed as well. Unset: any payload is accepted.",
    )
    schema_check: Literal["edge", "both"] = Field(
        "edge", description="Where payloads are held to their schemas: in the api, or in the consumer as well."
    )

    @field_validator("schema_check")
    @classmethod
    def _has_schemas(cls, value: str, info: ValidationInfo) -> str:
        if value == "both" and "event_schemas" in info.data and info.data["event_schemas"] is None:
            raise ValueError("would be ignored, since EVENT_SCHEMAS is not set")
        return value
