"""The events of all benchmarks: realistic, of two sizes; the same in each run, except for ids and times."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any, Literal, NamedTuple, TypeVar
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from domain.event import UserEvent
from domain.event_types import LEGACY_TYPES

T = TypeVar("T")

USERS = 20_000
COPY_EVERY = 100
"""In a stream with duplicates, one event in this many is a copy."""

Size = Literal["200", "2k", "ten-members"]
"""Of a payload: its bytes, or its members, of which the others have seven and eight."""
Ids = Literal["v7", "v4"]

_SEED = 20_26
_COPIED_FROM = 3_000
"""A copy's original is at most this many events back."""
_LOGIN, _LOGOUT, _PRODUCT_VIEW = LEGACY_TYPES.names
_TYPES = (_LOGIN, _LOGOUT, *(8 * [_PRODUCT_VIEW]))
_NEW_ID: dict[Ids, Callable[[], UUID]] = {"v7": uuid7, "v4": uuid4}
_CURRENCIES = ("EUR", "USD", "GBP", "TRY", "JPY")
_REFERRERS = ("search", "newsletter", "category", "home", "advert")
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5) Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64) Chrome/138.0",
)
MEMBERS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["productId", "price", "currency", "session"],
    "additionalProperties": False,
    "properties": {
        "productId": {"type": "string", "pattern": "^SKU-[0-9]{6}$"},
        "price": {"type": "number", "minimum": 0},
        "currency": {"enum": [*_CURRENCIES]},
        "referrer": {"type": "string", "maxLength": 32},
        "session": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        "userAgent": {"type": "string", "maxLength": 512},
        "position": {"type": "integer", "minimum": 0},
        "quantity": {"type": "integer", "minimum": 1, "maximum": 100},
        "inStock": {"type": "boolean"},
        "tags": {"type": "array", "maxItems": 10, "items": {"type": "string"}},
    },
}
"""A typical schema of the payloads with ten members."""
_TRAILS = 500
_TRAIL_STEPS = 30


class Variant(NamedTuple):
    """The version of the ids, and the size of the payloads."""

    ids: Ids
    size: Size

    def __str__(self) -> str:
        return f"{self.ids}-{self.size}"


def payloads(size: Size) -> Iterator[bytes]:
    """Yield JSON objects of about 200 bytes, 2 KB, or 260 bytes with ten members, endlessly."""
    random = Random(_SEED)
    trails = [_trail(random) for _ in range(_TRAILS)]
    while True:
        text = (
            f'{{"productId":"SKU-{_below(random, 1_000_000):06}","price":{_below(random, 100_000) / 100},'
            f'"currency":"{_one(random, _CURRENCIES)}","referrer":"{_one(random, _REFERRERS)}",'
            f'"session":"{random.getrandbits(64):016x}","userAgent":"{_one(random, _AGENTS)}",'
            f'"position":{_below(random, 60)}'
        )
        if size == "2k":
            text += f',"trail":[{_one(random, trails)}]'
        elif size == "ten-members":
            text += f',"quantity":{1 + _below(random, 9)},"inStock":true,"tags":["new","{_one(random, _REFERRERS)}"]'
        yield f"{text}}}".encode()


def events(variant: Variant, count: int) -> Iterator[UserEvent]:
    """Yield events of many users, each with an id of its own."""
    random = Random(_SEED)
    new_id = _NEW_ID[variant.ids]
    for payload in islice(payloads(variant.size), count):
        now = datetime.now(UTC)
        yield UserEvent(
            id=new_id(),
            user_id=f"user-{_below(random, USERS):05}",
            event_type=_one(random, _TYPES),
            occurred_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
            payload=payload,
        )


def with_copies(originals: Iterator[UserEvent], count: int) -> Iterator[UserEvent]:
    """Yield `count` events, of which every `COPY_EVERY`th repeats an earlier one."""
    random = Random(_SEED)
    recent: list[UserEvent] = []
    for place in range(1, count + 1):
        if place % COPY_EVERY == 0:
            yield _one(random, recent)
            continue
        event = next(originals)
        if len(recent) < _COPIED_FROM:
            recent.append(event)
        else:
            recent[_below(random, _COPIED_FROM)] = event
        yield event


def _trail(random: Random) -> str:
    return ",".join(
        f'{{"path":"/products/{_below(random, 1_000_000):06}","seconds":{_below(random, 9_000) / 100},'
        f'"from":"{_one(random, _REFERRERS)}"}}'
        for _ in range(_TRAIL_STEPS)
    )


def _below(random: Random, bound: int) -> int:
    # Several times faster than `randrange`; the distribution need not be perfectly even.
    return int(random.random() * bound)


def _one(random: Random, choices: Sequence[T]) -> T:
    return choices[_below(random, len(choices))]
