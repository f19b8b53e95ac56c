"""`GET /events/processed` as NDJSON and CSV, selected by `Accept`."""

import csv
import json
from datetime import timedelta
from io import StringIO
from uuid import UUID

import pytest

from application.listing import StoredEvent
from domain.errors import Unavailable
from entrypoints.http.requests.accept import negotiate
from tests.support.api import Api
from tests.support.events import NOON

LIST = "/events/processed"
NDJSON = {"accept": "application/x-ndjson"}
CSV = {"accept": "text/csv"}


def put(api: Api, count: int = 1, *, user_id: str = "user-1", payload: str | None = "{}") -> None:
    """Put rows into the table, a second apart."""
    for number in range(1, count + 1):
        row = StoredEvent(UUID(int=number), user_id, "LOGIN", payload, NOON + timedelta(seconds=number), None)
        api.store.rows[row.id] = row


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "a/json"),
        ("*/*", "a/json"),
        ("a/*", "a/json"),
        ("A/JSON", "a/json"),
        ("a/ndjson", "a/ndjson"),
        ("a/ndjson;q=0.5, a/json;q=0.4", "a/ndjson"),
        ("a/json;q=0.1, */*;q=0.2", "a/ndjson"),
        ("a/json;q=0, */*", "a/ndjson"),
        ("a/*;q=0, b/csv;header=present;q=0.001", "b/csv"),
        ("text/html, application/xml;q=0.9, */*;q=0.8", "a/json"),
        ("b/csv;q=nonsense", "b/csv"),
        ("a/json;q=.4, b/csv;q=.5", "b/csv"),
        ("a/json;q=0., b/csv;q=.001", "b/csv"),
        ("a/json;q=.0", None),
        ("nonsense, ;q=1, b/csv", "b/csv"),
        ("text/html", None),
        ("*/*;q=0", None),
        ("a/json;q=0.0", None),
        ("*/json", None),
    ],
)
def test_media_type_is_negotiated_by_quality_and_specificity(accept: str, chosen: str | None) -> None:
    """RFC 9110, section 12.5.1. If the client has no preference, the first offer wins."""
    assert negotiate(accept, ("a/json", "a/ndjson", "b/csv")) == chosen


async def test_unacceptable_media_type_gets_406(api: Api) -> None:
    """The response lists the available types."""
    response = await api.client.get(LIST, headers={"accept": "text/html"})
    assert response.status_code == 406
    assert "text/csv" in response.json()["detail"]


@pytest.mark.parametrize("media_type", ["application/x-ndjson", "application/ndjson"])
async def test_ndjson_is_available_under_both_names(api: Api, media_type: str) -> None:
    """Neither is registered."""
    put(api, 2)
    response = await api.client.get(LIST, headers={"accept": media_type})
    assert response.headers["content-type"] == media_type
    assert len(response.text.splitlines()) == 2


async def test_ndjson_has_one_line_per_row_across_pages(api: Api) -> None:
    """All matching rows, newest first."""
    put(api, 2_500)
    response = await api.client.get(LIST, headers=NDJSON)
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.text.endswith("\n")
    assert [UUID(json.loads(line)["id"]).int for line in response.text.splitlines()] == [*range(2_500, 0, -1)]


@pytest.mark.parametrize("line_break", ["\n", "\r"])
async def test_ndjson_keeps_a_payload_on_one_line(api: Api, line_break: str) -> None:
    """JSON may contain line breaks between its tokens."""
    put(api, payload=f'{{{line_break}  "a": 1.50}}')
    [line] = (await api.client.get(LIST, headers=NDJSON)).text.splitlines()
    assert '"payload":{"a":1.50}' in line


