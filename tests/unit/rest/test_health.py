"""Health: of the API and on the consumer's own port."""

import asyncio
import json

import pytest

from domain.errors import Unavailable, WrongDeployment
from entrypoints.health import Readiness
from entrypoints.rest.app import health_app
from tests.support.api import Api, a_client, call


async def test_alive_process_says_up_whatever_its_parts(api: Api) -> None:
    """An outage elsewhere is no reason to restart this process."""
    api.store.outage = Unavailable("no answer")
    response = await api.client.get("/health")
    assert (response.status_code, response.text) == (200, '{"status":"UP"}')


async def test_process_whose_parts_answer_is_ready(api: Api) -> None:
    """Each part is listed."""
    response = await api.client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "UP", "parts": {"log": {"status": "UP"}, "database": {"status": "UP"}}}


@pytest.mark.parametrize(
    ("outage", "error"),
    [
        (Unavailable("no answer from the database"), "Unavailable: no answer from the database"),
        (WrongDeployment("no such table"), "WrongDeployment: no such table"),
        (ValueError("password=secret"), "ValueError"),
    ],
)
async def test_process_with_a_failing_part_is_not_ready_and_says_why(api: Api, outage: Exception, error: str) -> None:
    """Our own messages are shown; a foreign one may hold secrets."""
    api.store.outage = outage
    response = await api.client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "DOWN",
        "parts": {"log": {"status": "UP"}, "database": {"status": "DOWN", "error": error}},
    }


async def test_part_that_never_answers_is_down_in_time() -> None:
    """A probe gets its answer before its own patience ends."""
    report = await Readiness({"log": asyncio.Event().wait}, timeout=0.01).report()
    assert report.parts["log"].error == "TimeoutError: no answer within 0.01 s"


async def test_draining_process_is_not_ready_and_leaves_its_parts_alone(api: Api) -> None:
    """Its parts may be closed already."""
    api.store.outage = Unavailable("closed")
    api.readiness.draining = True
    response = await api.client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {"status": "DOWN", "parts": {"process": {"status": "DOWN", "error": "draining"}}}


async def test_process_that_has_to_be_replaced_is_not_even_alive() -> None:
    """Its supervisor may go by either route."""
    readiness = Readiness({})
    readiness.failure = "nothing was done for 120 s"
    app = health_app(readiness)
    alive, ready = await call(app, "GET", "/health"), await call(app, "GET", "/health/ready")
    assert (alive.status, alive.body) == (503, b'{"status":"DOWN"}')
    assert (ready.status, json.loads(ready.body)["parts"]["process"]["error"]) == (503, readiness.failure)


async def test_probes_at_the_same_time_share_one_ping() -> None:
    """However many ask, the parts bear one check at a time, also when the first to ask hangs up."""
    pings = 0
    asked, answer = asyncio.Event(), asyncio.Event()

    async def ping() -> None:
        nonlocal pings
        pings += 1
        asked.set()
        await answer.wait()

    readiness = Readiness({"log": ping})
    first, *others = [asyncio.create_task(readiness.report()) for _ in range(5)]
    await asked.wait()
    first.cancel()
    answer.set()
    reports = await asyncio.gather(*others)
    assert [report.status for report in reports] == ["UP"] * 4
    assert pings == 1
    await readiness.report()
    assert pings == 2


async def test_consumers_port_serves_health_and_nothing_else() -> None:
    """With the same answers and the same problems as the API."""
    async with a_client(health_app(Readiness({}))) as client:
        assert (await client.get("/health")).json() == {"status": "UP"}
        assert (await client.get("/health/ready")).json() == {"status": "UP", "parts": {}}
        missing = await client.get("/docs/openapi.json")
        assert missing.status_code == 404
        assert missing.headers["content-type"] == "application/problem+json"
