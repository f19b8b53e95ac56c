"""`POST /events/batch`: many events in one request, each with a result of its own."""

from collections.abc import Sequence
from http import HTTPStatus
from uuid import UUID

import msgspec
import structlog
from litestar.types import Receive, Scope

from application.publish_event import Draft, NotPublished, Published, PublishEvent
from domain.validation import Invalid, Problem, parse_id
from entrypoints.http.headers import Headers, traceparent_of
from entrypoints.http.problems import RETRY_AFTER, HttpProblem, unreadable
from entrypoints.http.requests.batch_items import BatchSplitter, TooManyItems
from entrypoints.http.requests.body import BodyReader
from entrypoints.http.requests.event_body import Unreadable, parse
from entrypoints.http.requests.room import Room
from entrypoints.http.responses import JSON, Answer, Reply
from entrypoints.http.routes.generate import UNCONFIRMED
from entrypoints.http.routes.rows import NDJSON_TYPES

BATCH_MEDIA_TYPES = (JSON, *NDJSON_TYPES)
"""An array, or one event a line."""
_ROOM_BYTES = 32 * 1024 * 1024
"""For the bodies of all batches under way; each takes some four times as much until it is answered."""
_KEPT_BYTES = 8 * 1024 * 1024
"""Beside it, for batches of up to `room.SMALL_BYTES`."""

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Published(msgspec.Struct, tag_field="status", tag="published", rename="camel"):
    event_id: UUID


class _Rejected(msgspec.Struct, tag_field="status", tag="rejected", rename="camel"):
    errors: Sequence[Problem]
    event_id: UUID | msgspec.UnsetType = msgspec.UNSET


class _Retry(msgspec.Struct, tag_field="status", tag="retry", rename="camel"):
    event_id: UUID
    detail: str = UNCONFIRMED


_Result = _Published | _Rejected | _Retry


def batch_answer(publish: PublishEvent, body_reader: BodyReader, *, max_events: int, max_event_bytes: int) -> Answer:
    """Make what publishes up to `max_events` events of `max_event_bytes` each; 200 with a result for each."""
    splitter = BatchSplitter(max_events)
    room = Room(max(_ROOM_BYTES, 2 * body_reader.max_bytes) + _KEPT_BYTES, kept_bytes=_KEPT_BYTES)

    def split(media_type: str, body: bytes) -> list[bytes]:
        try:
            return splitter.array(body) if media_type == JSON else splitter.lines(body)
        except Unreadable as error:
            raise unreadable(str(error)) from None
        except TooManyItems:
            raise HttpProblem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A batch must not have more than {max_events} events."
            ) from None

    async def batch(scope: Scope, receive: Receive, headers: Headers) -> Reply:
        with room.share() as take:
            items = split(*await body_reader.read(scope, receive, headers, take))
            return await publish_items(items, publish, max_event_bytes, traceparent_of(headers))

    return batch


async def publish_items(
    items: Sequence[bytes], publish: PublishEvent, max_event_bytes: int, traceparent: bytes | None = None
) -> Reply:
    """Publish what is valid of `items` in one call, in order; a result `published` needs the log's own word."""
    drafts = [_read(item, max_event_bytes) for item in items]
    outcomes = await publish([draft for draft in drafts if isinstance(draft, Draft)], traceparent)
    following = iter(outcomes)
    results = [_result(draft, next(following)) if isinstance(draft, Draft) else draft for draft in drafts]
    lost = [outcome.cause for outcome in outcomes if isinstance(outcome, NotPublished) and outcome.is_unknown]
    if lost:
        logger.warning("events not acknowledged", events=len(lost), cause=str(lost[0]))
    return Reply(HTTPStatus.OK, msgspec.json.encode({"results": results}), RETRY_AFTER if lost else ())


def _read(item: bytes, max_bytes: int) -> Draft | _Rejected:
    try:
        draft = parse(item)
    except Unreadable as error:
        return _Rejected([Problem("body", f"cannot be read: {error}")])
    except Invalid as invalid:
        return _Rejected(invalid.problems)
    if len(item) > max_bytes:
        return _Rejected([Problem("body", f"must not be larger than {max_bytes} bytes")], _stated_id(draft))
    return draft


def _result(draft: Draft, outcome: Published | NotPublished | Invalid) -> _Result:
    match outcome:
        case Published():
            return _Published(outcome.event_id)
        case Invalid():
            return _Rejected(outcome.problems, _stated_id(draft))
        case NotPublished(is_unknown=True):
            return _Retry(outcome.event_id)
        case NotPublished():
            return _Rejected([Problem("body", "is too large for the log")], _stated_id(draft))


def _stated_id(draft: Draft) -> UUID | msgspec.UnsetType:
    """Return the client's own id, if that much is right."""
    try:
        return parse_id(draft.event_id)
    except ValueError:
        return msgspec.UNSET
