"""Health of the api, and on the consumer's port."""

import asyncio
import json
import logging
from datetime import timedelta

import pytest

from domain.errors import Unavailable, WrongDeployment
from entrypoints.http.app import health_app
from entrypoints.processes import health
from entrypoints.processes.health import Check, Degraded, Readiness
from tests.support.api import Api, a_client, call
from tests.support.events import NOON

NEXT_DAY = (NOON + timedelta(days=1)).isoformat().replace("+00:00", "Z")
"""The time of an API of these tests."""


async def test_live_process_is_up_regardless_of_dependencies(api: Api) -> None:
    """An outage elsewhere is no reason to restart this process."""
    api.store.outage = Unavailable("no answer")
    response = await api.client.get("/health")
    assert (response.status_code, response.text) == (200, '{"status":"UP"}')


async def test_process_is_ready_if_dependencies_respond(api: Api) -> None:
    """Each part is listed with its state and the start of that state."""
    response = await api.client.get("/health/ready")
    assert response.status_code == 200
    part = {"status": "UP", "since": NEXT_DAY}
    assert response.json() == {"status": "UP", "parts": {"log": part, "database": part}}


@pytest.mark.parametrize(
    ("outage", "error", "detail"),
    [
        (Unavailable("no answer from the database"), "unavailable", "no answer from the database"),
        (WrongDeployment("no such table"), "incompatible deployment", "no such table"),
        (ValueError("password=secret"), "ValueError", None),
    ],
)
async def test_failure_details_are_for_operators_only(
    api: Api, outage: Exception, error: str, detail: str | None
) -> None:
    """Details contain addresses and users. Texts of libraries may contain secrets and are never shown."""
    api.publisher.outage = outage
    stranger = await api.client.get("/health/ready")
    operator = await call(health_app(api.readiness), "GET", "/health/ready")
    shown = {"status": "DOWN", "since": NEXT_DAY, "error": error, "action": "reconnecting"}
    assert (stranger.status_code, stranger.json()["status"]) == (503, "DOWN")
    assert stranger.json()["parts"]["log"] == shown
    expected = shown if detail is None else shown | {"detail": detail}
    assert json.loads(operator.body)["parts"]["log"] == expected


async def test_failing_optional_part_degrades_process(api: Api) -> None:
    """A load balancer must not stop traffic that still works."""
    api.store.outage = Unavailable("no answer")
    response = await api.client.get("/health/ready")
    assert (response.status_code, response.json()["status"]) == (200, "DEGRADED")
    assert {name: part["status"] for name, part in response.json()["parts"].items()} == {
        "log": "UP",
        "database": "DOWN",
    }


async def test_degraded_required_part_degrades_process() -> None:
    """The report says what a person has to do."""

    async def progress() -> None:
        raise Degraded("halted: partition 0", "partition 0 is halted at offset 7", "resume it")

    report = await Readiness({"progress": Check(progress, "retried")}).report()
    part = report.parts["progress"]
    assert (report.status, part.status, part.error, part.action) == (
        *("DEGRADED", "DEGRADED"),
        "halted: partition 0",
        "resume it",
    )


async def test_part_may_report_its_own_since() -> None:
    """For example a partition that was halted before this process started."""

    async def progress() -> None:
        raise Degraded("halted: partition 0", "", "resume it", since=NOON)

    report = await Readiness({"progress": Check(progress, "retried")}).report()
    assert report.parts["progress"].since == NOON


async def test_part_reports_start_of_its_state() -> None:
    """The start of the state, not of its latest cause."""
    times = iter(NOON + timedelta(seconds=second) for second in range(10))
    outages: list[Exception | None] = [None, Unavailable("a"), Unavailable("b"), None, None]

    async def ping() -> None:
        if (outage := outages.pop(0)) is not None:
            raise outage

    readiness = Readiness({"log": Check(ping, "reconnecting")}, clock=lambda: next(times))
    seen = [(await readiness.report()).parts["log"] for _ in range(5)]
    assert [part.status for part in seen] == ["UP", "DOWN", "DOWN", "UP", "UP"]
    assert [(part.since - NOON).seconds for part in seen] == [0, 1, 1, 2, 2]


