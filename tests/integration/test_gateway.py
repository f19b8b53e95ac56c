"""The gateway of the compose stacks: a real HAProxy with their configuration file."""

import asyncio
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from adapters.postgres.sessions.database import Database
from tests.support.compose import ROOT
from tests.support.missing import missing
from tests.support.records import Topics
from tests.support.service import Service, Services
from tests.support.waiting import eventually
from tests.support.world import World
from tools.kafka import probe

CONFIGURATION: Final = ROOT / "deploy" / "haproxy.cfg"
# Debian puts it where only root looks.
_PROGRAM: Final = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_EVENT: Final = {"userId": "user-1", "eventType": "LOGIN"}


@asynccontextmanager
async def gateway(folder: Path, port: int, apis: Sequence[Service]) -> AsyncIterator[httpx.AsyncClient]:
    """Run it before these processes, which Docker's name server would otherwise find, and make a client of it."""
    if _PROGRAM is None:
        missing("no haproxy to test with: apt-get install haproxy")
    text, found = re.subn(
        r"(?m)^    server-template .*? (check .*) resolvers docker .*$", _servers(apis), _configuration()
    )
    assert found == 1
    file = folder / "haproxy.cfg"
    file.write_text(text.replace("bind :3000", f"bind 127.0.0.1:{port}"))
    process: Process = await asyncio.create_subprocess_exec(_PROGRAM, "-f", file, stdin=DEVNULL)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        process.terminate()
        await process.wait()


def _servers(apis: Sequence[Service]) -> str:
    return "\n".join(rf"    server api{number} 127.0.0.1:{api.port} \1" for number, api in enumerate(apis))


def _configuration() -> str:
    return re.sub(r"resolvers docker\n(?:    .*\n)+", "", CONFIGURATION.read_text())


async def test_gateway_uses_ready_api_processes_only(services: Services, database: Database, tmp_path: Path) -> None:
    """A stopped or killed process loses no request; without any process the response is a problem document."""
    world = World(services, database, Topics("127.0.0.1:9"))
    apis = await asyncio.gather(*(world.run("api", EVENT_LOG="postgres") for _ in range(3)))
    (port,) = probe.free_ports(1)
    async with gateway(tmp_path, port, apis) as client:

        async def status() -> int:
            try:
                return (await client.post("/events/generate", json=_EVENT)).status_code
            except httpx.TransportError:
                return 0

        async def is_served() -> bool:
            return await status() == 201

        await eventually(is_served, "an api behind the gateway")
        assert [await status() for _ in range(20)] == [201] * 20
        assert all(api.lines("request") for api in apis)
        assert await apis[0].terminate() == 0
        assert [await status() for _ in range(20)] == [201] * 20
        await apis[1].kill9()
        assert [await status() for _ in range(20)] == [201] * 20
        assert await apis[2].terminate() == 0

        async def nobody_is_ready() -> bool:
            return await status() == 503

        await eventually(nobody_is_ready, "no api behind the gateway")
        answer = await client.post("/events/generate", json=_EVENT)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.json()["status"], answer.headers["retry-after"]) == (503, "5")
