"""Runs a subcommand in the process of the tests."""

import pytest
from typer.testing import CliRunner, Result

from entrypoints.cli import main, person


def run(*arguments: str, **environ: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main.cli, arguments, env=environ)


def answer(answers: str, *arguments: str) -> Result:
    """Run the command on a terminal where a person types `answers`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(person, "has_terminal", lambda: True)
        return CliRunner().invoke(main.cli, arguments, input=answers)
