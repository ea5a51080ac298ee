"""The client's life in an app, and the dependency that gives it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeAlias, TypedDict

from fastapi import Depends
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from .._client import AsyncTechLadder

_NAME = "techladder_client"


class LifespanState(TypedDict):
    """What `lifespan` yields. A lifespan of one's own may yield it on, alone or among other things."""

    techladder_client: AsyncTechLadder
    """The app's client."""


@asynccontextmanager
async def lifespan(app: Starlette, **client_options: Any) -> AsyncIterator[LifespanState]:
    """Open one client for the app's life: `FastAPI(lifespan=lifespan)`.

    In a lifespan of one's own: `async with lifespan(app, timeout=5) as state:`. `client_options` are those of
    `AsyncTechLadder`; `functools.partial(lifespan, timeout=5)` gives them without a lifespan of one's own.

    A mounted app has its own client where its own lifespan was entered (`async with lifespan(app), lifespan(mounted)`),
    else its parent's, where that one's lifespan yields the state.

    Raises `ConfigurationError`, so that the app does not start, where an option makes no sense or there is no key.
    """
    async with AsyncTechLadder(**client_options) as client:
        setattr(app.state, _NAME, client)
        try:
            yield {"techladder_client": client}
        finally:
            delattr(app.state, _NAME)


async def get_client(connection: HTTPConnection) -> AsyncTechLadder:
    """Return the app's client, for requests and websockets. What `app.dependency_overrides` replaces in tests.

    Raises `RuntimeError` where the app's lifespan did not run.
    """
    client = getattr(connection.app.state, _NAME, None) or getattr(connection.state, _NAME, None)
    if not isinstance(client, AsyncTechLadder):
        msg = (
            "this app has no TechLadder client: make it with FastAPI(lifespan=techladder_async.fastapi.lifespan), or "
            "enter lifespan(app) in your own; a test client runs lifespans as `with TestClient(app)`"
        )
        raise RuntimeError(msg)  # noqa: TRY004  nobody gave a wrong type
    return client


TechLadderClient: TypeAlias = Annotated[AsyncTechLadder, Depends(get_client)]
"""The app's client as a parameter: `async def endpoint(client: TechLadderClient)`."""
