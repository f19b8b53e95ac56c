"""Bytes of records as JSON: as text, as JSON and in base64, as far as they are these, and not too many."""

import re
from base64 import b64encode

import msgspec

from domain.payload_rules import MAX_PAYLOAD_DEPTH, depth

MAX_SHOWN_BYTES = 1024 * 1024
_ENDLESS_NUMBER = re.compile(rb"[0-9]{4301}")
"""Python, for one, reads no document that has a whole number of more digits than 4,300."""
_raw = msgspec.json.Decoder(msgspec.Raw)


class BytesView(msgspec.Struct, rename="camel"):
    """`url` says where bytes are that are too many to be shown."""

    size: int
    text: str | msgspec.UnsetType = msgspec.UNSET
    json: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    base64: str | msgspec.UnsetType = msgspec.UNSET
    url: str | msgspec.UnsetType = msgspec.UNSET


def view(data: bytes | None, url: str | msgspec.UnsetType = msgspec.UNSET) -> BytesView | None:
    """Show bytes that are text."""
    if data is None:
        return None
    if len(data) > MAX_SHOWN_BYTES:
        return BytesView(len(data), url=url)
    return BytesView(len(data), text=_text(data), base64=b64encode(data).decode())


def json_view(data: bytes | None, url: str, *, one_line: bool) -> BytesView | None:
    """Show bytes that may be JSON, which is left as it is, unless it has to stand on `one_line`."""
    shown = view(data, url)
    if data is not None and shown is not None and isinstance(shown.text, str):
        shown.json = _json(data, one_line=one_line)
    return shown


def _text(data: bytes) -> str | msgspec.UnsetType:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return msgspec.UNSET


def _json(data: bytes, *, one_line: bool) -> msgspec.Raw | msgspec.UnsetType:
    try:
        _raw.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.UNSET
    # What is nested deeper, or has such a number, would make the whole response unreadable for many clients.
    if depth(data) > MAX_PAYLOAD_DEPTH or _ENDLESS_NUMBER.search(data):
        return msgspec.UNSET
    has_lines = one_line and (b"\n" in data or b"\r" in data)
    return msgspec.Raw(msgspec.json.format(data, indent=-1) if has_lines else data)
