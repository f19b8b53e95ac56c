"""The subcommands of `user-events types` and their options; each one imports its own modules when it runs."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from domain.event_types import EventTypes
from domain.times import parse_time

commands = typer.Typer(help="List, check, test and compare event types and their schemas.", no_args_is_help=True)


def _parse_types(text: str) -> EventTypes:
    try:
        return EventTypes.of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _parse_moment(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}") from None


Types = Annotated[
    EventTypes | None,
    typer.Option("--types", envvar="EVENT_TYPES", metavar="LIST", help="Comma list, * for any.", parser=_parse_types),
]
Schemas = Annotated[
    Path | None,
    typer.Option(
        "--schemas",
        envvar="EVENT_SCHEMAS",
        metavar="FOLDER",
        help="Folder of JSON Schemas.",
        exists=True,
        file_okay=False,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Argument(envvar="EVENT_SCHEMAS", metavar="[FOLDER]", help="Folder of schemas.", exists=True, file_okay=False),
]
Compared = Annotated[Path, typer.Argument(help="Folder of schemas.", exists=True, file_okay=False)]
Files = Annotated[
    list[Path] | None, typer.Argument(metavar="[FILE]...", help="NDJSON: bodies of requests, or records; - is stdin.")
]
Since = Annotated[
    datetime | None,
    typer.Option("--from", parser=_parse_moment, metavar="TIME", help="Test the log's events from this time on."),
]
Until = Annotated[datetime | None, typer.Option("--to", parser=_parse_moment, metavar="TIME", help="End, exclusive.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@commands.command("list")
def list_types(types: Types = None, schemas: Schemas = None, *, as_json: AsJson = False) -> None:
    """List the accepted types and their schemas."""
    from entrypoints.cli.types import in_force, list_types

    list_types(*in_force(types, schemas), as_json=as_json)


@commands.command()
def check(folder: Folder = None, *, as_json: AsJson = False) -> None:
    """Print every mistake in a folder of schemas; exit code 1 if there is one."""
    if folder is None:
        raise typer.BadParameter("name a folder, or set EVENT_SCHEMAS")
    from entrypoints.cli.types import check

    check(folder, as_json=as_json)


@commands.command("test")
def try_events(
    files: Files = None,
    types: Types = None,
    schemas: Schemas = None,
    since: Since = None,
    until: Until = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Test events of files, or of the log with --from, against types and schemas; exit code 1 on a violation."""
    if not files and since is None:
        raise typer.BadParameter("name files, or the start of a range of the log with --from")
    if files and (since is not None or until is not None):
        raise typer.BadParameter("name either files or a range of the log")
    if since is not None and until is not None and since > until:
        raise typer.BadParameter("--from must not be later than --to")
    from entrypoints.cli.types import in_force, try_files, try_log

    accepted, folder = in_force(types, schemas)
    if files:
        try_files(files, accepted, folder, as_json=as_json)
    elif since is not None:
        try_log(since, until, accepted, folder, as_json=as_json)


@commands.command()
def diff(old: Compared, new: Compared, *, as_json: AsJson = False) -> None:
    """Print what the folder OLD accepts and the folder NEW may not; exit code 1 if there is anything."""
    from entrypoints.cli.types import diff

    diff(old, new, as_json=as_json)
