"""`user-events dlq list` and `groups`."""

from collections.abc import Sequence

import typer

from adapters.system import utc_now
from application.dead_letters.browse_letters import MAX_GROUPS
from application.dead_letters.letters import Letter, LetterCursor, LetterFilter, LetterGroup
from application.dead_letters.use_cases import LetterUseCases
from entrypoints.cli.dlq.as_json import print_json
from entrypoints.cli.dlq.screen import age, cells, clean, print_all, table
from entrypoints.cli.dlq.session import with_letters
from entrypoints.http.routes.dead_letters import rows

_PAGE_LETTERS = 500
_MAX_USER_CHARS = 16
_MAX_MESSAGE_CHARS = 120


def list_letters(wanted: LetterFilter, limit: int, *, as_json: bool) -> None:
    """Print at most `limit` letters, the latest failures first."""

    async def work(letters: LetterUseCases) -> None:
        shown: list[Letter] = []
        following: LetterCursor | None = None
        left = limit
        while True:
            page = await letters.browse.page(wanted, following, min(left, _PAGE_LETTERS))
            following, left = page.following, left - len(page.letters)
            for letter in page.letters:
                if as_json:
                    print_json(rows.letter_row(letter))
                else:
                    shown.append(letter)
            if following is None or not left:
                break
        if not as_json:
            _print_letters(shown)
        if following is not None:
            typer.echo(f"there are more: --limit {limit * 10} lists more, `export` writes all", err=True)

    with_letters(work)


def list_groups(wanted: LetterFilter, *, as_json: bool) -> None:
    """Print the groups of the chosen letters."""

    async def work(letters: LetterUseCases) -> None:
        groups = await letters.browse.groups(wanted)
        if as_json:
            print_json(rows.groups_to_json(groups))
        elif groups:
            print_groups(groups)
        else:
            typer.echo("no dead letters", err=True)
        if len(groups) == MAX_GROUPS:
            typer.echo(f"only the {MAX_GROUPS:,} largest groups are listed", err=True)

    with_letters(work)


def print_groups(groups: Sequence[LetterGroup]) -> None:
    """Print groups as a table."""
    columns = ("CAUSE", "KIND", "COUNT", "USERS", "OLDEST", "NEWEST", "SAMPLE", "MESSAGE")
    listed = table(*columns, numbers=columns[2:6], folded=("SAMPLE", "MESSAGE"))
    now = utc_now()
    for each in groups:
        ages = (age(each.oldest, now), age(each.failed_at, now))
        message = clean(each.message or each.error_class, _MAX_MESSAGE_CHARS)
        listed.add_row(*cells(each.fingerprint, each.kind, each.count, each.users, *ages, each.sample, message))
    print_all(listed)


def _print_letters(letters: Sequence[Letter]) -> None:
    if not letters:
        typer.echo("no dead letters", err=True)
        return
    columns = ("ID", "STATE", "KIND", "AGE", "USER", "MESSAGE")
    listed = table(*columns, numbers=("AGE",), folded=("ID",))
    now = utc_now()
    for each in letters:
        user = clean(each.user_id, _MAX_USER_CHARS)
        message = each.message or each.error_class
        listed.add_row(*cells(each.id, each.state, each.kind, age(each.failed_at, now), user, message))
    print_all(listed)
