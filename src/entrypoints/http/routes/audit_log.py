"""`GET /audit-log`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from adapters.records.codec import render_time
from application.dead_letters.orders import AuditEntry
from application.dead_letters.use_cases import LetterUseCases
from entrypoints.http.administration import administrative
from entrypoints.http.prefix import Prefix
from entrypoints.http.requests.letter_query import parse_audit
from entrypoints.http.responses import HttpResponse


class _EntryRow(msgspec.Struct):
    id: int
    at: str
    who: str
    action: str
    filter: Mapping[str, object]
    counts: Mapping[str, int]
    reason: str


@route("/audit-log", http_method=["GET", "HEAD"], opt=administrative("GET", "HEAD"))
async def list_entries(
    request: Request[Any, Any, Any], letters: NamedDependency[LetterUseCases], prefix: NamedDependency[Prefix]
) -> ASGIApp:
    """Return one page, newest first, with a `Link` to the next one if there may be one."""
    wanted = parse_audit(request.scope["query_string"])
    entries = await letters.audit_log.page(wanted.before, wanted.limit, action=wanted.action, who=wanted.who)
    body = msgspec.json.encode([*map(_row, entries)])
    if len(entries) < wanted.limit:
        return HttpResponse(HTTPStatus.OK, body)
    link = b'<%b/audit-log?%b>; rel="next"' % (prefix(request.scope), wanted.next_page(entries[-1].id))
    return HttpResponse(HTTPStatus.OK, body, [(b"link", link)])


def _row(entry: AuditEntry) -> _EntryRow:
    return _EntryRow(entry.id, render_time(entry.at), entry.who, entry.action, entry.wanted, entry.counts, entry.reason)
