"""Loads a schema folder: all of it, or nothing and the list of all mistakes."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import jsonschema_rs

from adapters.schemas.compiled import CompiledSchema
from adapters.schemas.compiled_parts import CompiledParts
from adapters.schemas.files.checks import check_document
from adapters.schemas.files.documents import Document, References, decode_files
from adapters.schemas.files.folder import SchemaProblem, read_folder
from adapters.schemas.files.json_text import Json
from adapters.schemas.files.keywords import ON_VIOLATION
from adapters.schemas.limits.compile_cost import TooLong, slow_parts
from adapters.schemas.limits.cost import Costs, Endless
from adapters.schemas.limits.payload_size import MIN_VALUES
from domain.errors import WrongDeployment
from domain.event_types import EventType


class InvalidSchemas(WrongDeployment):
    """A folder cannot be used; `problems` are all of its mistakes, each with file, place and reason."""

    def __init__(self, problems: Sequence[SchemaProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load_schemas(folder: Path) -> Mapping[EventType, CompiledSchema]:
    """Compile the schemas of a folder, in the order of their files' names. Raises `InvalidSchemas`."""
    documents, schemas = read_schemas(folder)
    parts = CompiledParts(schemas, jsonschema_rs.Registry([(document.uri, document.root) for document in documents]))
    problems: list[SchemaProblem] = []
    compiled: dict[EventType, CompiledSchema] = {}
    costs = Costs(schemas)
    for document in documents:
        if (event_type := document.file.type) is None:
            continue
        try:
            cost = costs.of(document.place(""))
            for slow in slow_parts(document.place(""), schemas):
                parts.prepare(slow)
            rejects = not isinstance(document.root, dict) or document.root.get(ON_VIOLATION) != "accept"
            made = CompiledSchema(event_type, document.file.text, document.place(""), parts, cost, rejects=rejects)
        except (Endless, TooLong) as error:
            problems.append(document.problem("", str(error)))
        except jsonschema_rs.ValidationError as error:
            problems.append(document.problem("", f"cannot be compiled: {error.message}"))
        else:
            compiled[event_type] = made
            if made.limit.max_values < MIN_VALUES:
                problems.append(document.problem("", _too_costly(cost.value)))
    if problems:
        raise InvalidSchemas(problems)
    return compiled


def read_schemas(folder: Path) -> tuple[Sequence[Document], Mapping[str, Json]]:
    """Read and check the files of a folder; return all schemas by place, their `$ref` the place of its target.

    Raises `InvalidSchemas`.
    """
    files, problems = read_folder(folder)
    documents, more = decode_files(files)
    references = References(documents)
    problems = [*problems, *more, *references.problems]
    for document in documents:
        problems += check_document(document, references)
    if problems:
        raise InvalidSchemas(sorted(problems, key=lambda problem: problem.file))
    return documents, dict(_resolved(documents, references))


def _resolved(documents: Sequence[Document], references: References) -> Iterator[tuple[str, Json]]:
    """Write the place of its target into each reference: the engine needs to know neither anchors nor ids."""
    for document in documents:
        for pointer, schema in document.schemas.items():
            if isinstance(schema, dict) and "$ref" in schema:
                schema["$ref"] = references.target(document, cast("str", schema["$ref"]))
            yield document.place(pointer), schema
    for document in documents:
        for schema in document.schemas.values():
            if isinstance(schema, dict):
                schema.pop("$id", None)
                schema.pop("$anchor", None)


def _too_costly(nanoseconds: float) -> str:
    return (
        f"takes up to {nanoseconds / 1000:.0f} µs for each value of a payload, which leaves less than {MIN_VALUES}: "
        "make lists of options shorter, or have fewer schemas for the same value"
    )
