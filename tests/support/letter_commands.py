"""An operator of dead letters who uses the command line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from entrypoints.cli import person
from tests.support.command import Finished, user_events
from tests.support.letter_operator import Json, Operator

_OPTIONS = {"ids": "--id", "ratePerSecond": "--rate", "newEventId": "--new-event-id"}
_MANY = 1_000
_FAILED = 1


@dataclass(frozen=True)
class CommandOperator(Operator):
    """A script on any machine that reaches the database."""

    environment: Mapping[str, str]
    folder: Path

    @property
    def who(self) -> str:
        return person.who()

    async def groups(self) -> list[Json]:
        found: list[Json] = json.loads((await self._dlq("groups", "--json")).stdout)
        return found

    async def letters(self) -> bytes:
        return (await self._dlq("list", "--json", "--limit", str(_MANY))).stdout.encode()

    async def export(self) -> bytes:
        return (await self._dlq("export")).stdout.encode()

    async def show(self, letter_id: str) -> bytes:
        return (await self._dlq("show", letter_id, "--json")).stdout.encode()

    async def preview(self, action: str, chosen: Json, **terms: object) -> Json:
        finished = await self._dlq(action, *_options(chosen | terms), "--dry-run", "--json")
        preview: Json = json.loads(finished.stdout)["preview"]
        return preview

    async def change(self, action: str, chosen: Json, reason: str, **terms: object) -> Json:
        done = await self._change(action, *_options(chosen | terms), reason=reason)
        return done.get("job") or done

    async def replay(self, chosen: Json, reason: str, **terms: object) -> Json:
        done = await self._change("replay", *_options(chosen | terms), "--follow", reason=reason)
        job: Json = done["job"]
        return job

    async def edit(self, letter_id: str, value: bytes, reason: str) -> list[Json]:
        finished = await self._dlq("edit", letter_id, *self._file(value), "--reason", reason, "--json")
        differences: list[Json] = json.loads(finished.stdout)["differences"]
        return differences

    async def refused(self, letter_id: str, value: bytes) -> str:
        return (await self._dlq("edit", letter_id, *self._file(value), exit_code=_FAILED)).stderr

    async def control(self, job_id: str, command: str, reason: str) -> Json:
        job: Json = json.loads((await self._dlq("jobs", job_id, f"--{command}", "--reason", reason, "--json")).stdout)
        return job

    async def job(self, job_id: str) -> Json:
        found: Json = json.loads((await self._dlq("jobs", job_id, "--json")).stdout)
        return found

    async def follow(self, job_id: str, *, ends_well: bool = True) -> Json:
        finished = await self._dlq("jobs", job_id, "--follow", "--json", exit_code=0 if ends_well else _FAILED)
        job: Json = json.loads(finished.stdout)
        return job

    async def audit_log(self) -> list[Json]:
        finished = await user_events("audit-log", "--json", environment=self.environment)
        return [*map(json.loads, finished.stdout.splitlines())]

    async def _change(self, *arguments: str, reason: str) -> Json:
        done: Json = json.loads((await self._dlq(*arguments, "--yes", "--reason", reason, "--json")).stdout)
        return done

    async def _dlq(self, *arguments: str, exit_code: int = 0) -> Finished:
        finished = await user_events("dlq", *arguments, environment=self.environment)
        assert finished.exit_code == exit_code, finished
        return finished

    def _file(self, value: bytes) -> tuple[str, ...]:
        file = self.folder / "value.json"
        file.write_bytes(value)
        return "--file", str(file), "--yes"


def _options(named: Json) -> list[str]:
    options = []
    for name, value in named.items():
        for each in value if isinstance(value, list) else [value]:
            options += [_OPTIONS.get(name, f"--{name}"), *([] if each is True else [str(each)])]
    return options
