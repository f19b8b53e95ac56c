"""Settings → the accepted event types and their schemas."""

from application.event_catalog import EventCatalog
from domain.event_types import EventTypes
from entrypoints.config.errors import SettingsError
from entrypoints.config.settings import Settings


def load_catalog(settings: Settings) -> EventCatalog:
    """Return the types and schemas in force; raises `SettingsError` with every mistake in the folder of schemas."""
    types = EventTypes.of(settings.event_types)
    if settings.event_schemas is None:
        return EventCatalog(types, {})
    from adapters.schemas.load import InvalidSchemas, load_schemas

    try:
        schemas = load_schemas(settings.event_schemas)
    except InvalidSchemas as error:
        raise SettingsError([f"EVENT_SCHEMAS: {problem}" for problem in error.problems]) from error
    return EventCatalog(types.including(schemas), schemas)
