"""The path below which clients find the service: a proxy cuts it off before it passes a request on."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from litestar.types import Scope

from entrypoints.config import value_types

_HEADER = b"x-forwarded-prefix"


class Prefix:
    """Finds a request's prefix: what a trusted proxy states in `X-Forwarded-Prefix`, or else the one that is set."""

    def __init__(self, root_path: str | None = None, trusted_proxies: str | None = None) -> None:
        """Take the settings `ROOT_PATH` and `TRUSTED_PROXIES`."""
        self._root_path = (root_path or "").encode()
        self._trusted = value_types.networks(trusted_proxies) if trusted_proxies else []

    def __call__(self, scope: Scope) -> bytes:
        """Return the prefix: empty, or with a slash before it and none behind."""
        if not self._trusted:
            return self._root_path
        stated = b",".join(value for name, value in scope["headers"] if name == _HEADER)
        if not stated or not self._is_trusted(scope):
            return self._root_path
        # Each proxy in a row adds what it cut off, the outermost first.
        path = "".join(part.strip().rstrip("/") for part in stated.decode("latin-1").split(","))
        try:
            return value_types.path_prefix(path).encode()
        except ValueError:
            return self._root_path

    def _is_trusted(self, scope: Scope) -> bool:
        client = scope.get("client")
        try:
            peer = ip_address(client[0] if client else "")
        except ValueError:
            return False
        return any(_plain(peer) in network for network in self._trusted)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Undo how a socket of IPv6 shows a peer of IPv4."""
    return getattr(address, "ipv4_mapped", None) or address
