"""Clients for several languages, generated from the OpenAPI document, built, and used against the API."""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from application.event_catalog import EventCatalog
from domain.event import UserEvent
from domain.event_types import LEGACY_TYPES
from entrypoints.http.openapi.document import document
from entrypoints.http.openapi.event_types import encode
from tests.support.api import TOPIC, an_api
from tests.support.events import an_event, decode, delivered
from tests.support.schema_folders import a_catalog
from tests.support.server import served

SOURCES = Path(__file__).parent
BUILT = Path(__file__).parents[2] / ".cache" / "clients"
GENERATOR = str(Path(sys.executable).with_name("openapi-generator-cli"))
GENERATE = [GENERATOR, "generate", "--input-spec", "openapi.json", "--output", "client"]
WITHOUT_EXTRAS = ["--global-property", "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"]
PIP_INSTALL = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
MYPY = [sys.executable, "-m", "mypy", "--config-file=", "--cache-dir=types", "--strict", "--follow-imports=silent"]
NPM_CI = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]


@dataclass(frozen=True)
class Language:
    """How a client is generated, and how the program in the folder `name`, which uses it, is built and run."""

    name: str
    generator: Sequence[str]
    build: Sequence[Sequence[str]]
    use: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


PYTHON = Language(
    "python",
    ["python", "--additional-properties", "packageName=user_events"],
    [[*PIP_INSTALL, "--target", "site", "./client"], [*MYPY, "use.py"]],
    [sys.executable, "use.py"],
    {"PYTHONPATH": "site", "MYPYPATH": "site"},
)
TYPESCRIPT = Language(
    "typescript",
    ["typescript-fetch", "--additional-properties", "importFileExtension=.js"],
    [NPM_CI, ["node_modules/.bin/tsc"]],
    ["node", "dist/use.js"],
)
GO = Language(
    "go",
    [
        *("go", "--git-host=example.org", "--git-user-id=events", "--git-repo-id=client"),
        *("--additional-properties", "packageName=client,enumClassPrefix=true"),
    ],
    [["go", "vet", "."], ["go", "build", "-o", "use", "."]],
    ["./use"],
    {"GOPROXY": "off", "GOTOOLCHAIN": "local"},
)
# Not every machine that makes the others has Go, and Debian's is too old.
LANGUAGES = [PYTHON, TYPESCRIPT, *([GO] if shutil.which("go") else [])]


async def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a program; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={**os.environ, **environment}, stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, f"{' '.join(command)}\n{output.decode()}{errors.decode()}"
    return output.decode()


def catalog_of_own_types(folder: Path) -> EventCatalog:
    """Make a catalog whose names and schemas are hard to make classes of."""
    order = {
        "title": "Order",
        "type": "object",
        "required": ["sku"],
        "additionalProperties": False,
        "properties": {
            "sku": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 20},
            "price": {"type": "number", "minimum": 0, "multipleOf": 0.25},
            "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
            "size": {"enum": ["S", "M", 3, None]},
            "at": {"type": "string", "format": "date-time"},
            "any": True,
        },
        "$defs": {"item": {"type": ["object", "null"], "patternProperties": {"^x-": {"type": "string"}}}},
    }
    strict = {"allOf": [{"$ref": "./shop:order.json"}], "unevaluatedProperties": False, "x-on-violation": "accept"}
    files = {"shop:order.json": order, "shop.order.json": strict, "New.json": True, "none.json": False}
    return a_catalog(folder, f"{LEGACY_TYPES},order,a_b,a-b", files)


async def built(language: Language, catalog: EventCatalog) -> Path:
    """Generate and build a client beside the program that uses it; return their folder."""
    folder = BUILT / language.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SOURCES / language.name, folder)
    (folder / "openapi.json").write_bytes(encode(document("", catalog)))
    generate = [*GENERATE, *WITHOUT_EXTRAS, "--generator-name", *language.generator]
    for command in (generate, *language.build):
        await run(command, folder, language.environment)
    return folder


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
async def test_generated_client_publishes_and_reads(language: Language, tmp_path: Path) -> None:
    """It compiles, and takes what the service answers."""
    catalog = catalog_of_own_types(tmp_path)
    folder = await built(language, catalog)
    stored = an_event("stored")
    async with an_api(event_types=catalog) as api, served(api.app) as port:
        await api.store.add(delivered(stored))
        said = json.loads(await run([*language.use, f"http://127.0.0.1:{port}"], folder, language.environment))
        published, _ = (event for record in api.log.records(TOPIC) if isinstance(event := decode(record), UserEvent))
    assert said == {
        "eventId": str(published.id),
        "batch": ["published", "rejected"],
        "stored": str(stored.id),
        "absent": 404,
        "types": len(catalog.types.names),
        "schema": "Order",
        "health": "UP",
    }
    assert json.loads(published.payload) == {"client": language.name, "nested": {"list": [1, None, "ü"]}}
