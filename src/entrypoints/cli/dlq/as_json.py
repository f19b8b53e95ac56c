"""What the use cases return, as JSON for programs."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import singledispatch
from uuid import UUID

import msgspec
import typer

from adapters.escapes import escape_json
from adapters.records import codec
from application.dead_letters.jobs import JobInFull
from application.dead_letters.letters import LetterInFull
from application.dead_letters.orders import Preview

_encoder = msgspec.json.Encoder()


def print_json(value: object) -> None:
    """Print a value as one line; characters that are not seen are escaped."""
    typer.echo(escape_json(_encoder.encode(render(value)).decode()))


@singledispatch
def render(value: object) -> object:
    """Render a value: names in camel case, times in ISO 8601; bytes as text, as JSON and in base64."""
    return _members(value) if is_dataclass(value) else value


@render.register
def in_full(found: LetterInFull) -> dict[str, object]:
    """Render the letter's own members beside those that only this letter in full has."""
    value = found.present_value
    original = {"originalValue": render(found.value)} if found.edits else {}
    headers = [{"name": name, "value": render(each)} for name, each in found.headers]
    return _members(found.letter) | {
        "key": render(found.key),
        "value": render(value),
        **original,
        "headers": headers,
        "failures": render(found.failures),
        "edits": render(found.edits),
    }


@render.register
def _job(value: JobInFull) -> object:
    return _members(value.job) | {"groups": render(value.groups), "failures": render(value.failures)}


@render.register
def _preview(value: Preview) -> object:
    return _members(value) | {"skipped": {_camel(why.name.lower()): count for why, count in value.skipped.items()}}


@render.register(Mapping)
def _mapping(value: Mapping[object, object]) -> object:
    return {str(render(name)): render(each) for name, each in value.items()}


@render.register(list)
@render.register(tuple)
def _sequence(value: Sequence[object]) -> object:
    if hasattr(value, "_asdict"):
        return {_camel(name): render(each) for name, each in value._asdict().items()}
    return [render(each) for each in value]


@render.register
def _time(value: datetime) -> object:
    return codec.render_time(value)


@render.register
def _id(value: UUID) -> object:
    return str(value)


@render.register
def _enum(value: Enum) -> object:
    return value.value


@render.register
def _in_all_forms(value: bytes) -> object:
    """Render bytes in base64, as text where they are UTF-8, and as JSON where that is what they hold."""
    forms: dict[str, object] = {"base64": b64encode(value).decode()}
    with suppress(UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        forms["text"] = value.decode()
        # Compact, since a program reads by the line; each number keeps its digits.
        forms["json"] = msgspec.Raw(msgspec.json.format(value, indent=-1))
    return forms


def _members(value: object) -> dict[str, object]:
    assert is_dataclass(value)
    return {_camel(field.name): render(getattr(value, field.name)) for field in fields(value)}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
