"""Makes one document of a schema and of all definitions that it refers to, for readers who do not have the folder."""

from collections import Counter
from collections.abc import Callable, Mapping
from urllib.parse import unquote

import msgspec

from adapters.schemas.files.json_text import Json
from adapters.schemas.files.keywords import with_inner_schemas

_encoder = msgspec.json.Encoder(decimal_format="number")


def bundle(
    place: str, schemas: Mapping[str, Json], at: str = "#", definition: Callable[[str], str] | None = None
) -> Json:
    """Return the schema of a place with all it refers to in its `$defs`; `at` is where the result will stand.

    `schemas` are those of a folder by place, their `$ref` the place of its target. `at` is a pointer as a URI fragment,
    for instance `#/components/schemas/LOGIN`; `definition` returns where the definition of a name will stand, unless it
    stays in `$defs`. Numbers that are not integral are `Decimal`.
    """
    bundled = _Bundle(place, schemas, at, definition or f"{at}/$defs/{{}}".format)
    root = bundled.copied(schemas[place], keeps_dialect=at == "#")
    definitions: dict[str, Json] = {}
    # A copied definition may refer to further ones, which come behind.
    for target in bundled.targets:
        definitions[bundled.names[target]] = bundled.copied(schemas[target])
    return {**root, "$defs": definitions} if definitions and isinstance(root, dict) else root


def encode(schema: Json) -> bytes:
    """Write a schema as JSON; a `Decimal` keeps its digits."""
    return _encoder.encode(schema)


class _Bundle:
    def __init__(self, place: str, schemas: Mapping[str, Json], at: str, definition: Callable[[str], str]) -> None:
        self._place = place
        self._schemas = schemas
        self._at = at
        self._definition = definition
        self.names: dict[str, str] = {}
        """Of the definitions by place."""
        self.targets: list[str] = []
        """Their places in the order in which they were met."""
        self._uses: Counter[str] = Counter()
        """How often a name was wanted or given."""

    def copied(self, schema: Json, *, keeps_dialect: bool = False) -> Json:
        if not isinstance(schema, dict):
            return schema
        copied = with_inner_schemas(schema, self.copied)
        for keyword in ("$defs", "definitions", *(() if keeps_dialect else ("$schema",))):
            # The dialect is said by the document alone.
            copied.pop(keyword, None)
        if isinstance(target := copied.get("$ref"), str):
            copied["$ref"] = self._at if target == self._place else self._definition(self._name(target))
        return copied

    def _name(self, target: str) -> str:
        """Name a definition after the end of its pointer, or after its file."""
        if target not in self.names:
            uri, _, pointer = target.partition("#")
            plain = unquote((pointer or uri).rpartition("/")[2].removesuffix(".json"))
            wanted = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in plain)
            name = wanted
            while self._uses[name]:
                self._uses[wanted] += 1
                name = f"{wanted}_{self._uses[wanted]}"
            self._uses[name] += 1
            self.names[target] = name
            self.targets.append(target)
        return self.names[target]
