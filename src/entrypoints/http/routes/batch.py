"""`POST /events/batch`: many events in one request, with a result for each."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from uuid import UUID

import msgspec
import structlog
from litestar.types import Receive, Scope

from application.event_loop import in_turns
from application.publish_event import Draft, NotPublished, Published, PublishEvent
from domain.validation import Invalid, PayloadProblem, Problem, parse_id
from entrypoints.http.headers import Headers, traceparent_of
from entrypoints.http.problems import RETRY_AFTER, malformed_body
from entrypoints.http.requests.batch_items import BatchSplitter
from entrypoints.http.requests.body import BodyReader
from entrypoints.http.requests.event_body import parse
from entrypoints.http.requests.event_fields import UnreadableFields
from entrypoints.http.requests.json_splitter import MalformedJson
from entrypoints.http.requests.memory_budget import MemoryBudget
from entrypoints.http.responses import JSON, Handler, HttpResponse
from entrypoints.http.routes.generate import UNCONFIRMED
from entrypoints.http.routes.rows import NDJSON_TYPES

BATCH_MEDIA_TYPES = (JSON, *NDJSON_TYPES)
"""An array, or one event per line."""
_BUDGET_BYTES = 32 * 1024 * 1024
"""For the bodies of all open batches. A batch uses about four times the size of its body until it is answered."""
_MAX_ERRORS = 1_000
"""After so many errors of one answer, each item tells the first violation of its schema only: a small item may have 20
violations, each with a long pointer."""
_SMALL_BUDGET_BYTES = 8 * 1024 * 1024
"""In addition, for batches of up to `memory_budget.SMALL_BYTES`."""

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


def batch_handler(publish: PublishEvent, body_reader: BodyReader, *, max_events: int, max_event_bytes: int) -> Handler:
    """Make the handler. It publishes up to `max_events` events of up to `max_event_bytes`; 200 with all results."""
    splitter = BatchSplitter(max_events)
    budget_bytes = max(_BUDGET_BYTES, 2 * body_reader.max_bytes) + _SMALL_BUDGET_BYTES
    budget = MemoryBudget(budget_bytes, reserved_for_small=_SMALL_BUDGET_BYTES)

    def split(media_type: str, text: bytes) -> Iterator[bytes | None]:
        return splitter.array(text) if media_type == JSON else splitter.lines(text)

    async def batch(scope: Scope, receive: Receive, headers: Headers) -> HttpResponse:
        with budget.reservation() as reserve:
            media_type, text = await body_reader.read(scope, receive, headers, reserve)
            read = partial(_read, max_event_bytes, media_type != JSON)
            try:
                drafts = await in_turns(read, split(media_type, text), len)
            except MalformedJson as error:
                raise malformed_body(str(error)) from None
            results = await _publish(drafts, publish, traceparent_of(headers))
        kinds = Counter(map(type, results))
        if kinds[_Rejected]:
            _shorten(results)
        outcome = {"published": kinds[_Published], "rejected": kinds[_Rejected], "retry": kinds[_Retry]}
        # `RequestMiddleware` logs it.
        scope["state"]["outcome"] = outcome
        body = msgspec.json.encode({"results": results})
        return HttpResponse(HTTPStatus.OK, body, RETRY_AFTER if outcome["retry"] else ())

    return batch


async def _publish(
    drafts: Sequence[Draft | _Rejected], publish: PublishEvent, traceparent: bytes | None
) -> Sequence[_Result]:
    """Publish the drafts in one call; return the results in order. `published` means that the log has the event."""
    outcomes = await publish([draft for draft in drafts if isinstance(draft, Draft)], traceparent)
    remaining = iter(outcomes)
    results = [_result(draft, next(remaining)) if isinstance(draft, Draft) else draft for draft in drafts]
    causes = [outcome.cause for outcome in outcomes if isinstance(outcome, NotPublished) and outcome.is_unknown]
    if causes:
        logger.warning("events not acknowledged", events=len(causes), cause=str(causes[0]))
    return results


def _shorten(results: Sequence[_Result]) -> None:
    """Bound the size of an answer."""
    told = 0
    for result in results:
        if isinstance(result, _Rejected):
            if told >= _MAX_ERRORS:
                violations = sum(isinstance(error, PayloadProblem) for error in result.errors)
                result.errors = result.errors[: len(result.errors) - max(violations - 1, 0)]
            told += len(result.errors)


def _read(max_bytes: int, is_line: bool, item: bytes) -> Draft | _Rejected:
    try:
        return parse(item) if len(item) <= max_bytes else _too_large(item, max_bytes)
    except UnreadableFields as flawed:
        return _Rejected(flawed.problems, _stated_id(flawed.event_id))
    except Invalid as invalid:
        return _Rejected(invalid.problems)
    except MalformedJson as error:
        if is_line:
            # A malformed line does not affect the next one.
            return _Rejected([Problem("body", f"cannot be read: {error}")])
        # In an array, the end of a malformed item is unknown, and so are the items after it.
        raise MalformedJson(f"within an item, {error}") from None


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
    """Return the client's id if it is valid."""
    try:
        return parse_id(event_id)
    except ValueError:
        return msgspec.UNSET


def _too_large(item: bytes, max_bytes: int) -> _Rejected:
    event_id: UUID | msgspec.UnsetType = msgspec.UNSET
    # Parsing a much larger item would take too long.
    if len(item) <= 2 * max_bytes:
        with suppress(MalformedJson, Invalid):
            event_id = _stated_id(parse(item).event_id)
    return _Rejected([Problem("body", f"must not be larger than {max_bytes} bytes")], event_id)
