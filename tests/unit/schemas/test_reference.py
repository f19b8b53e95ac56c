"""The verdict on a payload is that of the reference implementation, PyPI's `jsonschema`, over exact numbers.

The reference gets each number as an exact one: over binary fractions it calls 19.99 no multiple of 0.01. Payloads that
are too large for their schema have no verdict.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from adapters.schemas.limits.payload_size import KEYWORD
from adapters.schemas.load import InvalidSchemas
from domain.payload_rules import check_payload
from tests.support.json_schemas import payloads, reference_errors, schemas
from tests.support.schema_folders import compiled


@pytest.fixture(autouse=True)
def unlimited_digits() -> Iterator[None]:
    """Let the reference make numbers of 8,000 digits."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    yield
    sys.set_int_max_str_digits(before)


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(text=schemas, tried=st.lists(payloads, min_size=1, max_size=6))
def test_verdict_is_that_of_the_reference(tmp_path: Path, text: str, tried: list[bytes]) -> None:
    """And each violation is at a place where the reference has an error, too."""
    try:
        schema = compiled(tmp_path, text)
    except InvalidSchemas as refused:
        # The only reason for which a random schema is refused: it would be too slow.
        assume("takes up to" not in str(refused))
        raise
    for payload in tried:
        found = schema.violations(check_payload(payload))
        if any(violation.keyword == KEYWORD for violation in found):
            continue
        errors = reference_errors(text, payload)
        assert bool(found) == bool(errors)
        pointers = {_pointer(path) for path, _ in errors}
        for violation in found:
            # A member or an item that must not be there has a pointer of its own; the reference points at its holder.
            absent = violation.expected == "must be absent" and violation.pointer.rpartition("/")[0] in pointers
            assert absent or violation.pointer in pointers


def _pointer(path: tuple[str | int, ...]) -> str:
    return "".join("/" + str(name).replace("~", "~0").replace("/", "~1") for name in path)
