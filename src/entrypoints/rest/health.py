"""`GET /health` and `GET /health/ready`."""

from http import HTTPStatus

import msgspec
from litestar import route
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from entrypoints.health import Readiness
from entrypoints.rest.replies import Reply

_NO_STORE = ((b"cache-control", b"no-store"),)


@route("/health", http_method=["GET", "HEAD"])
async def alive(readiness: NamedDependency[Readiness]) -> ASGIApp:
    """Tell that the process lives, whatever its parts do."""
    if readiness.failure is not None:
        return Reply(HTTPStatus.SERVICE_UNAVAILABLE, b'{"status":"DOWN"}', _NO_STORE)
    return Reply(HTTPStatus.OK, b'{"status":"UP"}')


@route("/health/ready", http_method=["GET", "HEAD"])
async def ready(readiness: NamedDependency[Readiness]) -> ASGIApp:
    """Tell whether the process can work, part by part."""
    report = await readiness.report()
    status = HTTPStatus.OK if report.status == "UP" else HTTPStatus.SERVICE_UNAVAILABLE
    return Reply(status, msgspec.json.encode(report), _NO_STORE)
