"""The path prefix under which clients reach the service; a proxy removes it before it forwards a request."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from litestar.types import Scope

from entrypoints.config import value_types

_HEADER = b"x-forwarded-prefix"


class Prefix:
    """Finds a request's prefix: `X-Forwarded-Prefix` from a trusted proxy, otherwise the configured one."""

    def __init__(self, root_path: str | None = None, trusted_proxies: str | None = None) -> None:
        """Use the settings `ROOT_PATH` and `TRUSTED_PROXIES`."""
        self._root_path = (root_path or "").encode()
        self._trusted = value_types.networks(trusted_proxies) if trusted_proxies else []

    def __call__(self, scope: Scope) -> bytes:
        """Return the prefix: empty, or with a leading slash and no trailing one."""
        if not self._trusted:
            return self._root_path
        stated = b",".join(value for name, value in scope["headers"] if name == _HEADER)
        if not stated or not self.is_from_proxy(scope):
            return self._root_path
        # Each proxy in a chain appends the prefix that it removes, the outermost first.
        path = "".join(part.strip().rstrip("/") for part in stated.decode("latin-1").split(","))
        try:
            return value_types.path_prefix(path).encode()
        except ValueError:
            return self._root_path

    def is_from_proxy(self, scope: Scope) -> bool:
        """Return whether a trusted proxy sent the request."""
        peer = peer_of(scope)
        return peer is not None and any(peer in network for network in self._trusted)


def peer_of(scope: Scope) -> IPv4Address | IPv6Address | None:
    """Return the address that the server sees; None where there is none, as with a Unix socket."""
    client = scope.get("client")
    try:
        peer = ip_address(client[0] if client else "")
    except ValueError:
        return None
    # An IPv6 socket shows an IPv4 peer as IPv4-mapped.
    return getattr(peer, "ipv4_mapped", None) or peer
