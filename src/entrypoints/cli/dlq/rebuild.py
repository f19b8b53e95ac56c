"""`user-events dlq rebuild`."""

import typer

from application.dead_letters.rebuild_index import RebuildIndex
from entrypoints.cli import person
from entrypoints.cli.dlq.as_json import print_json
from entrypoints.cli.dlq.progress import progress
from entrypoints.cli.dlq.screen import counted
from entrypoints.cli.dlq.session import with_rebuild


def rebuild(*, reason: str, yes: bool, as_json: bool) -> None:
    """Replace the index once a person agrees."""

    async def work(rebuild_index: RebuildIndex) -> int:
        if not yes:
            person.need_terminal("nothing was rebuilt", "--yes rebuilds without asking")
            person.confirm("Replace the index of dead letters by what the topic says?")
        with progress("reading the dead-letter topic") as report:
            return await rebuild_index(person.who(), reason, report)

    letters = with_rebuild(work)
    if as_json:
        print_json({"letters": letters})
    else:
        typer.echo(f"rebuilt: {counted(letters, 'dead letter')}")
