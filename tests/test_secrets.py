"""The API key goes to the API, and nowhere else."""

import asyncio
import copy
import gc
import io
import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from techladder_async import AsyncTechLadder, ConfigurationError, Handler, Request, Response, RetryPolicy
from techladder_async.errors import APIStatusError, TechLadderError
from techladder_async.hooks import AttemptRecord
from tests.clients import KEY, client_for, two_pages
from tests.fault_server import FaultServer, refused_url
from tests.faults import (
    OK,
    Answer,
    Received,
    Step,
    batch,
    broken_chunking,
    close_on_reuse,
    cut,
    error,
    half_gzip,
    hang,
    header_injection,
    html,
    malformed,
    page,
    raw,
    redirect,
    reset,
    respond,
)


def key_of(request: Received) -> str:
    """Return the key that the server got: the only place where it belongs."""
    return request.headers["authorization"].removeprefix("Bearer ")


def echo(request: Received) -> Step:
    """Send the key back in every field of an error, and in its headers."""
    key = key_of(request)
    return error(422, f"CODE_{key}", f"the key {key} is bad", [f"key: {key}", key], {"X-Echo": f"a {key} b"})


FAILURES: dict[str, Step] = {
    "reset": reset(),
    "cut": cut(9),
    "hang": respond(lambda _: hang()),
    "dead reused connection": close_on_reuse(),
    "malformed": malformed(),
    "NUL in a header": header_injection(),
    "broken chunking": broken_chunking(),
    "half gzip": half_gzip(),
    "401": error(401),
    "500": error(500),
    "redirect": redirect("http://127.0.0.1:1/"),
    "no JSON": Answer(b"[1]"),
    "wrong page": page(page=2),
    "a missing field": page([{"schedule_id": "sched_1"}]),
    "echo": respond(echo),
    "echo in HTML": respond(lambda request: Answer(b"<p>%b</p>" % key_of(request).encode(), 502)),
    "echo in a redirect": respond(lambda request: redirect(f"http://127.0.0.1:1/?key={key_of(request)}")),
    "echo in the status line": respond(lambda request: raw(b"HTP %b\r\n\r\n" % key_of(request).encode())),
    "echo in a bad header": respond(lambda request: header_injection(b"X: \x00" + key_of(request).encode())),
    "echo in broken chunking": respond(lambda request: broken_chunking(tail=key_of(request).encode() + b"\r\n")),
    "echo in bad JSON": respond(lambda request: Answer(b'{"%b": ' % key_of(request).encode())),
    "echo in a wrong type": respond(lambda request: page([batch(1, total_contacts=key_of(request))])),
    "echo in a field's name": respond(lambda request: page([{key_of(request): 1}])),
    "echo in a 200 that is an error": respond(
        lambda request: Answer(b'{"status_code": 400, "error": "%b"}' % key_of(request).encode())
    ),
}


def everything_of(raised: BaseException) -> Iterator[str]:
    """Give all text that can be had of an exception, of those that it chains and of those in its traceback's frames."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [raised]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield from (str(each), repr(each), repr(each.args), repr(vars(each)))
        yield "".join(traceback.format_exception(each))
        todo += [each.__cause__, each.__context__]
        todo += list(each.exceptions) if isinstance(each, BaseExceptionGroup) else []


@pytest.fixture
def _log(caplog: pytest.LogCaptureFixture) -> None:
    """Hear everything that anybody logs."""
    caplog.set_level(logging.DEBUG)
    for name in ("techladder_async", "aiohttp", "aiohttp.client", "aiohttp.internal", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)


@pytest.mark.asyncio
@pytest.mark.usefixtures("_log")
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("name", FAILURES)
async def test_no_error_holds_the_key(name: str, given: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Neither an error, nor what it chains, its pickle, its copy, a log record or a hook's record holds the key."""
    records: list[AttemptRecord] = []
    session = aiohttp.ClientSession() if given else None
    asyncio.get_running_loop().slow_callback_duration = 0.0
    async with (
        FaultServer(FAILURES[name], repeat_last=True) as server,
        client_for(
            server.url,
            session=session,
            hooks=[records.append],
            timeout=0.05,
            retry=RetryPolicy.none(),
        ) as client,
    ):
        with pytest.raises(TechLadderError) as caught:
            await two_pages(client)
        assert all(key_of(request) == KEY for request in server.requests)
        if session is not None:
            await session.close()
    for text in everything_of(caught.value):
        assert KEY not in text
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value)
    assert str(again) == str(caught.value)
    assert str(copy.deepcopy(caught.value)) == str(caught.value)
    assert KEY.encode() not in pickle.dumps(caught.value)
    assert KEY not in repr(records)
    assert records
    assert KEY not in caplog.text + "".join(record.getMessage() + repr(vars(record)) for record in caplog.records)


