"""`POST /events/generate`."""

from http import HTTPStatus

import structlog
from litestar.types import Receive, Scope

from application.event_loop import LONG_BYTES, in_thread
from application.publish_event import NotPublished, PublishEvent
from domain.validation import Invalid
from entrypoints.http.headers import Headers, traceparent_of
from entrypoints.http.prefix import Prefix
from entrypoints.http.problems import HttpProblem, malformed_body, unavailable
from entrypoints.http.requests.body import BodyReader
from entrypoints.http.requests.event_body import parse
from entrypoints.http.requests.json_splitter import MalformedJson
from entrypoints.http.responses import Handler, HttpResponse

UNCONFIRMED = (
    "The log did not confirm the event, which may yet appear. Retry with this eventId, so that it counts once."
)

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def generate_handler(publish: PublishEvent, body_reader: BodyReader, prefix: Prefix) -> Handler:
    """Make the handler. It publishes one event; 201 once the log has acknowledged it."""

    async def generate(scope: Scope, receive: Receive, headers: Headers) -> HttpResponse:
        _, body = await body_reader.read(scope, receive, headers)
        try:
            draft = parse(body) if len(body) <= LONG_BYTES else await in_thread(parse, body)
        except MalformedJson as error:
            raise malformed_body(str(error)) from None
        [outcome] = await publish([draft], traceparent_of(headers))
        if isinstance(outcome, Invalid):
            # Raising `outcome` itself would make a reference cycle through its traceback and this frame's `outcome`,
            # and would keep the body in memory until the next garbage collection.
            raise Invalid(*outcome.problems)
        if isinstance(outcome, NotPublished):
            raise _problem_of(outcome)
        event_id = str(outcome.event_id).encode()
        created = b'{"message":"Event published successfully","eventId":"%s"}' % event_id
        return HttpResponse(HTTPStatus.CREATED, created, [(b"location", prefix(scope) + b"/events/" + event_id)])

    return generate


def _problem_of(outcome: NotPublished) -> HttpProblem:
    if not outcome.is_unknown:
        return HttpProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The event is too large for the log.", event_id=outcome.event_id
        )
    logger.warning("event not acknowledged", event_id=str(outcome.event_id), cause=str(outcome.cause))
    return unavailable(UNCONFIRMED, event_id=outcome.event_id)
