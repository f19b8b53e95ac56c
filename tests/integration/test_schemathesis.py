"""The API tried by the OpenAPI document that it serves: what it answers is documented, and nothing makes a 5xx."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from adapters.postgres.sessions.database import Database
from tests.support.records import Topics
from tests.support.schema_folders import write
from tests.support.service import Services
from tests.support.world import World

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
SECONDS = 240.0
NOWHERE = "127.0.0.1:9"
SCHEMAS = {
    "ORDER.json": {
        "type": "object",
        "required": ["sku"],
        "properties": {"sku": {"type": "string"}, "price": {"$ref": "_money.json"}},
        "examples": [{"sku": "sku-1", "price": 129.99}],
    },
    "REFUND.json": {"x-on-violation": "accept", "required": ["sku"]},
    "_money.json": {"type": "number", "minimum": 0},
}
"""Of two types beside the others."""


async def test_api_keeps_to_its_document(services: Services, database: Database, tmp_path: Path) -> None:
    """By all of the tool's checks; what it finds is printed with requests to copy."""
    world = World(services, database, Topics(NOWHERE))
    settings = {"EVENT_LOG": "postgres", "EVENT_SCHEMAS": str(write(tmp_path / "schemas", SCHEMAS))}
    api, _ = await asyncio.gather(*(world.run(kind, **settings) for kind in ("api", "consumer")))
    document = f"http://127.0.0.1:{api.port}/docs/openapi.json"
    # It keeps what it has found in the folder that it runs in.
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS, "--config-file", CONFIGURATION, "run", document, stdout=PIPE, stderr=STDOUT, cwd=tmp_path
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()
