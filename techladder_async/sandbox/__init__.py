"""A sandbox of the documented API: a real server on a loopback socket, for tests, demos and trying things out.

    async with Sandbox() as sandbox:
        client = AsyncTechLadder(sandbox.api_key, base_url=sandbox.url)

The flow: `app` (the only file with HTTP) takes a request, `faults` may spoil it, `quota` counts it, `api` answers it
from the listing in `state`, which `data` filled, and `log` remembers it. Nothing here imports the client.
A `Clock` gives the time in Unix seconds.
"""

from ._check import Clock
from .faults import Fault
from .log import LoggedRequest
from .server import Sandbox

__all__ = ["Clock", "Fault", "LoggedRequest", "Sandbox"]
