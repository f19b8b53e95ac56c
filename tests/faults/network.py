"""The proxies before all brokers, worked together or one by one."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support.framing import kafka_requests
from tests.support.proxy import Held, Proxy, proxied
from tests.support.way import Way


class BrokerProxies(Mapping[int, Proxy]):
    """One proxy a broker, by node id; what is done to this is done to all of them."""

    def __init__(self, proxies: Mapping[int, Proxy]) -> None:
        self._proxies = proxies

    def __getitem__(self, node: int) -> Proxy:
        """The proxy before one broker."""
        return self._proxies[node]

    def __iter__(self) -> Iterator[int]:
        """The ids of the brokers."""
        return iter(self._proxies)

    def __len__(self) -> int:
        """How many brokers there are."""
        return len(self._proxies)

    @property
    def bootstrap(self) -> str:
        """The comma list of addresses that clients start from."""
        return ",".join(f"127.0.0.1:{proxy.port}" for proxy in self.values())

    @property
    def seen(self) -> Counter[str]:
        """How many requests arrived at any of them, by kind."""
        return sum((proxy.seen for proxy in self.values()), Counter())

    @property
    def requests(self) -> list[Way]:
        """The ways to the brokers."""
        return [proxy.requests for proxy in self.values()]

    @property
    def answers(self) -> list[Way]:
        """The ways back."""
        return [proxy.answers for proxy in self.values()]

    @property
    def connections_cut(self) -> int:
        """How many connections `cut` and `refuse` have ended."""
        return sum(proxy.connections_cut for proxy in self.values())

    @property
    def withheld(self) -> int:
        """How many bytes arrived at ways that were blocked."""
        return sum(way.withheld for way in (*self.requests, *self.answers))

    def hold(self, kind: str) -> Held:
        """Keep back the next request of a kind, whichever broker it is for."""
        held = Held()
        for proxy in self.values():
            proxy.hold(kind, held)
        return held

    async def cut(self) -> None:
        """Reset all connections; clients may come again."""
        await asyncio.gather(*(proxy.cut() for proxy in self.values()))

    async def refuse(self) -> None:
        """End all connections and refuse new ones."""
        await asyncio.gather(*(proxy.refuse() for proxy in self.values()))

    async def accept(self) -> None:
        """Undo `refuse`."""
        await asyncio.gather(*(proxy.accept() for proxy in self.values()))

    def blackhole(self) -> None:
        """Take everything and pass nothing on, either way."""
        for proxy in self.values():
            proxy.blackhole()

    def delay(self, seconds: float) -> None:
        """Make every byte take so long, each way."""
        for way in (*self.requests, *self.answers):
            way.delay = seconds


@asynccontextmanager
async def broker_proxies(servers: Mapping[int, int], ports: Mapping[int, int]) -> AsyncIterator[BrokerProxies]:
    """Run a proxy before each broker, which listens at a port and is known by another."""
    async with AsyncExitStack() as stack:
        yield BrokerProxies(
            {
                node: await stack.enter_async_context(proxied(server, kafka_requests, port=ports[node]))
                for node, server in servers.items()
            }
        )
