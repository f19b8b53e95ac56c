"""What is said of children that end."""

import pytest

from entrypoints.dev import run as dev


@pytest.mark.parametrize(
    ("code", "said"), [(1, "with exit code 1"), (-9, "by signal 9 (Killed"), (-40, "by signal 40")]
)
def test_child_that_ends_is_told_by_its_code_or_signal(code: int, said: str) -> None:
    assert dev._how(code).startswith(said)
