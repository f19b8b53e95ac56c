"""The event types that are in force."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from domain.event_types import LEGACY_TYPES, EventType, EventTypes
from domain.payload_schema import PayloadSchema


class PublishedSchema(PayloadSchema, Protocol):
    """A compiled schema that can be shown to clients."""

    @property
    def text(self) -> bytes:
        """The schema as it is in its file: UTF-8 JSON."""
        ...

    def bundled(self, at: str = "#", definition: Callable[[str], str] | None = None) -> object:
        """Return the schema as JSON that holds all it refers to, and stands at the place `at` of its document.

        `at` is a pointer as a URI fragment. `definition` returns where the definition of a name stands, unless that is
        in `$defs`. Integral numbers are `int`, others `Decimal`.
        """
        ...


@dataclass(frozen=True, slots=True)
class EventCatalog:
    """The accepted types, and the schemas of those that have one; `types` includes every type of `schemas`."""

    types: EventTypes
    schemas: Mapping[EventType, PublishedSchema]


LEGACY_CATALOG = EventCatalog(LEGACY_TYPES, {})
"""What the service accepts unless it is told otherwise."""
