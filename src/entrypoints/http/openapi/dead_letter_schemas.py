"""The JSON Schemas of dead letters, jobs and the audit log."""

from application.dead_letters.jobs import ItemState, JobState
from application.dead_letters.letters import LetterState
from application.dead_letters.orders import DEFAULT_MAX_REPLAYS, Action
from domain.validation import MAX_USER_ID_CHARS
from entrypoints.http.openapi.schemas import (
    EVENT_ID,
    NULLABLE,
    STRING,
    TIME,
    URI,
    UUID_TEXT,
    Schema,
    object_of,
    one_of,
    ref,
)
from entrypoints.http.requests.letter_filter import (
    ID_PATTERN,
    KINDS,
    MAX_ERROR_CLASS_CHARS,
    MAX_EVENT_TYPE_CHARS,
    MAX_FINGERPRINT_CHARS,
    MAX_IDS,
)
from entrypoints.http.requests.letter_order import MAX_LETTERS, MAX_RATE, MAX_REPLAYS
from entrypoints.http.requests.letter_query import MAX_REASON_CHARS
from entrypoints.http.routes.dead_letters.bytes_view import MAX_SHOWN_BYTES
from entrypoints.http.routes.dead_letters.full_rows import MAX_COMPARED_EDITS, MAX_DIFFERENCE_CHARS
from entrypoints.http.routes.dead_letters.rows import SKIPPED

LETTER_ID: Schema = {"type": "string", "pattern": f"^{ID_PATTERN}$"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TEXT: Schema = {**STRING, **NULLABLE}
_NUMBER: Schema = {"type": ["integer", "null"]}
_TIME: Schema = {**TIME, **NULLABLE}
_FLAG: Schema = {"type": "boolean"}
_FINGERPRINT: Schema = {**STRING, "description": "Equal for failures with the same cause."}
_FILTER: Schema = {
    "type": "object",
    "additionalProperties": True,
    "description": "What was chosen, by the names of the parameters.",
}


def filled(max_chars: int) -> Schema:
    """Describe a text that is not blank."""
    return {"type": "string", "minLength": 1, "maxLength": max_chars, "pattern": r"\S"}


def _list(items: Schema, **more: str) -> Schema:
    return {"type": "array", "items": items, **more}


def _or_null(schema: Schema, **more: str) -> Schema:
    return {"anyOf": [schema, {"type": "null"}], **more}


FILTER: Schema = {
    "state": {**one_of(*LetterState), "description": "Only letters in this state."},
    "kind": {**one_of(*KINDS), "description": "Only letters whose last failure is of this kind."},
    "fingerprint": {**filled(MAX_FINGERPRINT_CHARS), "description": "Only letters with this cause."},
    "userId": {"type": "string", "minLength": 1, "maxLength": MAX_USER_ID_CHARS, "description": "Only of this user."},
    "eventType": {**filled(MAX_EVENT_TYPE_CHARS), "description": "Only of this type, accepted or not."},
    "eventId": {**UUID_TEXT, "description": "Only with this event id."},
    "errorClass": {**filled(MAX_ERROR_CLASS_CHARS), "description": "Only with this class of error."},
    "since": {**TIME, "description": "Failed last at this time or later."},
    "until": {**TIME, "description": "Failed last before this time."},
}
"""The fields of a filter: parameters of a query string, or members of a body."""

_CHOICE: Schema = {
    "ids": {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_IDS,
        "items": LETTER_ID,
        "description": "These letters only.",
    },
    **FILTER,
}
_TERMS: Schema = {
    "reason": {**filled(MAX_REASON_CHARS), "description": "For the audit log."},
    "dryRun": {**_FLAG, "description": "Tell what would be done, and do nothing."},
    "expectedCount": {
        **_COUNT,
        "maximum": MAX_LETTERS,
        "description": "How many letters have to be concerned, as a dry run told; 409 if it has changed.",
    },
}
_REPLAY_TERMS: Schema = {
    "canary": {
        **_COUNT,
        "maximum": MAX_LETTERS,
        "description": "So many letters go first; the job halts unless all of them end stored.",
    },
    "ratePerSecond": {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_RATE, "description": "Most letters."},
    "maxReplays": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_REPLAYS,
        "default": DEFAULT_MAX_REPLAYS,
        "description": "Letters that were replayed so often are skipped.",
    },
    "newEventId": {
        **_FLAG,
        "description": "Also replay letters of kind conflict that were not edited, as events with new ids.",
    },
}
_CHOOSES_NONE: Schema = {"properties": {name: {"not": {}} for name in _CHOICE}}


