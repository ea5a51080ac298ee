"""TechLadder in a FastAPI app (extra `fastapi`).

    app = FastAPI(lifespan=lifespan)                    # one client for the app's life
    add_exception_handlers(app)                         # upstream trouble as {"detail": …}
    app.include_router(batches_dashboard("/dashboard"))

    @app.get("/batches")
    async def batches(client: TechLadderClient) -> Page[CallBatch]:
        return await client.call_batches.list()

    @app.get("/batches.ndjson")
    async def export(client: TechLadderClient) -> StreamingResponse:
        return stream_ndjson(client.call_batches.list())

`_client` opens the client and hands it out, `_errors` answers for it, `_streams` sends walks. The dashboard is a page,
and events that `_poller` re-lists the batches for. `CallBatch`, `Page[CallBatch]`, `BatchStatus` and `StartMode` work
as parameters' and return annotations and are in the app's OpenAPI schema.
"""

try:
    import fastapi as _fastapi  # noqa: F401  imported for the error below
except ModuleNotFoundError as _error:
    if _error.name != "fastapi":
        raise
    msg = "techladder_async.fastapi needs FastAPI: pip install 'techladder_async[fastapi]'"
    raise ImportError(msg, name="fastapi") from _error

from ._client import LifespanState, TechLadderClient, get_client, lifespan
from ._dashboard import batches_dashboard
from ._errors import add_exception_handlers
from ._streams import stream_ndjson, stream_sse

__all__ = [
    "LifespanState",
    "TechLadderClient",
    "add_exception_handlers",
    "batches_dashboard",
    "get_client",
    "lifespan",
    "stream_ndjson",
    "stream_sse",
]
