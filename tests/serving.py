"""ASGI apps under test: on a real loopback socket, served by uvicorn in the running loop, or asked directly."""

import asyncio
import contextlib

import httpx
import uvicorn


def asking(app, **options):
    """Return a client of the app that needs no socket. Lifespans do not run."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, **options), base_url="http://app")


@contextlib.asynccontextmanager
async def serving(app, port=0):
    """Give the base URL of the app while it serves; leaving asks the server to stop, and waits until it has."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="on", ws="none"))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not task.done(), "the app did not start"
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 5)
