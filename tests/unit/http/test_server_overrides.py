"""The server starts only with the library versions that it was written for."""

import pytest

from entrypoints.http.server import overrides
from entrypoints.http.server.overrides import UnsupportedServer, check_overrides


def test_installed_libraries_are_supported() -> None:
    """A new version needs a review."""
    check_overrides()


def test_other_version_stops_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a message that says what to do."""
    monkeypatch.setattr(overrides, "version", lambda name: {"uvicorn": "0.55.1"}.get(name, "0.9.0"))
    with pytest.raises(UnsupportedServer, match=r"uvicorn 0\.55\.1 is installed, and 0\.54\.x is needed"):
        check_overrides()


def test_method_with_other_parameters_stops_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the version is the expected one."""

    def data_received(self: object, data: bytes, is_last: bool) -> None:
        """A method that a library has changed."""

    monkeypatch.setattr(overrides, "METHODS", {data_received: ("self", "data")})
    with pytest.raises(UnsupportedServer, match="data_received of uvicorn takes other parameters"):
        check_overrides()
