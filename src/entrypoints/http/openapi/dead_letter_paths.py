"""The paths of dead letters, of jobs and of the audit log."""

from application.dead_letters.orders import Action
from entrypoints.http.openapi.dead_letter_schemas import (
    FILTER,
    LETTER_ID,
    ORDER_EXAMPLES,
    VALUE_EXAMPLE,
    filled,
)
from entrypoints.http.openapi.operations import get, post, put
from entrypoints.http.openapi.responses import header, response
from entrypoints.http.openapi.schemas import EVENT_ID, STRING, UUID_TEXT, Schema, ref
from entrypoints.http.requests.letter_query import (
    DEFAULT_LIMIT,
    MAX_ACTION_CHARS,
    MAX_LIMIT,
    MAX_REASON_CHARS,
    MAX_WHO_CHARS,
)
from entrypoints.http.responses import JSON
from entrypoints.http.routes.dead_letters.letter import OCTETS
from entrypoints.http.routes.rows import NDJSON_TYPES

_TAG = "dead letters"
_ADMINISTRATIVE = "For clients on the service's machine, unless ADMIN_OPEN is set."
_LINES: Schema = {**STRING, "description": "One DeadLetterInFull in JSON per line"}
_VARY = {"vary": header("The request headers that select the response", "Accept-Encoding")}
_ENCODED = {**_VARY, "content-encoding": header("gzip or zstd, if `Accept-Encoding` allows it", "zstd")}
_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
_BINARY: Schema = {"type": "string", "format": "binary"}


def _query(name: str, schema: Schema, description: str = "", **more: bool) -> Schema:
    described = {"description": description} if description else {}
    return {"name": name, "in": "query", "schema": schema, **described, **more}


def _path(schema: Schema) -> Schema:
    return {"name": "id", "in": "path", "required": True, "schema": schema}


def _link(path: str) -> Schema:
    return {"link": header("The next page, if there is one", f'<{path}>; rel="next"')}


_FILTER = [_query(name, schema) for name, schema in FILTER.items()]
_LIMIT = _query(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, f"How many; {DEFAULT_LIMIT} unless stated."
)
_REASON = _query("reason", filled(MAX_REASON_CHARS), "For the audit log.")
_PREVIEW = "OrderPreview"


def _order(action: Action, name: str, summary: str, body: str, responses: Schema) -> Schema:
    example = ORDER_EXAMPLES[action]
    return post(
        _TAG,
        name,
        summary,
        responses,
        errors=(403, 409, 413, 415),
        description=_ADMINISTRATIVE,
        requestBody={"required": True, "content": {JSON: {"schema": ref(body), "example": example}}},
    )


def _job_started(what: str) -> Schema:
    location = header("Where the job can be seen", f"/dead-letters/replays/{EVENT_ID}")
    return {"202": response(what, {JSON: ref("Job")}, {"location": location})}


def _changed_at_once(body: str) -> Schema:
    result: Schema = {"anyOf": [ref("ChangedLetters"), ref(_PREVIEW)]}
    return {
        "200": response(f"How many letters are {body} now; of a dry run, what would be done", {JSON: result}),
        **_job_started("A job does it, since there are over 1,000 letters"),
    }


def _command(name: str, summary: str) -> Schema:
    return post(
        _TAG,
        name,
        summary,
        {"200": response("The job as it is now", {JSON: ref("Job")})},
        errors=(403, 404, 409),
        description=_ADMINISTRATIVE,
        parameters=[_path(UUID_TEXT), _REASON],
    )


_VALUE: Schema = {
    **get(
        _TAG,
        "getDeadLetterValue",
        "Read the bytes of a letter's value",
        {
            "200": response(
                "The present value",
                {OCTETS: _BINARY},
                {"content-disposition": header("A file to be saved", 'attachment; filename="dead-letter-0-15"')},
            )
        },
        errors=(404,),
        parameters=[
            _path(LETTER_ID),
            _query("edit", _NUMBER, "The value of this edit instead; 0: the original one."),
        ],
    ),
    **put(
        _TAG,
        "editDeadLetter",
        "Give a letter another value",
        {"200": response("The edit", {JSON: ref("LetterEdit")})},
        errors=(403, 404, 409, 413, 415),
        description="The value must hold an event, with its `eventId`. The original one is kept, and a replay "
        f"publishes this one. {_ADMINISTRATIVE}",
        parameters=[_path(LETTER_ID), {**_REASON, "required": True}],
        requestBody={
            "required": True,
            "content": {
                JSON: {"schema": {"type": "object", "additionalProperties": True}, "example": VALUE_EXAMPLE},
                OCTETS: {"schema": _BINARY},
            },
        },
    ),
}

