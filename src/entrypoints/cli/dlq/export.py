"""`user-events dlq export`."""

import sys

import typer

from application.dead_letters.letters import LetterFilter
from application.dead_letters.use_cases import LetterUseCases
from entrypoints.cli.dlq.as_json import print_json
from entrypoints.cli.dlq.progress import progress
from entrypoints.cli.dlq.screen import counted
from entrypoints.cli.dlq.session import with_letters
from entrypoints.http.routes.dead_letters import full_rows


def export(wanted: LetterFilter) -> None:
    """Print the chosen letters in full, one a line."""

    async def work(letters: LetterUseCases) -> int:
        total = sum(group.count for group in await letters.browse.groups(wanted))
        done = 0
        # A bar among the lines on one terminal would break both.
        with progress("exporting", as_bar=not sys.stdout.isatty()) as report:
            async for some in letters.browse.export(wanted):
                print_json(full_rows.to_ndjson(some, "/dead-letters/"))
                done += len(some)
                # Letters may fail while they are read, and there may be more groups than are counted.
                report(done, max(done, total))
        return done

    exported = with_letters(work)
    typer.echo(f"exported: {counted(exported, 'dead letter')}", err=True)
