"""JSON for programs, in the shapes of the HTTP API."""

import msgspec
import typer

from adapters.escapes import escape_json

_encoder = msgspec.json.Encoder()


def print_json(value: object) -> None:
    """Print a value, or what is JSON already (bytes); characters that are not seen are escaped."""
    document = value if isinstance(value, bytes) else _encoder.encode(value)
    typer.echo(escape_json(document.decode()).rstrip("\n"))
