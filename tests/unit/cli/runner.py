"""Runs a subcommand in the process of the tests."""

from typer.testing import CliRunner, Result

from entrypoints.cli import main


def run(*arguments: str, **environ: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main.cli, arguments, env=environ)
