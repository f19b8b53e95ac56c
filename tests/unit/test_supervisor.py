"""How the end of a child process is described."""

import pytest

from entrypoints.dev import supervisor


@pytest.mark.parametrize(
    ("code", "description"), [(1, "with exit code 1"), (-9, "by signal 9 (Killed"), (-40, "by signal 40")]
)
def test_exit_is_described_by_code_or_signal(code: int, description: str) -> None:
    assert supervisor._describe_exit(code).startswith(description)
