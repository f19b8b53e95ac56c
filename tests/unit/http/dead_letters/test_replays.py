"""`GET /dead-letters/replays`, `GET /dead-letters/replays/{id}`, and its commands."""

from uuid import UUID, uuid4

import pytest

from domain.errors import Rejected, Unavailable
from entrypoints.http.prefix import Prefix
from tests.support.api import Api, an_api
from tests.unit.http.dead_letters.letters import put

JOBS = "/dead-letters/replays"
COMMANDS = ["pause", "resume", "cancel"]


async def a_job(api: Api, number: int = 1) -> str:
    """Have the letter `0-<number>` replayed; return the job's path."""
    response = await api.client.post(JOBS, json={"ids": [f"0-{number}"], "reason": "because"})
    assert response.status_code == 202
    return str(response.headers["location"])


async def test_jobs_are_listed_newest_first(api: Api) -> None:
    """Page by page, by a link."""
    await put(api, 5)
    made = [await a_job(api, number + 1) for number in range(5)]
    found, url = [], f"{JOBS}?limit=2"
    while url:
        response = await api.client.get(url)
        found += [f"{JOBS}/{job['id']}" for job in response.json()]
        url = response.links.get("next", {}).get("url", "")
    assert found == made[::-1]


async def test_link_begins_with_prefix() -> None:
    """As a client of the proxy sees it."""
    async with an_api(prefix=Prefix("/a/b")) as api:
        await put(api)
        await api.client.post(JOBS, json={"ids": ["0-1"], "reason": "because"})
        response = await api.client.get(f"{JOBS}?limit=1")
    assert response.links["next"]["url"].startswith(f"/a/b{JOBS}?")


async def test_job_tells_its_outcomes(api: Api) -> None:
    """By group, with the letters that failed."""
    await put(api)
    path = await a_job(api)
    worker = uuid4()
    job = await api.jobs.claim(worker)
    assert job is not None
    await api.jobs.next_items(job.id, worker, 10)
    await api.jobs.published(job.id, worker, {"0-1": Rejected("it is too large")})
    found = (await api.client.get(path)).json()
    assert (found["letters"], found["counts"]["dead"], found["counts"]["stored"]) == (1, 1, 0)
    assert [(group["fingerprint"], group["counts"]["dead"]) for group in found["groups"]] == [("0a1b2c3d", 1)]
    [failure] = found["failures"]
    assert failure["letterId"] == "0-1"
    assert "too large" in failure["reason"]


async def test_job_is_paused_resumed_and_cancelled(api: Api) -> None:
    """Each command has its entry in the audit log."""
    await put(api)
    path = await a_job(api)
    for command, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        response = await api.client.post(f"{path}/{command}", params={"reason": f"to {command}"})
        assert (response.status_code, response.json()["state"]) == (200, state)
    entries = (await api.client.get("/audit-log?limit=3")).json()
    assert [(entry["action"], entry["reason"]) for entry in entries] == [
        (f"{command} job", f"to {command}") for command in reversed(COMMANDS)
    ]
    assert (await api.client.get("/dead-letters/0-1")).json()["state"] == "dead"


async def test_impossible_command_gets_409(api: Api) -> None:
    """With the reason."""
    await put(api)
    path = await a_job(api)
    assert (await api.client.post(f"{path}/resume")).status_code == 409
    await api.client.post(f"{path}/cancel")
    for command in COMMANDS:
        response = await api.client.post(f"{path}/{command}")
        assert response.status_code == 409
        assert response.json()["detail"].startswith("This is not possible: ")


@pytest.mark.parametrize("job_id", ["7", str(UUID(int=5)), UUID(int=5).hex, f"{UUID(int=5)}0", "value"])
async def test_unknown_job_gets_404(api: Api, job_id: str) -> None:
    """And so does what is no id."""
    assert (await api.client.get(f"{JOBS}/{job_id}")).status_code == 404
    for command in COMMANDS:
        assert (await api.client.post(f"{JOBS}/{job_id}/{command}")).status_code == 404
    assert (await api.client.post(f"{JOBS}/{job_id}/stop")).status_code == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "before=7", "before=", "cursor=a"])
async def test_invalid_parameter_gets_422(api: Api, query: str) -> None:
    """With its name."""
    response = await api.client.get(f"{JOBS}?{query}")
    assert [error["field"] for error in response.json()["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize("query", ["reason=", "reason=%20", "reason=" + "a" * 501, "why=a", "reason=%00"])
@pytest.mark.parametrize("command", COMMANDS)
async def test_invalid_reason_gets_422(api: Api, command: str, query: str) -> None:
    """Nothing is done."""
    await put(api)
    path = await a_job(api)
    assert (await api.client.post(f"{path}/{command}?{query}")).status_code == 422
    assert (await api.client.get(path)).json()["state"] == "running"


async def test_outage_gets_503(api: Api) -> None:
    """Of each route."""
    api.jobs.outage = Unavailable("db.internal refused")
    for path in (JOBS, f"{JOBS}/{UUID(int=5)}"):
        assert (await api.client.get(path)).status_code == 503
    for command in COMMANDS:
        assert (await api.client.post(f"{JOBS}/{UUID(int=5)}/{command}")).status_code == 503


async def test_methods(api: Api) -> None:
    """HEAD and OPTIONS as of the other routes."""
    await put(api)
    path = await a_job(api)
    for each in (JOBS, path):
        assert (await api.client.head(each)).status_code == 200
    assert (await api.client.options(path)).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await api.client.options(f"{path}/pause")).headers["allow"] == "OPTIONS, POST"
    assert (await api.client.get(f"{path}/pause")).status_code == 405
