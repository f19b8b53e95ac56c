"""The HTTP applications."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType

from litestar import Litestar
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from application.list_processed import ListProcessed
from application.publish_event import PublishEvent
from entrypoints.http.cors import Cors
from entrypoints.http.headers import by_name
from entrypoints.http.health_report import Health
from entrypoints.http.middleware import RequestMiddleware, refuse_busy
from entrypoints.http.paths import answer_misspelt, is_spelled_right
from entrypoints.http.prefix import Prefix
from entrypoints.http.problems import METHOD_NOT_ALLOWED, HttpProblem, handle, reply_to
from entrypoints.http.requests.body import BodyReader
from entrypoints.http.requests.parameters import take_none
from entrypoints.http.responses import Answer, Reply
from entrypoints.http.routes.batch import BATCH_MEDIA_TYPES, batch_answer
from entrypoints.http.routes.docs import get_docs
from entrypoints.http.routes.generate import generate_answer
from entrypoints.http.routes.health import alive, ready, ready_in_full
from entrypoints.http.routes.listing import get_event, list_events
from entrypoints.http.routes.openapi import get_openapi
from entrypoints.http.routes.root import get_root

_ALLOW = ((b"allow", b"OPTIONS, POST"),)


def create_app(
    publish: PublishEvent,
    listing: ListProcessed,
    readiness: Health,
    *,
    max_body_bytes: int,
    max_batch_bytes: int,
    max_batch_events: int,
    max_in_flight: int,
    prefix: Prefix,
    cors_origins: Collection[str] = (),
) -> ASGIApp:
    """Make the API. Times are in seconds. Whoever calls this owns what the use cases hold."""
    dependencies = {
        "listing": Provide(lambda: listing, sync_to_thread=False),
        "readiness": Provide(lambda: readiness, sync_to_thread=False),
        "prefix": Provide(lambda: prefix, sync_to_thread=False),
    }
    posts = {
        "/events/generate": generate_answer(publish, BodyReader(max_body_bytes), prefix),
        "/events/batch": batch_answer(
            publish,
            BodyReader(max_batch_bytes, BATCH_MEDIA_TYPES),
            max_events=max_batch_events,
            max_event_bytes=max_body_bytes,
        ),
    }
    return _application(
        [get_root, list_events, get_event, alive, ready, get_docs, get_openapi],
        dependencies,
        max_in_flight,
        posts,
        cors_origins,
    )


def health_app(readiness: Health, *, max_in_flight: int = 16) -> ASGIApp:
    """Make the application for the consumer's own port, which is for operators: health and nothing else."""
    dependencies = {"readiness": Provide(lambda: readiness, sync_to_thread=False)}
    return _application([alive, ready_in_full], dependencies, max_in_flight)


def _application(
    handlers: Sequence[BaseRouteHandler],
    dependencies: Mapping[str, Provide],
    max_in_flight: int,
    posts: Mapping[str, Answer] = MappingProxyType({}),
    cors_origins: Collection[str] = (),
) -> ASGIApp:
    framework = Litestar(
        handlers,
        dependencies=dependencies,
        exception_handlers={Exception: handle},
        # The document is our own, see the package openapi.
        openapi_config=None,
        # The body reader has its own limit.
        request_max_body_size=None,
        # The exception handler logs what is worth it.
        logging_config=None,
        debug=False,
    )
    app: ASGIApp = Dispatch({path.encode(): _post_route(answer) for path, answer in posts.items()}, framework)
    busy: ASGIApp = refuse_busy
    # Litestar runs middleware of its own only behind the router, where a 404 or 405 never comes.
    if cors_origins:
        app, busy = Cors(app, cors_origins), Cors(busy, cors_origins)
    return RequestMiddleware(app, busy, max_in_flight=max_in_flight)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Plain ASGI applications by path, as the client spelled it, in front of the framework, which serves the others."""

    ahead: Mapping[bytes, ASGIApp]
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw_path = scope["raw_path"]
        # The framework would also take other spellings.
        app = self.ahead.get(raw_path) or (self.app if is_spelled_right(raw_path) else answer_misspelt)
        await app(scope, receive, send)


def _post_route(answer: Answer) -> ASGIApp:
    """Serve a path that takes POST alone, without what the framework does around a route, which costs as much again."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            match scope.get("method"):
                case "POST":
                    take_none(scope)
                    reply = await answer(scope, receive, by_name(scope["headers"]))
                case "OPTIONS":
                    reply = Reply(HTTPStatus.NO_CONTENT, b"", _ALLOW)
                case _:
                    refusal = HttpProblem(HTTPStatus.METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED, headers=_ALLOW)
                    reply = reply_to(refusal, scope)
        except Exception as error:  # noqa: BLE001 - as the framework's table of exception handlers has it
            reply = reply_to(error, scope)
        await reply(scope, receive, send)

    return serve
