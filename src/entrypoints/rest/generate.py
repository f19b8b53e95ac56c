"""`POST /events/generate`."""

from http import HTTPStatus

import msgspec
import structlog
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope

from application.publish_event import Draft, NotPublished, PublishEvent
from domain.errors import Rejected
from domain.validation import Invalid, Problem
from entrypoints.rest.body import BodyReader
from entrypoints.rest.post_route import post_route
from entrypoints.rest.problems import HttpProblem, unavailable
from entrypoints.rest.replies import Reply

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Body(msgspec.Struct, rename="camel"):
    """Any JSON object, its fields unchecked and its payload not even decoded; null counts as absent elsewhere."""

    user_id: object = None
    event_type: object = None
    event_id: object = None
    timestamp: object = None
    payload: msgspec.Raw = msgspec.Raw()


_decoder = msgspec.json.Decoder(_Body)


def generate_route(publish: PublishEvent, body_reader: BodyReader) -> ASGIRouteHandler:
    """Make the route that publishes one event; 201 once the log has it."""

    async def generate(scope: Scope, receive: Receive) -> Reply:
        return await publish_body(await body_reader.read(scope, receive), publish)

    return post_route("/events/generate", generate)


async def publish_body(body: bytes, publish: PublishEvent) -> Reply:
    """Publish the event that a request's body describes. Raises `HttpProblem` and `Invalid`."""
    [outcome] = await publish([parse(body)])
    if isinstance(outcome, Invalid):
        raise outcome
    if isinstance(outcome, NotPublished):
        raise _problem_of(outcome)
    return Reply(
        HTTPStatus.CREATED,
        b'{"message":"Event published successfully","eventId":"%s"}' % str(outcome.event_id).encode(),
        {"location": f"/events/{outcome.event_id}"},
    )


def parse(body: bytes) -> Draft:
    """Read a request's body; unknown keys are ignored. Raises `HttpProblem` and `Invalid`."""
    try:
        if not body.isascii():
            # The decoder itself looks only at what it turns into text.
            body.decode()
        fields = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Invalid(Problem("body", f"must be a JSON object of ordinary values: {error}")) from None
    except msgspec.DecodeError as error:
        raise _malformed(str(error)) from None
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None
    except RecursionError:
        raise _malformed("it is nested too deep") from None
    return Draft(
        user_id=fields.user_id,
        event_type=fields.event_type,
        payload=bytes(fields.payload) or None,
        event_id=fields.event_id,
        timestamp=fields.timestamp,
    )


def _malformed(reason: str) -> HttpProblem:
    return HttpProblem(HTTPStatus.BAD_REQUEST, f"The body cannot be read: {reason}.")


def _problem_of(outcome: NotPublished) -> HttpProblem:
    if isinstance(outcome.cause, Rejected):
        return HttpProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The event is too large for the log.", event_id=outcome.event_id
        )
    logger.warning("event not acknowledged", event_id=str(outcome.event_id), cause=str(outcome.cause))
    return unavailable(
        "The log did not confirm the event, which may yet appear. Retry with this eventId, so that it counts once.",
        event_id=outcome.event_id,
    )
