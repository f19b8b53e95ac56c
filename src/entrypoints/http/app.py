"""The HTTP applications."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from litestar import Litestar
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Guard, Receive, Scope, Send

from application.dead_letters.use_cases import LetterUseCases
from application.event_catalog import EventCatalog
from application.list_processed import ListProcessed
from application.publish_event import PublishEvent
from entrypoints.http.administration import Administration
from entrypoints.http.cors import Cors
from entrypoints.http.headers import by_name
from entrypoints.http.health_report import Health
from entrypoints.http.middleware import RequestMiddleware, respond_busy
from entrypoints.http.paths import handle_noncanonical, is_canonical
from entrypoints.http.prefix import Prefix
from entrypoints.http.problems import METHOD_NOT_ALLOWED, HttpProblem, handle_exception, problem_response
from entrypoints.http.requests.body import BodyReader
from entrypoints.http.requests.parameters import reject_parameters
from entrypoints.http.responses import Handler, HttpResponse
from entrypoints.http.routes.batch import BATCH_MEDIA_TYPES, batch_handler
from entrypoints.http.routes.dead_letters import LETTER_ROUTES, VALUE_TYPES
from entrypoints.http.routes.docs import Documentation, get_docs, get_openapi
from entrypoints.http.routes.event_types import get_schema, list_types
from entrypoints.http.routes.generate import generate_handler
from entrypoints.http.routes.health import alive, ready, ready_in_full
from entrypoints.http.routes.listing import get_event, list_events
from entrypoints.http.routes.root import get_root

_ALLOW = ((b"allow", b"OPTIONS, POST"),)
_HEALTH_MAX_IN_FLIGHT = 16


def create_app(
    publish: PublishEvent,
    listing: ListProcessed,
    readiness: Health,
    letters: LetterUseCases,
    *,
    event_types: EventCatalog,
    max_body_bytes: int,
    max_batch_bytes: int,
    max_batch_events: int,
    max_in_flight: int,
    prefix: Prefix,
    admin_open: bool = False,
    cors_origins: Collection[str] = (),
) -> ASGIApp:
    """Make the API. The caller owns the resources of the use cases, and closes them."""
    dependencies = {
        "documentation": _provide(Documentation(event_types)),
        "listing": _provide(listing),
        "readiness": _provide(readiness),
        "event_types": _provide(event_types),
        "prefix": _provide(prefix),
        "letters": _provide(letters),
        "order_reader": _provide(BodyReader(max_body_bytes)),
        "value_reader": _provide(BodyReader(max_body_bytes, VALUE_TYPES)),
    }
    batch = batch_handler(
        publish,
        BodyReader(max_batch_bytes, BATCH_MEDIA_TYPES),
        max_events=max_batch_events,
        max_event_bytes=max_body_bytes,
    )
    direct = {
        b"/events/generate": _post_route(generate_handler(publish, BodyReader(max_body_bytes), prefix)),
        b"/events/batch": _post_route(batch),
    }
    handlers = [get_root, list_events, get_event, list_types, get_schema, alive, ready, get_docs, get_openapi]
    guard = Administration(prefix, is_open=admin_open)
    return _application(
        [*handlers, *LETTER_ROUTES], dependencies, max_in_flight, direct, cors_origins=cors_origins, guards=[guard]
    )


def health_app(readiness: Health) -> ASGIApp:
    """Make the application for the consumer's port: health in full detail, for operators."""
    dependencies = {"readiness": Provide(lambda: readiness, sync_to_thread=False)}
    return _application([alive, ready_in_full], dependencies, _HEALTH_MAX_IN_FLIGHT, {})


def _application(
    handlers: Sequence[BaseRouteHandler],
    dependencies: Mapping[str, Provide],
    max_in_flight: int,
    direct: Mapping[bytes, ASGIApp],
    *,
    cors_origins: Collection[str] = (),
    guards: Sequence[Guard] = (),
) -> ASGIApp:
    framework = Litestar(
        handlers,
        dependencies=dependencies,
        guards=guards,
        exception_handlers={Exception: handle_exception},
        # The package `openapi` makes the document.
        openapi_config=None,
        # `BodyReader` limits bodies.
        request_max_body_size=None,
        # `handle_exception` logs unexpected errors.
        logging_config=None,
        debug=False,
    )
    app: ASGIApp = Dispatch(direct, framework)
    busy: ASGIApp = respond_busy
    # Litestar's own middleware runs behind its router, and so would miss responses with 404 or 405.
    if cors_origins:
        app, busy = Cors(app, cors_origins), Cors(busy, cors_origins)
    return RequestMiddleware(app, busy, max_in_flight=max_in_flight)


def _provide(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Sends requests for the paths in `direct` to plain ASGI applications, and all others to the framework."""

    direct: Mapping[bytes, ASGIApp]
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw_path = scope["raw_path"]
        # The framework would accept other spellings of a path.
        app = self.direct.get(raw_path) or (self.app if is_canonical(raw_path) else handle_noncanonical)
        await app(scope, receive, send)


def _post_route(handler: Handler) -> ASGIApp:
    """Serve a POST-only path without the framework, whose work around a route takes as long as the route itself."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            match scope.get("method"):
                case "POST":
                    reject_parameters(scope)
                    response = await handler(scope, receive, by_name(scope["headers"]))
                case "OPTIONS":
                    response = HttpResponse(HTTPStatus.NO_CONTENT, b"", _ALLOW)
                case _:
                    problem = HttpProblem(HTTPStatus.METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED, headers=_ALLOW)
                    response = problem_response(problem, scope)
        except Exception as error:  # noqa: BLE001 - the same as the framework's exception handlers
            response = problem_response(error, scope)
        await response(scope, receive, send)

    return serve
