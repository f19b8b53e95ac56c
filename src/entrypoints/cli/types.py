"""`user-events types`: list, check, test and compare event types and their schemas before they are switched on."""

import json
import os
import sys
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path

import typer

from adapters.schemas.compatibility import narrowings
from adapters.schemas.compiled import CompiledSchema
from adapters.schemas.load import InvalidSchemas, load_schemas
from application.ports import LogReader
from domain.event_types import LEGACY_TYPES, EventType, EventTypes
from entrypoints.cli.run import FAILED, exit_codes, read_target, run
from entrypoints.cli.types_trial import Trial
from entrypoints.config.errors import UsageError
from entrypoints.container import Container, assembled
from entrypoints.dev.instance import target_of

_STDIN = Path("-")
_FEW_BYTES = 64 * 1024
"""A schema that leaves a payload fewer than these gets a warning."""


def in_force(types: EventTypes | None, folder: Path | None) -> tuple[EventTypes, Path | None]:
    """Return the given types and folder, otherwise those of the environment or of the instance in `DATA_DIR`."""
    with exit_codes():
        target = target_of(os.environ)
    missing = [what for what, given in (("types", types), ("schemas", folder)) if given is None]
    if target.environment is not os.environ and missing:
        typer.echo(f"{' and '.join(missing)}: those of {target.origin}", err=True)
    stated = {name: value for name, value in target.environment.items() if value}
    if types is None:
        types = EventTypes.of(stated["EVENT_TYPES"]) if "EVENT_TYPES" in stated else LEGACY_TYPES
    if folder is None and "EVENT_SCHEMAS" in stated:
        folder = Path(stated["EVENT_SCHEMAS"])
    return types, folder


def list_types(types: EventTypes, folder: Path | None, *, as_json: bool) -> None:
    """Print each accepted type with what is known about its schema."""
    schemas = _load(folder)
    accepted = types.including(schemas)
    if as_json:
        rows = [_as_json(name, schemas.get(name)) for name in accepted.names]
        typer.echo(json.dumps({"acceptsAny": accepted.accepts_any, "types": rows}))
        return
    for name in accepted.names:
        typer.echo(_as_text(name, schemas.get(name)))
    if accepted.accepts_any:
        typer.echo("*: any other type, without a schema")


def check(folder: Path, *, as_json: bool) -> None:
    """Print all mistakes in a folder; exit with 1 if there is one."""
    try:
        schemas = load_schemas(folder)
    except InvalidSchemas as error:
        if as_json:
            typer.echo(json.dumps([problem._asdict() for problem in error.problems]))
        else:
            typer.echo(str(error))
        sys.exit(FAILED)
    if as_json:
        typer.echo("[]")
    for name, schema in schemas.items():
        if schema.limit.max_bytes is not None and schema.limit.max_bytes < _FEW_BYTES:
            typer.echo(f"warning: {_as_text(name, schema)}, since its patterns take long", err=True)
    typer.echo(f"{folder}: {_counted(len(schemas))}, no mistakes", err=True)


def diff(old: Path, new: Path, *, as_json: bool) -> None:
    """Print what `new` may no longer accept; exit with 1 if there is anything."""
    with exit_codes():
        try:
            found = list(narrowings(old, new))
        except InvalidSchemas as error:
            raise UsageError(str(error)) from error
    if as_json:
        typer.echo(json.dumps([narrowing._asdict() for narrowing in found]))
    else:
        for narrowing in found:
            typer.echo(str(narrowing))
    if found:
        sys.exit(FAILED)
    typer.echo("all that the old schemas accept is still accepted", err=True)


def try_files(files: Sequence[Path], types: EventTypes, folder: Path | None, *, as_json: bool) -> None:
    """Test the events of NDJSON files; exit with 1 on a violation."""
    schemas = _load(folder)
    trial = Trial(types.including(schemas), schemas)
    with exit_codes():
        for file in files:
            for line in _lines(file):
                trial.add_body(line)
    _print(trial, as_json=as_json)


def try_log(since: datetime, until: datetime | None, types: EventTypes, folder: Path | None, *, as_json: bool) -> None:
    """Test the events that the log accepted in a time range; exit with 1 on a violation."""
    schemas = _load(folder)
    settings = read_target()
    trial = Trial(types.including(schemas), schemas)

    async def work() -> None:
        async with assembled(settings, _log_reader) as reader:
            async for value in record_values(reader, since, until):
                trial.add_record(value)

    run(work())
    _print(trial, as_json=as_json)


async def record_values(reader: LogReader, since: datetime, until: datetime | None) -> AsyncGenerator[bytes, None]:
    """Read the values of the records that were accepted in a time range, up to now if it has no end."""
    starts = await reader.offsets_at(since)
    ends = {} if until is None else await reader.offsets_at(until)
    for partition, span in (await reader.spans()).items():
        start, end = max(span.start, starts.get(partition, span.end)), min(span.end, ends.get(partition, span.end))
        if start >= end:
            continue
        async with aclosing(reader.read(partition, start, end)) as stretches:
            async for stretch in stretches:
                for record in stretch.records:
                    yield record.value or b""


def _load(folder: Path | None) -> Mapping[EventType, CompiledSchema]:
    with exit_codes():
        try:
            return {} if folder is None else load_schemas(folder)
        except InvalidSchemas as error:
            raise UsageError(str(error)) from error


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with sys.stdin.buffer if path == _STDIN else path.open("rb") as file:
            for number, line in enumerate(file):
                text = line if number else line.removeprefix(BOM_UTF8)
                if text.strip():
                    yield text
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _print(trial: Trial, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(trial.as_json()))
    else:
        for line in trial.lines():
            typer.echo(line)
    if trial.has_findings:
        sys.exit(FAILED)


def _as_json(name: EventType, schema: CompiledSchema | None) -> dict[str, object]:
    if schema is None:
        return {"type": name, "schema": False}
    return {
        "type": name,
        "schema": True,
        "onViolation": "reject" if schema.rejects else "accept",
        "maxValues": schema.limit.max_values,
        "maxBytes": schema.limit.max_bytes,
    }


def _as_text(name: EventType, schema: CompiledSchema | None) -> str:
    if schema is None:
        return f"{name}: any payload"
    violations = "rejected" if schema.rejects else "accepted and counted"
    return f"{name}: payloads by schema, violations are {violations}; a payload has at most {schema.limit}"


def _counted(count: int) -> str:
    return f"{count} schema" if count == 1 else f"{count} schemas"


def _log_reader(container: Container) -> LogReader:
    reader: LogReader = container.log_reader()
    return reader
