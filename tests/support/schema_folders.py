"""Folders of schemas."""

import json
from collections.abc import Mapping
from pathlib import Path

from adapters.schemas.compiled import CompiledSchema
from adapters.schemas.load import InvalidSchemas, load_schemas
from application.event_catalog import EventCatalog
from domain.event_types import EventTypes, event_type


def write(folder: Path, files: Mapping[str, object]) -> Path:
    """Write files by their names: text or bytes as they are, anything else as JSON."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, (str, bytes)) else json.dumps(content)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def compiled(folder: Path, schema: object, **others: object) -> CompiledSchema:
    """Compile one schema, beside files named without their ending."""
    write(folder, {"T.json": schema, **{f"{name}.json": content for name, content in others.items()}})
    return load_schemas(folder)[event_type("T")]


def a_catalog(folder: Path, types: str, files: Mapping[str, object]) -> EventCatalog:
    """Make a catalog of listed types and of a folder of schemas."""
    schemas = load_schemas(write(folder, files))
    return EventCatalog(EventTypes.of(types).including(schemas), schemas)


def mistakes(folder: Path) -> list[str]:
    """Load a folder and return its mistakes, each in one line."""
    try:
        load_schemas(folder)
    except InvalidSchemas as error:
        return str(error).splitlines()
    return []


def in_place(levels: int, keyword: str = "allOf", exclusion: str = "unevaluatedProperties", times: int = 1) -> object:
    """Return schemas inside each other that apply to the same value, and each exclude what the ones inside leave."""
    schema: object = {"properties": {"a": {}}, "prefixItems": [True]}
    for _ in range(levels):
        schema = {keyword: [schema] * times, exclusion: False}
    return schema
