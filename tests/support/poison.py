"""Records that can never be stored, one of each kind."""

import json
from uuid import uuid4

KEY = b"\xffkey"
HEADERS = (("trace", b"1"), ("trace", b"\x00\xff"))
REFUSED_USER = "refused by the table"


def record_with(payload: str = "{}", **fields: str | None) -> bytes:
    """A record's value with some fields replaced, or left out where None."""
    usual = {"eventId": str(uuid4()), "userId": "user-1", "eventType": "LOGIN", "timestamp": "2026-11-22T12:00:00.000Z"}
    kept = {name: value for name, value in (usual | fields).items() if value is not None}
    return f'{json.dumps(kept)[:-1]},"payload":{payload}}}'.encode()


POISON: dict[str, tuple[str, bytes | None]] = {
    "no value": ("undecodable", None),
    "empty": ("undecodable", b""),
    "not JSON": ("undecodable", b"{oops"),
    "not UTF-8": ("undecodable", record_with(userId="?").replace(b"?", b"\xff")),
    "an array": ("undecodable", b"[1]"),
    "a string": ("undecodable", b'"{}"'),
    "no eventId": ("invalid", record_with(eventId=None)),
    "eventId is no UUID": ("invalid", record_with(eventId="42")),
    "no userId": ("invalid", record_with(userId=None)),
    "NUL in userId": ("invalid", record_with(userId="a\0b")),
    "lone surrogate in userId": ("undecodable", record_with(userId="\ud800")),
    "unknown type": ("invalid", record_with(eventType="LOGON")),
    "bad timestamp": ("invalid", record_with(timestamp="yesterday")),
    "NUL in payload": ("invalid", record_with(r'{"a":"\u0000"}')),
    "lone surrogate in payload": ("undecodable", record_with(r'{"a":"\ud800"}')),
    "not UTF-8 in payload": ("invalid", record_with('{"a":"?"}').replace(b"?", b"\xff")),
    "huge number in payload": ("invalid", record_with('{"a":1e999999}')),
    "numbers in payload that print long": ("invalid", record_with(f'{{"a":[{"1e8000," * 1_000}1]}}')),
    "payload nested deep": ("invalid", record_with('{"a":' * 300 + "1" + "}" * 300)),
    "payload is an array": ("invalid", record_with("[]")),
    "refused by the database": ("rejected", record_with(userId=REFUSED_USER)),
}
