"""The HTTP side of the sandbox: the only file of it that speaks aiohttp.

One request, in this order: it is logged, its fault is chosen, it is counted against the rate limit, the latency and a
delay pass, and only then is the listing read.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import socket
import struct
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from . import api as answers
from .faults import CutFault, DelayFault, DripFault, Fault, ResetFault, StatusFault

if TYPE_CHECKING:
    from .api import Answer, Api
    from .faults import Faults
    from .log import RequestLog
    from .quota import Grant, Quota

_LINGER_ZERO = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


@attrs.frozen
class App:
    """Answers requests. One lives as long as one start of the sandbox."""

    api: Api
    quota: Quota
    faults: Faults
    log: RequestLog
    key: str = attrs.field(repr=False)
    latency: float
    closing: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Set when the sandbox stops: waits end at once, and their connections are dropped."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or spoil it as ordered."""
        query = dict(request.query.items())
        entry = self.log.open(request.method, request.path, query, request.headers)
        fault = self.faults.take()
        authorized = self._is_authorized(request)
        grant = self.quota.take(self.key if authorized else "any other key")
        delay = fault.seconds if isinstance(fault, DelayFault) else 0
        if not await self._pause(self.latency + delay) or isinstance(fault, ResetFault):
            return _reset(request)
        response = self._response(fault, self._answer(request, query, grant, authorized=authorized), grant)
        self.log.close(entry, response.status)
        if isinstance(fault, CutFault):
            return await _cut(request, response, fault.after)
        if isinstance(fault, DripFault):
            return await self._drip(request, response, fault)
        return response

    def _is_authorized(self, request: web.BaseRequest) -> bool:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        presented = key.strip().encode("utf-8", "surrogateescape")
        return scheme.lower() == "bearer" and hmac.compare_digest(presented, self.key.encode())

    def _answer(self, request: web.BaseRequest, query: dict[str, str], grant: Grant, *, authorized: bool) -> Answer:
        if not authorized:
            return answers.failure_of(401)
        if grant.wait is not None:
            return answers.rate_limited(grant.wait, self.quota.rule)
        return self.api.answer(request.method, request.path, query)

    def _response(self, fault: Fault | None, answer: Answer, grant: Grant) -> web.Response:
        ordered = fault if isinstance(fault, StatusFault) else None
        status, envelope = answers.failure_of(ordered.code) if ordered else answer
        body = ordered.body if ordered and ordered.body is not None else json.dumps(envelope).encode()
        response = web.Response(status=status, body=body, content_type="application/json", charset="utf-8")
        response.headers.update(grant.headers())
        if status == 405:  # noqa: PLR2004  Method Not Allowed
            response.headers["Allow"] = "GET"
        response.headers.update(ordered.headers if ordered else ())
        return response

    async def _pause(self, seconds: float) -> bool:
        """Wait; return whether the sandbox still serves afterwards."""
        if seconds:
            try:
                async with asyncio.timeout(seconds):
                    await self.closing.wait()
            except TimeoutError:
                pass
        return not self.closing.is_set()

    async def _drip(self, request: web.BaseRequest, whole: web.Response, fault: DripFault) -> web.StreamResponse:
        body, response = await _begin(request, whole)
        for start in range(0, len(body), fault.size):
            if not await self._pause(fault.pause):
                return _reset(request)
            await response.write(body[start : start + fault.size])
        return response


async def _begin(request: web.BaseRequest, whole: web.Response) -> tuple[bytes, web.StreamResponse]:
    """Promise the whole body in the headers, and leave the sending of it to the caller."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    return body, response


async def _cut(request: web.BaseRequest, whole: web.Response, after: int) -> web.StreamResponse:
    body, response = await _begin(request, whole)
    await response.write(body[: min(after, len(body) - 1)])
    if request.transport is not None:
        request.transport.close()
    return response


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)  # closing sends RST, not FIN
        request.transport.abort()
    return web.Response()  # goes nowhere: the connection is gone