def _order(properties: Schema, *required: str) -> Schema:
    return {
        "type": "object",
        "required": [*required],
        "properties": properties,
        "additionalProperties": False,
        # Generators of clients read past conditions.
        "allOf": [{"if": _CHOOSES_NONE, "then": {"not": {}}}],
        "description": "Letters are chosen by `ids`, or by fields of the filter; one of these must be there at least.",
    }


_LETTER: Schema = {
    "id": {**LETTER_ID, "description": "`<partition>-<offset>` of the events' topic, or `dlq-<partition>-<offset>`."},
    "state": one_of(*LetterState),
    "kind": one_of(*KINDS),
    "errorClass": _TEXT,
    "message": _TEXT,
    "sqlstate": _TEXT,
    "fingerprint": _FINGERPRINT,
    "eventId": {**UUID_TEXT, **NULLABLE},
    "userId": _TEXT,
    "eventType": _TEXT,
    "attempts": {**_COUNT, "description": "How often the consumer tried."},
    "replays": {**_COUNT, "description": "How often it was replayed, or is about to be."},
    "edits": {**_COUNT, "description": "How often its value was edited."},
    "origin": _or_null(ref("LetterOrigin")),
    "dlq": _or_null(ref("LogPosition"), description="Where the DLQ has its last failure."),
    "oversizeLetter": {**_NUMBER, "description": "Its number in `oversize_letters`, if the DLQ refused its size."},
    "firstFailedAt": TIME,
    "failedAt": {**TIME, "description": "Its last failure."},
    "changedAt": {**TIME, "description": "When its state changed last."},
    "valueBytes": {**_NUMBER, "description": "The size of its present value."},
}
_JOB: Schema = {
    "id": UUID_TEXT,
    "action": one_of(*Action),
    "state": one_of(*JobState),
    "why": {**_TEXT, "description": "Why it halted, or what it waits for."},
    "who": STRING,
    "reason": STRING,
    "filter": _FILTER,
    "letters": _COUNT,
    "counts": ref("JobCounts"),
    "createdAt": TIME,
    "startedAt": _TIME,
    "endedAt": _TIME,
    "rate": {"type": ["number", "null"], "description": "Letters a second since it was started."},
    "canary": _COUNT,
    "ratePerSecond": {"type": ["number", "null"]},
    "maxReplays": _COUNT,
    "newEventId": _FLAG,
}

