"""`POST /events/batch`: many events in one request, each with a result of its own."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from uuid import UUID

import msgspec
import structlog
from litestar.types import Receive, Scope

from application.event_loop import in_turns
from application.publish_event import Draft, NotPublished, Published, PublishEvent
from domain.validation import Invalid, Problem, parse_id
from entrypoints.http.headers import Headers, traceparent_of
from entrypoints.http.problems import RETRY_AFTER, HttpProblem, unreadable
from entrypoints.http.requests.batch_items import BatchSplitter, TooManyItems
from entrypoints.http.requests.body import BodyReader
from entrypoints.http.requests.event_body import BOM, parse
from entrypoints.http.requests.json_pieces import Unreadable
from entrypoints.http.requests.refused_event import Flawed
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

    def split(media_type: str, text: bytes) -> Iterator[bytes | None]:
        text = text.removeprefix(BOM)
        return splitter.array(text) if media_type == JSON else splitter.lines(text)

    async def batch(scope: Scope, receive: Receive, headers: Headers) -> Reply:
        with room.share() as take:
            media_type, text = await body_reader.read(scope, receive, headers, take)
            read = partial(_read, max_event_bytes, media_type != JSON)
            try:
                drafts = await in_turns(read, split(media_type, text), len)
            except Unreadable as error:
                raise unreadable(str(error)) from None
            except TooManyItems:
                raise HttpProblem(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A batch must not have more than {max_events} events."
                ) from None
            results = await _publish(drafts, publish, traceparent_of(headers))
        # For the request's line in the log.
        scope["state"]["outcome"] = outcome = _count(results)
        body = msgspec.json.encode({"results": results})
        return Reply(HTTPStatus.OK, body, RETRY_AFTER if outcome["retry"] else ())

    return batch


async def _publish(
    drafts: Sequence[Draft | _Rejected], publish: PublishEvent, traceparent: bytes | None
) -> Sequence[_Result]:
    """Publish the drafts in one call, in order; a result `published` needs the log's own word."""
    outcomes = await publish([draft for draft in drafts if isinstance(draft, Draft)], traceparent)
    following = iter(outcomes)
    results = [_result(draft, next(following)) if isinstance(draft, Draft) else draft for draft in drafts]
    lost = [outcome.cause for outcome in outcomes if isinstance(outcome, NotPublished) and outcome.is_unknown]
    if lost:
        logger.warning("events not acknowledged", events=len(lost), cause=str(lost[0]))
    return results


def _count(results: Sequence[_Result]) -> Mapping[str, int]:
    kinds = Counter(map(type, results))
    return {"published": kinds[_Published], "rejected": kinds[_Rejected], "retry": kinds[_Retry]}


def _read(max_bytes: int, is_line: bool, item: bytes) -> Draft | _Rejected:
    try:
        return parse(item) if len(item) <= max_bytes else _too_large(item, max_bytes)
    except Flawed as flawed:
        return _Rejected(flawed.problems, _stated_id(flawed.event_id))
    except Invalid as invalid:
        return _Rejected(invalid.problems)
    except Unreadable as error:
        if is_line:
            # It ends where its line does, whatever is in it.
            return _Rejected([Problem("body", f"cannot be read: {error}")])
        # Nor is the array JSON then: no item is known to end where it seems to.
        raise Unreadable(f"within an item, {error}") from None


def _result(draft: Draft, outcome: Published | NotPublished | Invalid) -> _Result:
    match outcome:
        case Published():
            return _Published(outcome.event_id)
        case Invalid():
            return _Rejected(outcome.problems, _stated_id(draft.event_id))
        case NotPublished(is_unknown=True):
            return _Retry(outcome.event_id)
        case NotPublished():
            return _Rejected([Problem("body", "is too large for the log")], _stated_id(draft.event_id))


def _stated_id(event_id: object) -> UUID | msgspec.UnsetType:
    """Return the client's own id, if that much is right."""
    try:
        return parse_id(event_id)
    except ValueError:
        return msgspec.UNSET


def _too_large(item: bytes, max_bytes: int) -> _Rejected:
    event_id: UUID | msgspec.UnsetType = msgspec.UNSET
    # An item that is too large by far would take long to parse.
    if len(item) <= 2 * max_bytes:
        with suppress(Unreadable, Invalid):
            event_id = _stated_id(parse(item).event_id)
    return _Rejected([Problem("body", f"must not be larger than {max_bytes} bytes")], event_id)
