"""Steps that tests of single events share."""

import json
from typing import Any

from domain.event import UserEvent
from tests.support.api import TOPIC, Api
from tests.support.events import decode

EVENT_ID = "0198f3c0-1111-7abc-8def-0123456789ab"


def body(**fields: Any) -> bytes:
    """Render a valid body, changed by `fields`."""
    return json.dumps({"userId": "user-1", "eventType": "LOGIN", **fields}).encode()


def published(api: Api) -> UserEvent:
    """Read the one event in the log."""
    [record] = api.log.records(TOPIC)
    event = decode(record)
    assert isinstance(event, UserEvent)
    return event