_JOBS: Schema = {
    **get(
        _TAG,
        "listReplayJobs",
        "List jobs, newest first",
        {"200": response("The jobs", {JSON: {"type": "array", "items": ref("Job")}}, _link("/dead-letters/replays?…"))},
        parameters=[_LIMIT, _query("before", UUID_TEXT, "Only jobs older than this one.")],
    ),
    **_order(
        Action.REPLAY,
        "replayDeadLetters",
        "Publish dead letters again",
        "ReplayOrder",
        {
            "200": response("Of a dry run: what would be done", {JSON: ref(_PREVIEW)}),
            **_job_started("A job will do it"),
        },
    ),
}

DEAD_LETTER_PATHS: Schema = {
    "/dead-letters": get(
        _TAG,
        "listDeadLetters",
        "List dead letters, the latest failure first",
        {
            "200": response(
                "The letters",
                {JSON: {"type": "array", "items": ref("DeadLetter")}},
                {**_ENCODED, **_link("/dead-letters?cursor=…")},
            )
        },
        parameters=[
            *_FILTER,
            _LIMIT,
            _query("cursor", {**STRING, "minLength": 1}, "Start of the page, from a `Link` header."),
        ],
    ),
    "/dead-letters/groups": get(
        _TAG,
        "listDeadLetterGroups",
        "Group dead letters by their cause, the largest group first",
        {"200": response("The groups", {JSON: {"type": "array", "items": ref("LetterGroup")}}, _ENCODED)},
        parameters=_FILTER,
    ),
    "/dead-letters/export": get(
        _TAG,
        "exportDeadLetters",
        "Read all matching dead letters in full",
        {"200": response("The letters", dict.fromkeys(NDJSON_TYPES, _LINES), _ENCODED)},
        errors=(406,),
        parameters=_FILTER,
    ),
    "/dead-letters/replays": _JOBS,
    "/dead-letters/discard": _order(
        Action.DISCARD, "discardDeadLetters", "Give dead letters up", "DiscardOrder", _changed_at_once("discarded")
    ),
    "/dead-letters/restore": _order(
        Action.RESTORE, "restoreDeadLetters", "Take a discard back", "RestoreOrder", _changed_at_once("dead")
    ),
    "/dead-letters/{id}": get(
        _TAG,
        "getDeadLetter",
        "Read everything about one dead letter",
        {"200": response("The letter", {JSON: ref("DeadLetterInFull")})},
        errors=(404,),
        parameters=[_path(LETTER_ID)],
    ),
    "/dead-letters/{id}/value": _VALUE,
    "/dead-letters/replays/{id}": get(
        _TAG,
        "getReplayJob",
        "Read one job with its outcomes",
        {"200": response("The job", {JSON: ref("JobInFull")})},
        errors=(404,),
        parameters=[_path(UUID_TEXT)],
    ),
    "/dead-letters/replays/{id}/pause": _command("pauseReplayJob", "Stop a job for now"),
    "/dead-letters/replays/{id}/resume": _command("resumeReplayJob", "Let a paused or halted job go on"),
    "/dead-letters/replays/{id}/cancel": _command("cancelReplayJob", "End a job; what it has not published is dead"),
    "/audit-log": get(
        _TAG,
        "listAuditEntries",
        "List what operators did, newest first",
        {"200": response("The entries", {JSON: {"type": "array", "items": ref("AuditEntry")}}, _link("/audit-log?…"))},
        errors=(403,),
        description=_ADMINISTRATIVE,
        parameters=[
            _query("action", filled(MAX_ACTION_CHARS), "Only this action, such as replay."),
            _query("who", filled(MAX_WHO_CHARS), "Only by this person or program."),
            _LIMIT,
            _query("before", _NUMBER, "Only entries before this id."),
        ],
    ),
}
