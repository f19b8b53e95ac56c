"""Settings → the accepted event types and their schemas."""

from collections.abc import Mapping
from pathlib import Path

from application.event_catalog import EventCatalog, PublishedSchema
from domain.event_types import EventType, EventTypes
from entrypoints.config.errors import SettingsError
from entrypoints.config.settings import Settings


def load_catalog(settings: Settings) -> EventCatalog:
    """Return the types and schemas in force; raises `SettingsError` with every mistake in the folder of schemas."""
    types = EventTypes.of(settings.event_types)
    schemas = _load(settings.event_schemas) if settings.event_schemas is not None else {}
    return EventCatalog(types.including(schemas), schemas)


def mistakes_in_schemas(environ: Mapping[str, str]) -> list[str]:
    """Return every mistake in the folder of schemas, for a start that fails already for its other settings."""
    folder = environ.get("EVENT_SCHEMAS")
    try:
        if folder and Path(folder).is_dir():
            _load(Path(folder))
    except SettingsError as error:
        return error.problems
    return []


def _load(folder: Path) -> Mapping[EventType, PublishedSchema]:
    # Many starts need no schemas, and not the library either.
    from adapters.schemas.load import InvalidSchemas, load_schemas

    try:
        return load_schemas(folder)
    except InvalidSchemas as error:
        raise SettingsError([f"EVENT_SCHEMAS: {problem}" for problem in error.problems]) from error
