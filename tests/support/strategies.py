"""Hypothesis strategies for whatever the validator accepts."""

import json
from datetime import UTC, datetime

from hypothesis import strategies as st

from domain.event import UserEvent
from domain.event_types import LEGACY_TYPES
from domain.validation import MAX_USER_ID_CHARS

# Neither NUL nor a lone surrogate: the validator and UTF-8 refuse them.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
user_ids = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=MAX_USER_ID_CHARS
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=10,
)
payloads = st.builds(
    lambda value, ascii_only, spaced: json.dumps(
        value, ensure_ascii=ascii_only, separators=(", ", ": ") if spaced else (",", ":")
    ).encode(),
    st.dictionaries(texts, json_values, max_size=4),
    st.booleans(),
    st.booleans(),
)
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
events = st.builds(
    UserEvent,
    id=st.uuids(),
    user_id=user_ids,
    event_type=st.sampled_from(LEGACY_TYPES.names),
    occurred_at=moments,
    payload=payloads,
)
