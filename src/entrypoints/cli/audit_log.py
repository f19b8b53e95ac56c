"""`user-events audit-log`: who did what."""

import json

import typer

from adapters.records import codec
from application.dead_letters.orders import AuditEntry
from application.dead_letters.use_cases import LetterUseCases
from entrypoints.cli.dlq.as_json import print_json
from entrypoints.cli.dlq.screen import cells, clean, counted, moment, print_all, table
from entrypoints.cli.dlq.session import with_letters

_PAGE_ENTRIES = 500


def audit_log(limit: int, action: str | None, who: str | None, *, as_json: bool) -> None:
    """Print at most `limit` entries, newest first."""

    async def work(letters: LetterUseCases) -> None:
        entries: list[AuditEntry] = []
        before: int | None = None
        while len(entries) < limit:
            wanted = min(limit - len(entries), _PAGE_ENTRIES)
            page = await letters.audit_log.page(before, wanted, action=action, who=who)
            entries += page
            if len(page) < wanted:
                break
            before = page[-1].id
        if as_json:
            for entry in entries:
                print_json(_as_json(entry))
        elif entries:
            _print_entries(entries)
        else:
            typer.echo("no entries", err=True)

    with_letters(work)


def _as_json(entry: AuditEntry) -> dict[str, object]:
    members = entry._asdict()
    return members | {"at": codec.render_time(entry.at), "filter": members.pop("wanted")}


def _print_entries(entries: list[AuditEntry]) -> None:
    listed = table(
        "TIME", "WHO", "ACTION", "COUNTS", "REASON AND CHOICE", folded=("WHO", "COUNTS", "REASON AND CHOICE")
    )
    for each in entries:
        counts = ", ".join(counted(count, what.removesuffix("s")) for what, count in each.counts.items())
        chosen = f"{clean(each.reason)} {json.dumps(each.wanted, ensure_ascii=False)}"
        listed.add_row(*cells(moment(each.at), each.who, each.action, counts, chosen))
    print_all(listed)