@pytest.mark.parametrize("headers", [NDJSON, CSV])
async def test_export_supports_filters_and_limits_over_page_size(api: Api, headers: dict[str, str]) -> None:
    """Only JSON pages have a maximum size."""
    put(api, 1_500)
    header_lines = int(headers is CSV)
    for limit, expected in ((1, 1), (1_200, 1_200), (10**17, 1_500)):
        response = await api.client.get(f"{LIST}?limit={limit}", headers=headers)
        assert len(response.text.splitlines()) == expected + header_lines
    none = await api.client.get(f"{LIST}?userId=nobody", headers=headers)
    assert len(none.text.splitlines()) == header_lines


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "since=x"])
async def test_export_with_invalid_parameters_gets_422(api: Api, query: str) -> None:
    """Before anything is sent."""
    assert (await api.client.get(f"{LIST}?{query}", headers=NDJSON)).status_code == 422


async def test_csv_is_rfc_4180_with_header_row(api: Api) -> None:
    """With CRLF, and quotes where required."""
    put(api, user_id='a,"b"', payload='{"a": "x,y"}')
    response = await api.client.get(LIST, headers=CSV)
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert response.text == (
        "id,user_id,event_type,payload,created_at,occurred_at\r\n"
        '00000000-0000-0000-0000-000000000001,"a,""b""",LOGIN,"{""a"": ""x,y""}",2026-11-22T12:00:01.000Z,\r\n'
    )


@pytest.mark.parametrize("start", "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20'")
async def test_csv_formula_is_escaped(api: Api, start: str) -> None:
    """A spreadsheet must not run text that a client wrote."""
    put(api, user_id=f"{start}1\r\n+2", payload=f"{start}1")
    response = await api.client.get(LIST, headers=CSV)
    [_, row] = csv.reader(StringIO(response.text, newline=""))
    assert row[1] == f"'{start}1\r\n+2"
    assert row[3] == f"'{start}1"


async def test_csv_escaping_keeps_users_distinct(api: Api) -> None:
    """An apostrophe in the original text is escaped, too."""
    users = ["=1", "'=1", "''=1", "'", "1"]
    for number, user_id in enumerate(users):
        row = StoredEvent(UUID(int=number), user_id, "LOGIN", "{}", NOON, None)
        api.store.rows[row.id] = row
    response = await api.client.get(LIST, headers=CSV)
    shown = [row["user_id"] for row in csv.DictReader(StringIO(response.text, newline=""))]
    assert sorted(shown) == sorted(["'=1", "''=1", "'''=1", "''", "1"])
    assert sorted(cell.removeprefix("'") for cell in shown) == sorted(users)


async def test_csv_begins_with_byte_order_mark_on_request(api: Api) -> None:
    """Excel then reads UTF-8."""
    put(api, user_id="Jörg")
    plain = (await api.client.get(LIST, headers=CSV)).content
    assert (await api.client.get(f"{LIST}?bom=0", headers=CSV)).content == plain
    assert (await api.client.get(f"{LIST}?bom=1", headers=CSV)).content == b"\xef\xbb\xbf" + plain
    assert (await api.client.get(f"{LIST}?bom=yes", headers=CSV)).status_code == 422


async def test_csv_leaves_absent_values_empty(api: Api) -> None:
    """A null payload is an empty cell."""
    put(api, payload=None)
    response = await api.client.get(LIST, headers=CSV)
    assert ",LOGIN,,2026" in response.text


@pytest.mark.parametrize("headers", [NDJSON, CSV])
async def test_outage_before_first_page_gets_503(api: Api, headers: dict[str, str]) -> None:
    """The status is sent after the first page is read."""
    api.store.outage = Unavailable("no answer")
    response = await api.client.get(LIST, headers=headers)
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson", "text/csv"])
async def test_head_request_gets_headers_only(api: Api, accept: str) -> None:
    """The same headers as for GET."""
    put(api)
    head = await api.client.head(LIST, headers={"accept": accept})
    get = await api.client.get(LIST, headers={"accept": accept})
    head.headers.pop("x-request-id")
    get.headers.pop("x-request-id")
    assert (head.status_code, head.content, head.headers) == (200, b"", get.headers)
