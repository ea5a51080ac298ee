"""The sandbox's life: started and stopped in a loop or a thread, and nothing left behind."""

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request

import aiohttp
import pytest

from techladder_async.sandbox import Fault, Sandbox

PATH = "/api/v1/public/call-batches"


@contextlib.asynccontextmanager
async def _serving(*args, **options):
    """Give a running sandbox, and a session that holds its key."""
    async with Sandbox(*args, **options) as sandbox:
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        async with aiohttp.ClientSession(sandbox.url, headers=headers) as session:
            yield sandbox, session


async def _get(session, path=PATH, **options):
    async with session.get(path, **options) as response:
        return response.status, await response.json(), response.headers


def _fetch(sandbox, path=PATH):
    request = urllib.request.Request(sandbox.url + path, headers={"Authorization": f"Bearer {sandbox.api_key}"})
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


async def _arrival(sandbox, count):
    """Wait until so many requests have reached the sandbox."""
    async with asyncio.timeout(5):
        while len(sandbox.requests) < count:  # noqa: ASYNC110  the log of a server is polled like any other
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_stopping_is_prompt_and_leaves_nothing():
    """Stopping ends idle connections, answers that wait and answers that drip, all at once."""
    async with _serving(500) as (sandbox, session):
        await _get(session)
        sandbox.fail_next(Fault.delay(60))
        sandbox.fail_next(Fault.drip(30, size=1))
        waiting = [asyncio.create_task(_get(session)) for _ in range(2)]
        await _arrival(sandbox, 3)
        before = time.perf_counter()
        await sandbox.stop()
        assert time.perf_counter() - before < 0.4
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, aiohttp.ClientError)
        await sandbox.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.asyncio
async def test_it_starts_again_where_it_was():
    """After a stop it can be started again, with its listing and log; while stopped it has no URL."""
    sandbox = Sandbox(1)
    for expected in (1, 2):
        async with sandbox, aiohttp.ClientSession(sandbox.url) as session:
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", sandbox.url)
            await _get(session)
            sandbox.add_batch()
        assert len(sandbox.requests) == expected
        assert len(sandbox.batches) == 1 + expected
        with pytest.raises(RuntimeError, match="not running"):
            _ = sandbox.url
    assert repr(sandbox) == "<Sandbox not running>"


@pytest.mark.asyncio
async def test_starting_twice_is_an_error():
    """A running sandbox cannot be started, in either manner, and goes on running."""
    async with _serving(1) as (sandbox, session):
        with pytest.raises(RuntimeError, match="already running"):
            await sandbox.start()
        with pytest.raises(RuntimeError, match="already running"), sandbox:
            pass
        assert (await _get(session))[0] == 200


@pytest.mark.asyncio
async def test_a_port_in_use_is_the_systems_error():
    """A port that is taken is an OSError, in either manner; once it is free the sandbox starts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sandbox = Sandbox(1, port=port)
        with pytest.raises(OSError, match=str(port)):
            await sandbox.start()
        with pytest.raises(OSError, match=str(port)), sandbox:
            pass
        assert _threads() == []
    async with sandbox:
        assert sandbox.url.endswith(f":{port}")


def _threads():
    return [thread.name for thread in threading.enumerate() if thread.name == "techladder-sandbox"]


def test_a_thread_of_its_own():
    """In a plain with statement it serves from a thread, takes changes from this one, and leaves no thread."""
    with Sandbox(2) as sandbox:
        assert _fetch(sandbox)["data"]["total"] == 2
        sandbox.add_batch()
        assert _fetch(sandbox)["data"]["total"] == 3
        sandbox.fail_next(Fault.status(500))
        with pytest.raises(urllib.error.HTTPError) as caught:
            _fetch(sandbox)
        caught.value.close()
        assert _threads() == ["techladder-sandbox"]
    assert _threads() == []
    with sandbox:
        assert len(_fetch(sandbox)["data"]["items"]) == 3


@pytest.mark.asyncio
async def test_a_thread_serves_a_client_in_a_loop_and_stops_under_its_connections():
    """A client in another loop may hold a connection open, and wait for an answer, when the thread ends."""
    with Sandbox(2) as sandbox:
        session = aiohttp.ClientSession(sandbox.url, headers={"Authorization": f"Bearer {sandbox.api_key}"})
        assert (await _get(session))[0] == 200
        with pytest.raises(RuntimeError, match="another event loop"):
            await sandbox.stop()
        sandbox.fail_next(Fault.delay(60))
        waiting = asyncio.create_task(_get(session))
        await _arrival(sandbox, 2)
        begun = time.perf_counter()
    assert time.perf_counter() - begun < 0.9, "it waited for the peer, which takes a second"
    with pytest.raises(aiohttp.ClientError):
        await waiting
    await session.close()
    assert _threads() == []


@pytest.mark.asyncio
async def test_a_client_that_hangs_up_leaves_the_server_well():
    """A client that gives up on a delayed answer is logged without a status, and the next one is served."""
    async with _serving(1) as (sandbox, session):
        sandbox.fail_next(Fault.delay(60))
        with pytest.raises(TimeoutError):
            await _get(session, timeout=aiohttp.ClientTimeout(total=0.05))
        assert (await _get(session))[0] == 200
        assert [entry.status for entry in sandbox.requests] == [None, 200]


def test_a_peer_that_never_reads_does_not_hold_up_the_stop():
    """Answers that pile up behind a peer that does not read are dropped with its connection."""
    with socket.socket() as peer, Sandbox(1000) as sandbox:
        host, port = sandbox.url.removeprefix("http://").split(":")
        peer.connect((host, int(port)))
        peer.setblocking(False)
        lines = f"GET {PATH}?limit=100 HTTP/1.1", "Host: sandbox", f"Authorization: Bearer {sandbox.api_key}", "", ""
        with contextlib.suppress(BlockingIOError):
            for _ in range(2000):
                peer.send("\r\n".join(lines).encode())
        _stalled(sandbox)
        begun = time.perf_counter()
    assert time.perf_counter() - begun < 0.9, "it waited for the peer, which takes a second"


def _stalled(sandbox):
    """Wait until no more requests come through."""
    seen = -1
    while seen != len(sandbox.requests):
        seen = len(sandbox.requests)
        time.sleep(0.1)
