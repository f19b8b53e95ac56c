"""`user-events config`: print the settings."""

import json

import typer

from entrypoints.cli.run import read_target


def config(*, as_json: bool) -> None:
    """Print every setting, secrets masked."""
    shown = read_target().shown()
    typer.echo(json.dumps(shown) if as_json else "\n".join(f"{name}={value}" for name, value in shown.items()))
