"""Origins of web pages, as a person writes them."""

import re

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_WITH_DEFAULT_PORT = re.compile(r"http://.*:80|https://.*:443")


def origins(text: str) -> str:
    """Check a comma list of origins and return it without spaces; raises `ValueError`."""
    each = [origin.strip() for origin in text.split(",")]
    if not all(origin == "*" or _is_as_browsers_send_it(origin) for origin in each):
        raise ValueError(
            "must be * or a comma list of origins as browsers send them, in lower case, without a path and without the "
            "scheme's own port, such as https://app.example.com"
        )
    return ",".join(each)


def _is_as_browsers_send_it(origin: str) -> bool:
    return _ORIGIN.fullmatch(origin) is not None and _WITH_DEFAULT_PORT.fullmatch(origin) is None
