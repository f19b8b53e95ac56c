"""Uses the client that was generated for Python, at the address given."""

import json
import sys

from user_events import (
    ApiClient,
    ApiException,
    Configuration,
    EventInput,
    EventsApi,
    EventType,
    HealthApi,
)

client = ApiClient(Configuration(host=sys.argv[1]))
events = EventsApi(client)

payload = {"client": "python", "nested": {"list": [1, None, "ü"]}}
published = events.generate_event(EventInput(userId="user-1", eventType=EventType.LOGIN, payload=payload))
batch = events.publish_batch(
    [
        EventInput(userId="user-1", eventType=EventType.PRODUCT_VIEW),
        EventInput(userId="user\0", eventType=EventType.LOGOUT),
    ]
)
[stored] = events.list_events(user_id="stored", event_type=EventType.LOGIN, limit=1)
again = events.get_event(id=stored.id)
types = events.list_event_types().types
schema = events.get_payload_schema(type=EventType.SHOP_COLON_ORDER)
try:
    events.get_event(id=published.event_id)
except ApiException as problem:
    status = problem.status

print(
    json.dumps(
        {
            "eventId": str(published.event_id),
            "batch": [result.status for result in batch.results],
            "stored": str(again.id),
            "absent": status,
            "types": len(types),
            "schema": schema["title"],
            "health": HealthApi(client).alive().status,
        }
    )
)
