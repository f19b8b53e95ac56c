"""Schema files as documents that refer to each other, and to nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote, urldefrag, urljoin

from adapters.schemas.files.folder import SchemaFile, SchemaProblem
from adapters.schemas.files.json_text import REPEATED, Json, decode_schema, flaws
from adapters.schemas.files.keywords import inner_schemas

_BASE = "https://schemas.invalid/"
"""Stands for the folder in the URI of a file; a name that no resolver knows (RFC 6761)."""


class Document(NamedTuple):
    """One decoded file. `schemas` are all schemas in it by their JSON pointers, its own one under the empty pointer."""

    file: SchemaFile
    root: Json
    schemas: Mapping[str, Json]

    @property
    def uri(self) -> str:
        """Return the URI of the file within the folder."""
        return _BASE + quote(self.file.name, safe="/:")

    @property
    def base(self) -> str:
        """Return the URI against which the file's references are resolved: its `$id`, if it has a right one."""
        own = self.root.get("$id") if isinstance(self.root, dict) else None
        try:
            return urldefrag(urljoin(self.uri, own)).url if isinstance(own, str) else self.uri
        except ValueError:
            # The meta-schema tells of it.
            return self.uri

    def place(self, pointer: str) -> str:
        """Return the key of one of the schemas among those of all documents."""
        return f"{self.uri}#{quote(pointer)}"

    def problem(self, pointer: str, reason: str) -> SchemaProblem:
        """Make a problem at a place in this file."""
        return SchemaProblem(self.file.name, pointer, reason)


def decode_files(files: Sequence[SchemaFile]) -> tuple[Sequence[Document], Sequence[SchemaProblem]]:
    """Decode the files; a document is made of each one that holds a schema, whatever is wrong inside of it."""
    documents: list[Document] = []
    problems: list[SchemaProblem] = []
    for file in files:
        try:
            root = decode_schema(file.text)
        except ValueError as error:
            problems.append(SchemaProblem(file.name, "", str(error)))
            continue
        found = [SchemaProblem(file.name, pointer, reason) for pointer, reason in flaws(root)]
        if not isinstance(root, (dict, bool)):
            found.append(SchemaProblem(file.name, "", "must be a schema: an object, true or false"))
        problems += found
        if all(problem.reason == REPEATED for problem in found):
            documents.append(Document(file, root, dict(_schemas(root, ""))))
    return documents, problems


def _schemas(schema: Json, pointer: str) -> Iterator[tuple[str, Json]]:
    yield pointer, schema
    if isinstance(schema, dict):
        for inner in inner_schemas(schema):
            yield from _schemas(inner.schema, pointer + inner.pointer)


class References:
    """Resolves `$ref` among documents."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.problems: list[SchemaProblem] = []
        self._documents = {document.uri: document for document in documents}
        for document in documents:
            other = self._documents.setdefault(document.base, document)
            if other is not document:
                self.problems.append(document.problem("/$id", f"means {other.file.name} already"))
        self._anchors = {document.uri: self._anchors_of(document) for document in documents}

    def target(self, document: Document, reference: str) -> str:
        """Return the key of the schema that a reference in a document means. Raises `ValueError` with the reason."""
        try:
            uri, fragment = urldefrag(urljoin(document.base, reference))
        except ValueError:
            raise ValueError(f"refers to {reference}, which is no URI") from None
        # Types may have colons, which a reference may encode.
        found = self._documents.get(uri) or self._documents.get(uri.replace("%3A", ":"))
        if found is None:
            raise ValueError(
                f"refers to {reference}, which is no file of the folder; {self._hint(document, reference)}"
            )
        pointer = unquote(fragment)
        if pointer and not pointer.startswith("/"):
            pointer = self._anchors[found.uri].get(pointer, pointer)
        if pointer not in found.schemas:
            raise ValueError(f"refers to {reference}, but there is no schema at that place")
        return found.place(pointer)

    def _hint(self, document: Document, reference: str) -> str:
        """Tell of the file of a type whose colon was read as the end of a scheme, as in `shop:order.json`."""
        uri, _ = urldefrag(urljoin(document.base, f"./{reference}"))
        return f"write ./{reference}" if uri in self._documents else "nothing is fetched"

    def _anchors_of(self, document: Document) -> Mapping[str, str]:
        anchors: dict[str, str] = {}
        for pointer, schema in document.schemas.items():
            anchor = schema.get("$anchor") if isinstance(schema, dict) else None
            if isinstance(anchor, str):
                if anchor in anchors:
                    self.problems.append(document.problem(f"{pointer}/$anchor", "is there more than once in this file"))
                anchors[anchor] = pointer
        return anchors