LETTER_SCHEMAS: Schema = {
    "LetterOrigin": object_of(
        {"topic": STRING, "partition": {"type": "integer"}, "offset": {"type": "integer"}, "timestamp": _TIME},
        description="Where the record stood when it failed first.",
    ),
    "LogPosition": object_of({"partition": {"type": "integer"}, "offset": {"type": "integer"}}),
    "DeadLetter": object_of(_LETTER),
    "DeadLetterInFull": object_of(
        {
            **_LETTER,
            "key": _or_null(ref("RecordBytes")),
            "value": _or_null(ref("RecordBytes"), description="The present one, which a replay publishes."),
            "originalValueUrl": {**URI, **NULLABLE, "description": "Where the value before all edits is."},
            "headers": _list(ref("RecordHeader")),
            "failures": _list(ref("LetterFailure"), description="Oldest first."),
            "editHistory": _list(ref("LetterEdit"), description="Oldest first."),
            "conflict": _or_null(ref("LetterConflict"), description="For letters of kind conflict; not in exports."),
        }
    ),
    "RecordBytes": object_of(
        {
            "size": _COUNT,
            "text": {**STRING, "description": "Where the bytes are UTF-8."},
            "json": {"description": "Where the bytes are JSON, which is not nested too deep: verbatim."},
            "base64": STRING,
            "url": {**URI, "description": f"Where the bytes are, if there are over {MAX_SHOWN_BYTES}."},
        },
        optional=("text", "json", "base64", "url"),
    ),
    "RecordHeader": object_of({"name": STRING, "value": _or_null(ref("RecordBytes"))}),
    "LetterFailure": object_of(
        {
            "dlq": _or_null(ref("LogPosition")),
            "oversizeLetter": _NUMBER,
            "replays": {**_COUNT, "description": "The number of the replay that failed; 0 at first."},
            "edit": {**_COUNT, "description": "The number of the edit that was replayed; 0 for the original value."},
            "kind": one_of(*KINDS),
            "errorClass": _TEXT,
            "message": _TEXT,
            "sqlstate": _TEXT,
            "attempts": _COUNT,
            "failedAt": TIME,
        }
    ),
    "LetterEdit": object_of(
        {
            "number": _COUNT,
            "at": TIME,
            "who": STRING,
            "reason": STRING,
            "valueBytes": _COUNT,
            "valueUrl": URI,
            "differences": {
                "type": ["array", "null"],
                "items": ref("Difference"),
                "description": "From the value before; null if one of both is no JSON, and for all but the last "
                f"{MAX_COMPARED_EDITS} edits.",
            },
        }
    ),
    "LetterConflict": object_of(
        {
            "stored": ref("Event"),
            "differences": {
                "type": ["array", "null"],
                "items": ref("Difference"),
                "description": "From the stored event to the letter's; null if its present value is no event.",
            },
        }
    ),
    "Difference": object_of(
        {"pointer": {**STRING, "description": "A JSON pointer (RFC 6901)."}, "before": _TEXT, "after": _TEXT},
        description=f"`before` and `after` are JSON texts, cut off after {MAX_DIFFERENCE_CHARS} characters; null where "
        "there is no value.",
    ),
    "LetterGroup": object_of(
        {
            "fingerprint": _FINGERPRINT,
            "kind": one_of(*KINDS),
            "errorClass": _TEXT,
            "message": _TEXT,
            "count": _COUNT,
            "users": {**_COUNT, "description": "How many different users, as far as they are known."},
            "firstFailedAt": {**TIME, "description": "The earliest first failure."},
            "failedAt": {**TIME, "description": "The latest failure."},
            "oldest": {**TIME, "description": "The earliest of the last failures."},
            "sample": {**LETTER_ID, "description": "The newest letter."},
        }
    ),
    "ReplayOrder": _order({**_CHOICE, **_TERMS, **_REPLAY_TERMS}, "reason"),
    "DiscardOrder": _order({**_CHOICE, **_TERMS}, "reason"),
    "RestoreOrder": _order({**_CHOICE, **_TERMS}),
    "OrderPreview": object_of(
        {
            "count": {**_COUNT, "description": "How many letters are concerned; see `expectedCount`."},
            "groups": _list(ref("LetterGroup"), description="At most 100."),
            "oldest": _TIME,
            "newest": _TIME,
            "sample": _list(LETTER_ID, description="The newest, at most 10."),
            "skipped": _list(ref("SkippedLetters")),
        }
    ),
    "SkippedLetters": object_of({"reason": one_of(*SKIPPED.values()), "detail": STRING, "count": _COUNT}),
    "ChangedLetters": object_of({"changed": _COUNT}),
    "Job": object_of(_JOB),
    "JobInFull": object_of(
        {
            **_JOB,
            "groups": _list(ref("JobGroup")),
            "failures": _list(ref("JobFailure"), description="The latest, at most 20."),
        }
    ),
    "JobCounts": object_of(dict.fromkeys(ItemState, _COUNT), description="Letters by state."),
    "JobGroup": object_of({"fingerprint": _FINGERPRINT, "counts": ref("JobCounts")}),
    "JobFailure": object_of({"letterId": LETTER_ID, "reason": STRING}),
    "AuditEntry": object_of(
        {
            "id": _COUNT,
            "at": TIME,
            "who": {**STRING, "description": "`api`, `cli:user@host` or `auto`."},
            "action": STRING,
            "filter": _FILTER,
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
            "reason": STRING,
        }
    ),
}

_ORDER = {"kind": "conflict", "eventType": "LOGIN", "reason": "the clocks are right again"}
ORDER_EXAMPLES = {
    Action.REPLAY: {**_ORDER, "canary": 10, "ratePerSecond": 500, "newEventId": True, "expectedCount": 0},
    Action.DISCARD: {**_ORDER, "dryRun": True},
    Action.RESTORE: {"ids": ["0-15"]},
}
VALUE_EXAMPLE: Schema = {"eventId": EVENT_ID, "userId": "user-42", "eventType": "LOGIN", "payload": {}}
