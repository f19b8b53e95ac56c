"""What a connection sends in one turn of the event loop is one write."""

import asyncio

import pytest

from entrypoints.http.server.writes import GatheringTransport


class Socket(asyncio.Transport):
    """Remembers what reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


@pytest.fixture
def socket() -> Socket:
    return Socket()


@pytest.fixture
async def transport(socket: Socket) -> GatheringTransport:
    return GatheringTransport(socket, asyncio.get_running_loop())


async def test_writes_of_a_turn_are_one(transport: GatheringTransport, socket: Socket) -> None:
    """In their order; those of the next turn are another one."""
    transport.write(b"head")
    transport.write(b"body")
    assert socket.writes == []
    await asyncio.sleep(0)
    transport.write(b"more")
    await asyncio.sleep(0)
    assert socket.writes == [b"headbody", b"more"]


async def test_nothing_is_lost_when_it_closes(transport: GatheringTransport, socket: Socket) -> None:
    """A connection that ends with its answer, as at the end of the process, does so behind it."""
    transport.write(b"answer")
    transport.close()
    assert socket.writes == [b"answer"]
    assert transport.is_closing()


async def test_much_is_not_held_back(transport: GatheringTransport, socket: Socket) -> None:
    """Whoever writes without a pause would otherwise never be told to wait."""
    transport.write(b"x" * 100_000)
    assert [len(each) for each in socket.writes] == [100_000]
    await asyncio.sleep(0)
    assert len(socket.writes) == 1


async def test_client_that_is_gone_is_not_written_to(transport: GatheringTransport, socket: Socket) -> None:
    """The loop's transport would take it for an error."""
    transport.write(b"answer")
    socket.close()
    await asyncio.sleep(0)
    assert socket.writes == []