@pytest.mark.asyncio
async def test_an_echo_is_masked_wherever_it_is() -> None:
    """What the server sends back of the key reads `sk_***` in each field of the error."""
    async with FaultServer(respond(echo)) as server, client_for(server.url) as client:
        with pytest.raises(APIStatusError) as caught:
            await client.call_batches.list()
    assert caught.value.code == "CODE_sk_***"
    assert caught.value.message == "the key sk_*** is bad"
    assert caught.value.details == ("key: sk_***", "sk_***")
    assert caught.value.headers["X-Echo"] == "a sk_*** b"


@pytest.mark.asyncio
async def test_a_key_in_a_query_is_masked() -> None:
    """Even a key that was passed as an argument by mistake is masked in the error's URL and in the hooks' records."""
    records: list[AttemptRecord] = []
    async with (
        FaultServer(error(422)) as server,
        client_for(server.url, hooks=[records.append]) as client,
    ):
        with pytest.raises(APIStatusError) as caught:
            await client.call_batches.list(agent_id=KEY)
    assert KEY not in str(caught.value) + str(caught.value.url) + repr(records)


@pytest.mark.asyncio
async def test_no_object_shows_the_key() -> None:
    """The client, what it is made of and what passes through its chain show no key."""
    seen: list[object] = []

    async def look(request: Request, handler: Handler) -> Response:
        response = await handler(request)
        seen.extend([request, response, handler])
        return response

    async with FaultServer(OK) as server, client_for(server.url, middlewares=[look]) as client:
        listing = client.call_batches.list()
        seen.extend([client, client.call_batches, listing, await listing, listing.report, client.with_options()])
        seen.extend([client._shared, client._options, client._shared.transport])
    assert KEY not in repr(seen) + str(seen)


@pytest.mark.asyncio
async def test_no_error_of_a_refused_connection_holds_the_key() -> None:
    """Where nothing was sent, the error holds no key either."""
    async with client_for(refused_url()) as client:
        with pytest.raises(TechLadderError) as caught:
            await client.call_batches.list()
    assert all(KEY not in text for text in everything_of(caught.value))


@pytest.mark.parametrize(
    "key", ["a\rb", "a\nb", "a\r\nX-Evil: b", "a\0b", "a\x7fb", "a b", " a", "a\t", "é", "\u2028", "😀", "", "\udcff"]
)
def test_a_key_that_could_break_out_is_refused_and_not_shown(key: str) -> None:
    """A key with a line break, NUL, DEL, a blank or anything beyond ASCII is refused, without being repeated."""
    secret = f"sk_hush{key}" if key else key
    with pytest.raises(ConfigurationError) as caught:
        AsyncTechLadder(secret)
    assert "hush" not in "".join(everything_of(caught.value)).replace("sk_hush{key}", "")


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\0b", "a\x7fb", "é", "a\r\nX-Evil: b"])
@pytest.mark.parametrize("where", ["name", "value"])
def test_a_header_that_could_break_out_is_refused(value: str, where: str) -> None:
    """A request cannot be made with a header that would not stay in its line, nor with a key of its own."""
    headers = {"X-Trace": value} if where == "value" else {value: "x"}
    with pytest.raises(ValueError, match="header"):
        Request("GET", "/", headers=headers)


@pytest.mark.asyncio
@pytest.mark.parametrize("location", ["http://127.0.0.2:{port}/", "//127.0.0.2:{port}/", "/other", "http://localhost/"])
async def test_the_key_goes_to_no_other_place(location: str) -> None:
    """Wherever a redirect leads, nothing is sent there."""
    port = refused_url().rpartition(":")[2]
    steps = redirect(location.format(port=port))
    async with FaultServer(steps, html()) as server, client_for(server.url) as client:
        with pytest.raises(APIStatusError, match="Redirects are not followed"):
            await client.call_batches.list()
    assert len(server.requests) == 1


@pytest.mark.asyncio
async def test_a_login_of_the_sessions_own_does_not_replace_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A session of the caller's that reads a `.netrc` with another login for the host is refused with a reason."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with (
        FaultServer() as server,
        aiohttp.ClientSession(trust_env=True) as session,
        client_for(server.url, session=session) as client,
    ):
        with pytest.raises(ConfigurationError, match=r"\.netrc"):
            await client.call_batches.list()
    assert server.requests == []


@pytest.mark.asyncio
async def test_a_task_that_nobody_looked_at_does_not_tell(caplog: pytest.LogCaptureFixture) -> None:
    """What asyncio reports of a lost task's error, traceback included, holds no key."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger("asyncio").addHandler(handler)
    gc.disable()  # the report comes with the task's end, and not when the collector does
    try:
        async with FaultServer(reset(), repeat_last=True) as server, client_for(server.url) as client:
            task: asyncio.Task[Any] | None = asyncio.ensure_future(_page(client))
            await asyncio.wait([task])
            task = None
    finally:
        gc.enable()
        logging.getLogger("asyncio").removeHandler(handler)
    assert "never retrieved" in stream.getvalue()
    assert KEY not in stream.getvalue() + caplog.text


async def _page(client: AsyncTechLadder) -> object:
    return await client.call_batches.list()
