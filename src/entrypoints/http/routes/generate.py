"""`POST /events/generate`."""

from http import HTTPStatus

import msgspec
import structlog
from litestar.types import Receive, Scope

from application.event_loop import LONG_BYTES, in_thread
from application.publish_event import NotPublished, PublishEvent
from domain.validation import Invalid
from entrypoints.http.headers import Headers, traceparent_of
from entrypoints.http.prefix import Prefix
from entrypoints.http.problems import HttpProblem, unavailable, unreadable
from entrypoints.http.requests.body import BodyReader
from entrypoints.http.requests.event_body import BOM, parse
from entrypoints.http.requests.json_pieces import Unreadable
from entrypoints.http.responses import Answer, Reply

UNCONFIRMED = (
    "The log did not confirm the event, which may yet appear. Retry with this eventId, so that it counts once."
)

_CREATED = HTTPStatus.CREATED.value
"""Looked up once, as looking up an enumeration's member is slow in Python 3.11."""

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def generate_answer(publish: PublishEvent, body_reader: BodyReader, prefix: Prefix) -> Answer:
    """Make what publishes one event; 201 once the log has it."""

    async def generate(scope: Scope, receive: Receive, headers: Headers) -> Reply:
        _, body = await body_reader.read(scope, receive, headers)
        body = body.removeprefix(BOM)
        try:
            draft = parse(body) if len(body) <= LONG_BYTES else await in_thread(parse, body)
        except Unreadable as error:
            raise unreadable(str(error)) from None
        [outcome] = await publish([draft], traceparent_of(headers))
        if isinstance(outcome, Invalid):
            # Anew: the traceback of what is raised leads to this frame, which has the outcome.
            raise Invalid(*outcome.problems)
        if isinstance(outcome, NotPublished):
            raise _problem_of(outcome)
        # As `str` would, in a third of the time.
        return _created(msgspec.to_builtins(outcome.event_id).encode(), prefix(scope))

    return generate


def _created(event_id: bytes, prefix: bytes) -> Reply:
    return Reply(
        _CREATED,
        b'{"message":"Event published successfully","eventId":"%s"}' % event_id,
        [(b"location", prefix + b"/events/" + event_id)],
    )


def _problem_of(outcome: NotPublished) -> HttpProblem:
    if not outcome.is_unknown:
        return HttpProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The event is too large for the log.", event_id=outcome.event_id
        )
    logger.warning("event not acknowledged", event_id=str(outcome.event_id), cause=str(outcome.cause))
    return unavailable(UNCONFIRMED, event_id=outcome.event_id)
