"""Query parameters that a path does not know."""

from uuid import UUID

import pytest

from entrypoints.http.openapi.document import document
from tests.support.api import TOPIC, Api

LIST = "/events/processed"
WITHOUT_PARAMETERS = [
    (method, path)
    for path, operations in document()["paths"].items()
    for method in operations
    if method in {"get", "post"}
    and not any(parameter["in"] == "query" for parameter in operations[method].get("parameters", ()))
]


@pytest.mark.parametrize(
    ("query", "field", "hint"),
    [
        ("user_id=a", "user_id", "did you mean userId?"),
        ("USERID=a", "USERID", "did you mean userId?"),
        ("type=LOGIN", "type", "did you mean eventType?"),
        ("event-type=LOGIN", "event-type", "did you mean eventType?"),
        ("Limit=1", "Limit", "did you mean limit?"),
        ("page=2", "page", "known are limit, cursor, userId, eventType, since, until, bom"),
        ("=", "", "known are limit"),
        ("%FF=1", "\ufffd", "known are limit"),
        ("%00=1", "\0", "known are limit"),
        ("x" * 60_000, "x" * 64, "known are limit"),
    ],
    ids=lambda text: text[:20],
)
async def test_unknown_parameter_gets_422_with_similar_name(api: Api, query: str, field: str, hint: str) -> None:
    """If ignored, it would list the events of all users."""
    response = await api.client.get(f"{LIST}?{query}")
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["field"] == field
    assert hint in error["message"]


async def test_report_of_unknown_parameters_is_bounded(api: Api) -> None:
    """Thousands of parameters get a short response quickly."""
    response = await api.client.get(f"{LIST}?" + "&".join(f"user{number}=" for number in range(5_000)))
    assert response.status_code == 422
    assert len(response.json()["errors"]) == 10


@pytest.mark.parametrize(("method", "path"), WITHOUT_PARAMETERS)
async def test_parameter_on_path_without_parameters_gets_422(api: Api, method: str, path: str) -> None:
    """If ignored, the request would not do what its client expects."""
    path = path.format(id=UUID(int=1), type="LOGIN")
    response = await api.client.request(method, f"{path}?userId=a", json={"userId": "u", "eventType": "LOGIN"})
    assert response.status_code == 422
    assert "this path takes no parameters" in response.text
    assert not api.log.records(TOPIC)
    assert "takes no parameters" not in (await api.client.request(method, f"{path}?")).text
