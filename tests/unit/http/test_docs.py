"""The page at `/docs`."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from entrypoints.http.openapi.document import document
from entrypoints.http.openapi.page import page
from tests.support.api import Api, an_api
from tests.support.schema_folders import a_catalog

VOID = {"meta", "li"}
"""Elements without an end tag."""


class Page(HTMLParser):
    """Collects the elements of a page; fails if one is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.tags: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._open.append(tag)
        self.tags.add(tag)
        for name, value in attrs:
            match name:
                case "id":
                    assert value not in self.ids
                    self.ids.add(str(value))
                case "href":
                    self.links.add(str(value))
                case "src":
                    self.loaded.add(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def shown() -> Page:
    """The page of the document."""
    return Page(page(document()))


async def test_policy_allows_only_style_of_page(api: Api) -> None:
    """No scripts, no frames, no external resources."""
    answer = await api.client.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    policy = answer.headers["content-security-policy"].split("; ")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]


def test_page_has_no_scripts_or_external_resources(shown: Page) -> None:
    """Regardless of its policy."""
    assert not shown.loaded
    assert shown.tags.isdisjoint({"script", "link", "iframe", "img"})
    assert {link for link in shown.links if not link.startswith("#")} == {"docs/openapi.json"}


def test_page_shows_every_operation_schema_and_error(shown: Page) -> None:
    """Each has an element with its id."""
    described = document()
    operations = {
        operation["operationId"]
        for item in described["paths"].values()
        for method, operation in item.items()
        if method in {"get", "post", "put"}
    }
    assert shown.ids == operations | {*described["components"]["schemas"], *described["components"]["responses"]}


async def test_page_shows_types_and_payload_schemas(tmp_path: Path) -> None:
    """Each payload with its whole schema, linked from the type."""
    schema = {"properties": {"price": {"$ref": "#/$defs/money"}}, "$defs": {"money": {"multipleOf": 0.25}}}
    catalog = a_catalog(tmp_path, "order", {"order.json": {**schema, "examples": [{"price": "it's <b>"}]}})
    async with an_api(event_types=catalog) as api:
        shown = Page((await api.client.get("/docs")).text)
    assert {"Payload_order", "Payload_order_money"} <= shown.ids
    assert {"#Payload_order"} <= shown.links
    assert {link.removeprefix("#") for link in shown.links if link.startswith("#")} <= shown.ids
    assert '"multipleOf": 0.25' in shown.text
    assert "it's <b>" in shown.text
    assert "it'\\''s <b>" in shown.text


def test_every_link_within_page_has_target(shown: Page) -> None:
    """An operation, a schema or an error."""
    assert {link.removeprefix("#") for link in shown.links if link.startswith("#")} <= shown.ids


def test_text_of_the_document_is_escaped() -> None:
    """HTML in the document is shown as text."""
    described = document()
    described["info"]["description"] = "<script>`<b>`&amp;"
    shown = Page(page(described))
    assert "script" not in shown.tags
    assert "<script><b>&amp;" in shown.text
