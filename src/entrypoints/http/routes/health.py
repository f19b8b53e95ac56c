"""`GET /health` and `GET /health/ready`."""

from http import HTTPStatus

import msgspec
from litestar import route
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from entrypoints.http.health_report import Health, Report
from entrypoints.http.requests.parameters import no_parameters
from entrypoints.http.responses import Reply


@route("/health", http_method=["GET", "HEAD"], guards=[no_parameters])
async def alive(readiness: NamedDependency[Health]) -> ASGIApp:
    """Tell that the process lives, whatever its parts do."""
    if readiness.failure is not None:
        return Reply(HTTPStatus.SERVICE_UNAVAILABLE, b'{"status":"DOWN"}')
    return Reply(HTTPStatus.OK, b'{"status":"UP"}')


@route("/health/ready", http_method=["GET", "HEAD"], guards=[no_parameters])
async def ready(readiness: NamedDependency[Health]) -> ASGIApp:
    """Tell strangers whether the process can work, part by part; the causes are in the log."""
    return _rendered((await readiness.report()).for_strangers)


@route("/health/ready", http_method=["GET", "HEAD"], guards=[no_parameters])
async def ready_in_full(readiness: NamedDependency[Health]) -> ASGIApp:
    """Tell operators the same with the causes, which name addresses and users."""
    return _rendered(await readiness.report())


def _rendered(report: Report) -> Reply:
    status = HTTPStatus.SERVICE_UNAVAILABLE if report.status == "DOWN" else HTTPStatus.OK
    return Reply(status, msgspec.json.encode(report))
