"""An operator of dead letters who speaks HTTP."""

from dataclasses import dataclass

import httpx

from tests.support.letter_operator import Json, Operator
from tests.support.service import Service
from tests.support.waiting import eventually

_MANY = 1_000


@dataclass(frozen=True)
class HttpOperator(Operator):
    """A program on the machine of the api."""

    api: Service

    @property
    def who(self) -> str:
        return "api"

    async def groups(self) -> list[Json]:
        found: list[Json] = (await self._get("/dead-letters/groups")).json()
        return found

    async def letters(self) -> bytes:
        return (await self._get(f"/dead-letters?limit={_MANY}")).content

    async def export(self) -> bytes:
        return (await self._get("/dead-letters/export")).content

    async def show(self, letter_id: str) -> bytes:
        return (await self._get(f"/dead-letters/{letter_id}")).content

    async def preview(self, action: str, chosen: Json, **terms: object) -> Json:
        return await self._order(200, action, chosen | terms | {"dryRun": True, "reason": "to see"})

    async def change(self, action: str, chosen: Json, reason: str, **terms: object) -> Json:
        count = (await self.preview(action, chosen, **terms))["count"]
        order = chosen | terms | {"reason": reason}
        wrong = await self._order(409, action, order | {"expectedCount": count + 1})
        letters = "dead letter" if count == 1 else "dead letters"
        assert wrong["detail"] == f"it would concern {count} {letters}, not {count + 1}: nothing was done."
        return await self._order(202 if action == "replay" else 200, action, order | {"expectedCount": count})

    async def replay(self, chosen: Json, reason: str, **terms: object) -> Json:
        job = await self.change("replay", chosen, reason, **terms)
        return await self.follow(job["id"])

    async def edit(self, letter_id: str, value: bytes, reason: str) -> list[Json]:
        answer = await self._put(letter_id, value, reason)
        assert answer.status_code == 200, answer.text
        differences: list[Json] = answer.json()["differences"]
        return differences

    async def refused(self, letter_id: str, value: bytes) -> str:
        answer = await self._put(letter_id, value, "to see")
        assert answer.status_code == 422, answer.text
        return "; ".join(f"{error['field']}: {error['message']}" for error in answer.json()["errors"])

    async def control(self, job_id: str, command: str, reason: str) -> Json:
        path = f"/dead-letters/replays/{job_id}/{command}"
        return _object(await self.api.client.post(path, params={"reason": reason}), 200)

    async def job(self, job_id: str) -> Json:
        found: Json = (await self._get(f"/dead-letters/replays/{job_id}")).json()
        return found

    async def follow(self, job_id: str, *, ends_well: bool = True) -> Json:
        job: Json = {}

        async def has_ended() -> bool:
            job.update(await self.job(job_id))
            return bool(job["state"] != "running")

        await eventually(has_ended, "the job ended")
        assert ends_well == (job["state"] == "finished" and not job["counts"]["dead"])
        return job

    async def audit_log(self) -> list[Json]:
        found: list[Json] = (await self._get("/audit-log")).json()
        return found

    async def _get(self, path: str) -> httpx.Response:
        answer = await self.api.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer

    async def _put(self, letter_id: str, value: bytes, reason: str) -> httpx.Response:
        path = f"/dead-letters/{letter_id}/value"
        headers = {"content-type": "application/json"}
        return await self.api.client.put(path, content=value, params={"reason": reason}, headers=headers)

    async def _order(self, status: int, action: str, order: Json) -> Json:
        path = f"/dead-letters/{'replays' if action == 'replay' else action}"
        return _object(await self.api.client.post(path, json=order), status)


def _object(answer: httpx.Response, status: int) -> Json:
    assert answer.status_code == status, answer.text
    found: Json = answer.json()
    return found
