"""Schemas and payloads at random: never an error, and the verdict of the reference implementation."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.schemas.limits.payload_size import KEYWORD
from adapters.schemas.load import InvalidSchemas
from domain.payload_rules import check_payload
from tests.support.json_bytes import payloads as odd_payloads
from tests.support.json_schemas import payloads, reference_errors, schemas
from tests.support.schema_folders import compiled, mistakes, write


@pytest.fixture(autouse=True)
def unlimited_digits() -> Iterator[None]:
    """Let the reference make numbers of 8,000 digits."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    yield
    sys.set_int_max_str_digits(before)


@given(text=schemas, tried=st.lists(payloads, min_size=1, max_size=6))
def test_verdicts(tmp_path: Path, text: str, tried: list[bytes]) -> None:
    """Of payloads that the validator lets pass."""
    try:
        schema = compiled(tmp_path, text)
    except InvalidSchemas as refused:
        assert all("takes up to" in problem.reason for problem in refused.problems)
        return
    for payload in tried:
        found = schema.violations(check_payload(payload))
        if KEYWORD not in {violation.keyword for violation in found}:
            assert bool(found) == bool(reference_errors(text, payload))


@given(text=schemas, tried=st.lists(odd_payloads, min_size=1, max_size=6))
def test_odd_payloads(tmp_path: Path, text: str, tried: list[bytes]) -> None:
    """Also those that the validator refuses: a violation at most, never an error."""
    try:
        schema = compiled(tmp_path, text)
    except InvalidSchemas:
        return
    for payload in tried:
        schema.violations(payload)


@given(text=odd_payloads | schemas.map(str.encode), position=st.integers(0, 200), byte=st.binary(max_size=2))
def test_odd_schemas(tmp_path: Path, text: bytes, position: int, byte: bytes) -> None:
    """Are compiled, or refused with a place."""
    write(tmp_path, {"T.json": text[:position] + byte + text[position + 1 :]})
    assert all(line.startswith("T.json") for line in mistakes(tmp_path))