async def test_state_change_is_logged_without_a_request(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once at its start, and once at its end."""
    monkeypatch.setattr(health, "_CHECK_INTERVAL_SECONDS", 0.01)
    caplog.set_level(logging.INFO)
    outage: Unavailable | None = Unavailable("database: no answer from 10.0.0.1")
    asked = 0

    async def ping() -> None:
        nonlocal asked
        asked += 1
        if outage is not None:
            raise outage

    async def asked_thrice_more() -> None:
        before = asked
        while asked < before + 3:
            await asyncio.sleep(0.01)

    stop = asyncio.Event()
    watching = asyncio.create_task(Readiness({"database": Check(ping, "reads answer 503")}).watch(stop))
    await asked_thrice_more()
    outage = None
    await asked_thrice_more()
    stop.set()
    await watching
    down, up = [vars(record) for record in caplog.records if record.getMessage() == "readiness changed"]
    assert (down["levelname"], down["part"], down["status"]) == ("WARNING", "database", "DOWN")
    assert (down["cause"], down["action"]) == ("database: no answer from 10.0.0.1", "reads answer 503")
    assert (up["levelname"], up["part"], up["status"]) == ("INFO", "database", "UP")


async def test_hanging_part_is_down_within_timeout() -> None:
    """The probe gets a response before its own timeout."""
    report = await Readiness({"log": Check(asyncio.Event().wait, "reconnecting")}, timeout=0.01).report()
    assert report.parts["log"].error == "no answer within 0.01 s"


async def test_late_check_does_not_delay_report() -> None:
    """A frozen database may keep its session from being closed; no ping is added to one that has not ended."""
    end, pings = asyncio.Event(), 0

    async def ping() -> None:
        nonlocal pings
        pings += 1
        try:
            await asyncio.Event().wait()
        finally:
            await end.wait()

    readiness = Readiness({"database": Check(ping, "retried")}, timeout=0.01)
    for _ in range(3):
        assert (await readiness.report()).parts["database"].error == "no answer within 0.01 s"
    assert pings == 1
    end.set()
    await asyncio.sleep(0)
    await readiness.report()
    assert pings == 2


async def test_draining_process_is_not_ready_and_checks_nothing(api: Api) -> None:
    """The dependencies may be closed already."""
    api.store.outage = Unavailable("closed")
    stop = asyncio.Event()
    stop.set()
    await api.readiness.watch(stop)
    response = await api.client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["status"] == "DOWN"
    assert response.json()["parts"].keys() == {"process"}
    assert response.json()["parts"]["process"]["error"] == "draining"


async def test_process_with_failure_is_not_alive() -> None:
    """A supervisor may use either route."""
    readiness = Readiness({})
    readiness.failure = "nothing was done for 120 s"
    app = health_app(readiness)
    alive, ready = await call(app, "GET", "/health"), await call(app, "GET", "/health/ready")
    assert (alive.status, alive.body) == (503, b'{"status":"DOWN"}')
    assert (ready.status, json.loads(ready.body)["parts"]["process"]["error"]) == (503, readiness.failure)


async def test_simultaneous_probes_share_one_ping() -> None:
    """There is one check at a time, also if the first client disconnects."""
    pings = 0
    asked, answer = asyncio.Event(), asyncio.Event()

    async def ping() -> None:
        nonlocal pings
        pings += 1
        asked.set()
        await answer.wait()

    readiness = Readiness({"log": Check(ping, "reconnecting")})
    first, *others = [asyncio.create_task(readiness.report()) for _ in range(5)]
    await asked.wait()
    first.cancel()
    answer.set()
    reports = await asyncio.gather(*others)
    assert [report.status for report in reports] == ["UP"] * 4
    assert pings == 1
    await readiness.report()
    assert pings == 2


async def test_consumer_port_serves_health_only() -> None:
    """With the same responses and problem documents as the api."""
    async with a_client(health_app(Readiness({}))) as client:
        assert (await client.get("/health")).json() == {"status": "UP"}
        assert (await client.get("/health/ready")).json() == {"status": "UP", "parts": {}}
        missing = await client.get("/docs/openapi.json")
        assert missing.status_code == 404
        assert missing.headers["content-type"] == "application/problem+json"
