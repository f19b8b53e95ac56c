"""The OpenAPI document as one page, without scripts and external resources."""

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

import msgspec

from entrypoints.http.openapi.event_types import encode
from entrypoints.http.openapi.schemas import EVENT_ID, SCHEMAS, Schema
from entrypoints.http.responses import JSON

_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
section, article { margin-top: 2.5rem }
h3, code, pre { font-family: ui-monospace, monospace }
h3 { border-top: 1px solid #8888; padding-top: 1rem }
pre { padding: .75rem; background: #8882; overflow-x: auto }
table { border-collapse: collapse; margin: 1rem 0; width: 100% }
td, th { padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #8884 }
"""
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page."""


def page(described: Schema) -> str:
    """Render a document in the form that `openapi.document` has."""
    info, components = described["info"], described["components"]
    operations = [
        (path, method, operation, item)
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if method not in {"head", "options"}
    ]
    contents = [
        f'<li><a href="#{operation["operationId"]}">{method.upper()} {escape(path)}</a>: {_text(operation["summary"])}'
        for path, method, operation, _ in operations
    ]
    errors = [
        (f'<span id="{name}">{name}</span>', _text(response["description"]), _content(response))
        for name, response in components["responses"].items()
    ]
    title = escape(info["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{title} {escape(info['version'])}</h1><p>{_text(info['description'])} "
        'For generators of clients and other tools: <a href="docs/openapi.json">openapi.json</a>.</p>'
        f"<nav><ul>{''.join(contents)}</ul></nav>"
        f"<section><h2>Operations</h2>{''.join(_operation(*operation) for operation in operations)}</section>"
        f"<section><h2>Errors</h2>{_table(('Name', 'Meaning', 'Content'), errors)}</section>"
        f"<section><h2>Schemas</h2>{''.join(_schema(*schema) for schema in components['schemas'].items())}</section>"
        "</body></html>"
    )


def _operation(path: str, method: str, operation: Schema, item: Schema) -> str:
    also = ", ".join(other.upper() for other in sorted(item) if other != method)
    parameters = [
        _named(parameter["name"], parameter["schema"], parameter, is_required=parameter.get("required", False))
        for parameter in operation.get("parameters", ())
    ]
    responses = [
        (status, _text(response["description"]), _content(response))
        for status, response in operation["responses"].items()
        if "$ref" not in response
    ]
    errors = ", ".join(
        f'<a href="#{response["$ref"].rpartition("/")[2]}">{status}</a>'
        for status, response in operation["responses"].items()
        if "$ref" in response
    )
    body = operation.get("requestBody")
    return (
        f'<article id="{operation["operationId"]}"><h3>{method.upper()} {escape(path)}</h3>'
        f"<p><strong>{_text(operation['summary'])}</strong></p><p>{_text(operation.get('description', ''))} "
        f"The path also supports {also}.</p><pre>{escape(_curl(path, operation))}</pre>"
        + (_table(("Parameter", "Type", "Meaning"), parameters) if parameters else "")
        + (f"<p>Body: {_content(body)}</p>" if body else "")
        + _table(("Response", "Meaning", "Content"), responses)
        + f"<p>Errors: {errors}</p></article>"
    )


def _curl(path: str, operation: Schema) -> str:
    command = f"curl http://localhost:3000{path.format(id=EVENT_ID, type='PRODUCT_VIEW')}"
    if "requestBody" not in operation:
        return command
    # A shell's string in single quotes has none inside.
    body = encode(operation["requestBody"]["content"][JSON]["example"]).decode().replace("'", r"'\''")
    return f"{command} --json '{body}'"


def _content(described: Schema) -> str:
    content = described.get("content", {})
    return "; ".join(
        f"<code>{media_type}</code>: {_text(media['schema'].get('description', '')) or _type(media['schema'])}"
        for media_type, media in content.items()
    )


def _schema(name: str, schema: Schema) -> str:
    if name not in SCHEMAS:
        # The schema of a payload may have any keywords.
        return f'<article id="{name}"><h3>{name}</h3><pre>{_json(schema)}</pre></article>'
    properties = [
        _named(key, inner, inner, is_required=key in schema.get("required", ()))
        for key, inner in schema.get("properties", {}).items()
    ]
    payloads = [
        (_type(condition["if"]["properties"]["eventType"]), _type(condition["then"]["properties"]["payload"]))
        for condition in schema.get("allOf", ())
    ]
    examples = [f"<pre>{_json(example)}</pre>" for example in schema.get("examples", ())]
    return (
        f'<article id="{name}"><h3>{name}</h3><p>{_text(schema.get("description", ""))}</p>'
        + (_table(("Key", "Type", "Meaning"), properties) if properties else f"<p>{_type(schema)}</p>")
        + (_table(("Event type", "Payload"), payloads) if payloads else "")
        + f"{''.join(examples)}</article>"
    )


def _named(name: str, schema: Schema, described: Schema, *, is_required: bool) -> Iterable[str]:
    """Make the cells for a parameter or a property."""
    required = ", required" if is_required else ""
    return (f"<code>{name}</code>{required}", _type(schema), _text(described.get("description", "")))


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f"<code>{escape(encode(value).decode())}</code>" for value in values)
    kinds = schema.get("type", "any JSON value")
    kind = kinds if isinstance(kinds, str) else " or ".join(kinds)
    if "items" in schema:
        return f"{kind} of {_type(schema['items'])}"
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict):
        return f"{kind} of {_type(inner)}"
    bounds = [
        f"{word} {escape(str(schema[word]))}"
        for word in ("format", "pattern", "minimum", "minLength", "maxLength")
        if word in schema
    ]
    return ", ".join([kind, *bounds])


def _json(value: object) -> str:
    return escape(msgspec.json.format(encode(value), indent=2).decode())


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in headings)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(text: str) -> str:
    """Escape `text`; backticks mark code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))
