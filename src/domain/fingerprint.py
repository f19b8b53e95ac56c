"""What groups failures by their cause: a hash of the message without its variable parts."""

import re
from functools import lru_cache
from hashlib import blake2s

MAX_MESSAGE_CHARS = 500
"""Only so much of a message is looked at, as only so much of it is kept."""
MAX_CLASS_CHARS = 200

# Each alternative begins with a character, which is compared quickly; what must not stand before it is looked at then.
_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
# A message may be cut inside its quotes. An apostrophe within a word quotes nothing.
_QUOTED = "|".join(rf"{quote}(?<!\w{quote})[^{quote}]*+(?:{quote}(?!\w)|$)" for quote in ('"', "'", "`"))
_WITH_DIGIT = r"(?:(?<=[0-9])|(?=[a-fA-F]*+[0-9]))"
_HEX = rf"0[xX][0-9a-fA-F]++|[0-9a-fA-F](?<!\w[0-9a-fA-F]){_WITH_DIGIT}[0-9a-fA-F]{{7,}}+\b"
_DIGITS = r"[0-9]++(?:[.,][0-9]++)*+(?:[eE][-+]?[0-9]++)?"
_NUMBER = rf"{_DIGITS}|[-+](?<!\w[-+]){_DIGITS}"
# A code tells causes apart; it is kept.
_CODE = r"[Ss](?<!\w[Ss])(?i:QL_?STATE)\b[^0-9A-Za-z]{0,4}(?=[A-Z]*[0-9])[0-9A-Z]{5}\b"
_SQLSTATE = re.compile(_CODE)
_PARTS = re.compile(rf"(?P<code>{_CODE})|{_QUOTED}|{_UUID}|{_HEX}|{_NUMBER}")


@lru_cache(maxsize=1024)
def fingerprint(kind: str, error_class: str | None, message: str | None) -> str:
    """Return eight hex digits, equal for failures of one kind and class whose messages differ in values only.

    Values are UUIDs, numbers (the indexes of JSON pointers among them), hexadecimal digits, and whatever is in quotes.
    """
    # PostgreSQL takes no NUL, so that the index knows a message without.
    cause = _PARTS.sub(_generalized, (message or "")[:MAX_MESSAGE_CHARS].replace("\0", "\ufffd"))
    text = f"{kind}\0{(error_class or '')[:MAX_CLASS_CHARS]}\0{cause}"
    return blake2s(text.encode(errors="replace"), digest_size=4).hexdigest()


def _generalized(part: re.Match[str]) -> str:
    return part["code"] or "?"


def sqlstate(message: str) -> str | None:
    """Find the database's five-character code in an error's message."""
    found = _SQLSTATE.search(message)
    return None if found is None else found[0][-5:]
