"""The limit of the HTTP server: a minimal app on the server that the service uses."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import uvicorn
import uvloop
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

from entrypoints.http.server.serve import listen
from tools.kafka import probe, processes

_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_BACKLOG = 2048
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@asynccontextmanager
async def bare_asgi(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Run it in a process of its own; yield the process's id and its port."""
    port = probe.free_ports(1)[0]
    command = [sys.executable, "-m", "benchmarks.bare_asgi", str(port)]
    process = processes.start(command, folder / "bare_asgi.log").process
    try:
        while not probe.accepts(port):
            if process.poll() is not None:
                raise RuntimeError(f"the bare app ended: {(folder / 'bare_asgi.log').read_text()}")
            await asyncio.sleep(_LOOK_SECONDS)
        yield process.pid, port
    finally:
        processes.stop([process], _STOP_SECONDS)


async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Decode the body and answer with a JSON object like the service's."""
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        body += message["body"]
        more = message.get("more_body", False)
    answer = _encode({"message": "Event published successfully", "eventId": _decode(body)["userId"]})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 201, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": answer, "more_body": False})


async def _serve(port: int) -> None:
    # As in `entrypoints.http.server.serve`, but with the server's own protocol.
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=1,
    )
    with listen("127.0.0.1", port, "PORT") as listener:
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
