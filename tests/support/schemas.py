"""A schema without an engine: it judges by one value of the payload."""

from collections.abc import Sequence

from domain.event_types import event_type
from domain.payload_schema import Violation

PRICE = Violation("/price", "minimum", "must be at least 0", "/price")
ORDER = event_type("ORDER_PLACED")


class FakeSchema:
    """Calls each payload invalid that holds the word `bad`."""

    def __init__(self, *violations: Violation, rejects: bool = True) -> None:
        self.rejects = rejects
        self.checked: list[bytes] = []
        self._violations = violations or (PRICE,)

    def violations(self, payload: bytes) -> Sequence[Violation]:
        """Note and judge a payload."""
        self.checked.append(payload)
        return self._violations if b"bad" in payload else ()
