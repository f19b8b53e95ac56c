"""The verdict on a payload is that of the reference implementation, PyPI's `jsonschema`, over exact numbers."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from adapters.schemas.compiled import CompiledSchema
from adapters.schemas.load import InvalidSchemas, load_schemas
from adapters.schemas.payload_size import KEYWORD
from domain.event_types import event_type
from domain.payload_rules import check_payload
from tests.support.json_schemas import payloads, reference_errors, schemas


def load(folder: Path, text: str) -> CompiledSchema:
    """Compile one schema."""
    (folder / "T.json").write_text(text)
    return load_schemas(folder)[event_type("T")]


@pytest.fixture(autouse=True)
def unlimited_digits() -> None:
    """Let the reference make numbers of 8,000 digits."""
    sys.set_int_max_str_digits(0)


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(text=schemas, tried=st.lists(payloads, min_size=1, max_size=6))
def test_verdict_is_that_of_the_reference(tmp_path: Path, text: str, tried: list[bytes]) -> None:
    """And each violation is an error that the reference finds, too."""
    try:
        schema = load(tmp_path, text)
    except InvalidSchemas as error:
        assert "values: make lists" in str(error) or "over 400" in str(error), error
        assume(False)
    for payload in tried:
        check_payload(payload)
        found = schema.violations(payload)
        if any(violation.keyword == KEYWORD for violation in found):
            continue
        errors = reference_errors(text, payload)
        assert bool(found) == bool(errors), (text, payload[:300], found, errors)
