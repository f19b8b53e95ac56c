"""`GET /health` and `GET /health/ready`."""

from http import HTTPStatus

import msgspec
from litestar import route
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from entrypoints.http.health_report import Health, Report
from entrypoints.http.requests.parameters import no_parameters
from entrypoints.http.responses import HttpResponse


@route("/health", http_method=["GET", "HEAD"], guards=[no_parameters])
async def alive(readiness: NamedDependency[Health]) -> ASGIApp:
    """Return whether the process is alive, regardless of its dependencies."""
    if readiness.failure is not None:
        return HttpResponse(HTTPStatus.SERVICE_UNAVAILABLE, b'{"status":"DOWN"}')
    return HttpResponse(HTTPStatus.OK, b'{"status":"UP"}')


@route("/health/ready", http_method=["GET", "HEAD"], guards=[no_parameters])
async def ready(readiness: NamedDependency[Health]) -> ASGIApp:
    """Return the readiness of the process and its dependencies, without causes, which are in the log."""
    return _rendered((await readiness.report()).without_details)


@route("/health/ready", http_method=["GET", "HEAD"], guards=[no_parameters])
async def ready_in_full(readiness: NamedDependency[Health]) -> ASGIApp:
    """Return the same with causes, which contain addresses and user names, for operators."""
    return _rendered(await readiness.report())


def _rendered(report: Report) -> HttpResponse:
    status = HTTPStatus.SERVICE_UNAVAILABLE if report.status == "DOWN" else HTTPStatus.OK
    return HttpResponse(status, msgspec.json.encode(report))
