"""The whole service on one machine, as far as it can be told without starting it."""

import pytest

from entrypoints.dev import _address, dev_environment


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "http://127.0.0.1:3000"), ("::1", "http://[::1]:3000"), ("me", "http://me:3000")],
)
def test_address_can_be_asked_whatever_the_host(host: str, address: str) -> None:
    """One of IPv6 stands in brackets."""
    assert _address(host, 3000) == address


def test_environment_is_embedded_and_local_unless_it_says_otherwise() -> None:
    """An empty variable says nothing."""
    assert dev_environment({"KAFKA_BROKER": ""}) == {"HOST": "127.0.0.1", "EVENT_LOG": "postgres"}
    given = {"KAFKA_BROKER": "kafka:9092", "HOST": "::1"}
    assert dev_environment(given) == given
