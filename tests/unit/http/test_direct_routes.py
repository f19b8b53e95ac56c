"""POST-only routes answer other requests like the routes of the framework."""

import pytest

from tests.support.api import Api

pytestmark = pytest.mark.parametrize("path", ["/events/generate", "/events/batch"])


async def test_options_lists_post_only(api: Api, path: str) -> None:
    """Without a body, as for GET routes."""
    response = await api.client.options(path)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["allow"] == "OPTIONS, POST"
    assert not {"content-type", "content-length"} & set(response.headers)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
async def test_other_method_gets_405_with_allow(api: Api, path: str, method: str) -> None:
    """A problem document with its path and request id."""
    response = await api.client.request(method, path, headers={"x-request-id": "id-1"})
    assert response.status_code == 405
    assert response.headers["allow"] == "OPTIONS, POST"
    if method != "HEAD":
        assert response.json()["instance"] == path
        assert response.json()["requestId"] == "id-1"


async def test_path_below_route_gets_404(api: Api, path: str) -> None:
    """The route does not include deeper paths."""
    assert (await api.client.post(f"{path}/x")).status_code == 404
