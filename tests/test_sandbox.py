"""The sandbox over a real loopback socket, asked with a plain aiohttp session."""

import asyncio
import contextlib
import time

import aiohttp
import pytest

from techladder_async.sandbox import Fault, LoggedRequest, Sandbox

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


@pytest.mark.asyncio
async def test_the_documented_200():
    """A page comes with the documented envelope and the three rate headers, as JSON."""
    async with _serving(clock=lambda: 1715698795.5) as (sandbox, session):
        status, body, headers = await _get(session, params={"status": "pending", "limit": 1})
        pending = [batch for batch in sandbox.batches if batch["status"] == "pending"]
        assert status == 200
        assert body == {
            "status_code": 200,
            "message": "Call batches fetched successfully",
            "error": None,
            "data": {"items": pending[:1], "total": len(pending), "page": 1, "limit": 1, "has_more": True},
        }
        assert headers["Content-Type"] == "application/json; charset=utf-8"
        assert headers["X-RateLimit-Limit"] == "300"
        assert headers["X-RateLimit-Remaining"] == "299"
        assert headers["X-RateLimit-Reset"] == "1715698800"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer sk_wrong", "Basic {key}", "{key}", "Bearer {key}x"]
)
async def test_the_documented_401(authorization):
    """Without the key in a Bearer token the answer is the documented 401, which spends nothing of the key's quota."""
    async with Sandbox(1, rate_limit=2) as sandbox, aiohttp.ClientSession(sandbox.url) as session:
        headers = {} if authorization is None else {"Authorization": authorization.format(key=sandbox.api_key)}
        for _ in range(3):
            status, body, sent = await _get(session, headers=headers)
        assert status == 401
        assert body == {
            "status_code": 401,
            "message": "Missing or invalid API key",
            "error": {
                "code": "UNAUTHORIZED",
                "details": ["Provide a valid Bearer token in the Authorization header"],
            },
            "data": None,
        }
        assert (sent["X-RateLimit-Limit"], sent["X-RateLimit-Remaining"]) == ("2", "0")
        good = {"Authorization": f"bearer {sandbox.api_key}"}
        status, _, sent = await _get(session, headers=good)
        assert (status, sent["X-RateLimit-Remaining"]) == (200, "1")


@pytest.mark.asyncio
async def test_the_documented_422():
    """An unknown status is the documented 422, with rate headers."""
    async with _serving(1) as (_, session):
        status, body, headers = await _get(session, params={"status": "done"})
        assert status == 422
        assert body == {
            "status_code": 422,
            "message": "Invalid query parameters",
            "error": {
                "code": "VALIDATION_ERROR",
                "details": ["status: Must be one of pending, active, completed, failed, cancelled"],
            },
            "data": None,
        }
        assert headers["X-RateLimit-Remaining"] == "299"


@pytest.mark.asyncio
async def test_the_documented_429_and_the_window_after_it():
    """Past the quota comes the documented 429, without Retry-After, and after the reset all is well."""
    now = [1715698770.0]
    async with _serving(1, clock=lambda: now[0]) as (_, session):
        statuses = [(await _get(session))[0] for _ in range(300)]
        assert set(statuses) == {200}
        status, body, headers = await _get(session)
        assert status == 429
        assert body == {
            "status_code": 429,
            "message": "Rate limit exceeded. Please retry after 30 seconds.",
            "error": {"code": "RATE_LIMITED", "details": ["Maximum 300 requests per minute"]},
            "data": None,
        }
        assert "Retry-After" not in headers
        assert (headers["X-RateLimit-Remaining"], headers["X-RateLimit-Reset"]) == ("0", "1715698800")
        now[0] = 1715698800.0
        status, _, headers = await _get(session)
        assert (status, headers["X-RateLimit-Remaining"], headers["X-RateLimit-Reset"]) == (200, "299", "1715698860")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path", "expected"), [("GET", "/nowhere", 404), ("POST", PATH, 405), ("PUT", "/", 404)]
)
async def test_other_paths_and_methods_are_refused_in_the_envelope(method, path, expected):
    """404 and 405 have the envelope and the rate headers too, and the connection lives on."""
    async with _serving(1) as (_, session):
        async with session.request(method, path, data=b"x" * 100_000) as response:
            body = await response.json()
            assert response.status == body["status_code"] == expected
            assert set(body["error"]) == {"code", "details"}
            assert response.headers["X-RateLimit-Remaining"] == "299"
            assert response.headers.get("Allow") == ("GET" if expected == 405 else None)
        assert (await _get(session))[0] == 200


@pytest.mark.asyncio
async def test_account_and_limits():
    """The account tells its limits, the rate limit included."""
    async with _serving(1, rate_limit=10, rate_window=6) as (_, session):
        _, body, _ = await _get(session, "/api/v1/public/me")
        assert body["message"] == "Account details fetched successfully"
        assert set(body["data"]) == {"account_id", "name", "email", "limits"}
        assert body["data"]["limits"]["rate_limit_per_minute"] == 100


@pytest.mark.asyncio
async def test_a_status_to_order_comes_once_with_its_headers():
    """An ordered status has the envelope and its own headers, which win; the next request is fine."""
    async with _serving(1) as (sandbox, session):
        sandbox.fail_next(Fault.status(503, headers={"Retry-After": "1", "x-ratelimit-remaining": "7"}))
        status, body, headers = await _get(session)
        assert (status, headers["Retry-After"], headers.getall("X-RateLimit-Remaining")) == (503, "1", ["7"])
        assert body == {
            "status_code": 503,
            "message": "Service Unavailable",
            "error": {"code": "SERVICE_UNAVAILABLE", "details": []},
            "data": None,
        }
        assert (await _get(session))[0] == 200


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"\xff\x00", {}, (b"\xff\x00", "application/json; charset=utf-8")),
        ("<h1>Bad</h1>", {"content-type": "text/html"}, (b"<h1>Bad</h1>", "text/html")),
        ({"a": 1}, {}, (b'{"a": 1}', "application/json; charset=utf-8")),
        ("", {}, (b"", "application/json; charset=utf-8")),
    ],
)
async def test_a_body_to_order(body, headers, expected):
    """An ordered body is sent as it is, under the type that is asked for; a status may be one that nobody knows."""
    async with _serving(1) as (sandbox, session):
        sandbox.fail_next(Fault.status(599, body=body, headers=headers))
        async with session.get(PATH) as response:
            assert (response.status, (await response.read(), response.headers["Content-Type"])) == (599, expected)


@pytest.mark.asyncio
async def test_an_unknown_status_has_an_envelope():
    """A status without a name in the standard still has an envelope."""
    async with _serving(1) as (sandbox, session):
        sandbox.fail_next(Fault.status(599))
        _, body, _ = await _get(session)
        assert (body["status_code"], body["error"]["code"]) == (599, "STATUS_599")


@pytest.mark.asyncio
async def test_a_reset_sends_no_byte():
    """A reset connection ends in ECONNRESET before any byte, and is logged without a status."""
    async with Sandbox(1) as sandbox:
        sandbox.fail_next(Fault.reset())
        host, port = sandbox.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: sandbox\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert [entry.status for entry in sandbox.requests] == [None]


@pytest.mark.asyncio
@pytest.mark.parametrize(("after", "received"), [(0, 0), (100, 100), (10**9, None)])
async def test_a_cut_body_promises_more_than_it_sends(after, received):
    """The headers promise the whole body, part of it comes, then the connection closes; the status was 200."""
    async with _serving(20) as (sandbox, session):
        async with session.get(PATH) as response:
            whole = len(await response.read())
        sandbox.fail_next(Fault.cut_body(after))
        async with session.get(PATH) as response:
            assert response.content_length == whole
            with pytest.raises(aiohttp.ClientPayloadError) as caught:
                await response.read()
        assert f"received {whole - 1 if received is None else received} of {whole} bytes" in str(caught.value)
        assert sandbox.requests[-1].status == 200
        assert (await _get(session))[0] == 200


@pytest.mark.asyncio
async def test_a_delay_and_a_drip_come_late_but_whole():
    """A delayed answer and one in drops are the normal answer."""
    async with _serving(5) as (sandbox, session):
        expected = (await _get(session))[1]
        for fault in (Fault.delay(0.05), Fault.drip(0.01, size=400)):
            sandbox.fail_next(fault)
            begun = time.perf_counter()
            assert (await _get(session))[1] == expected
            assert time.perf_counter() - begun > 0.04


@pytest.mark.asyncio
async def test_latency_holds_for_every_answer():
    """With a latency the answers take it, side by side."""
    async with _serving(1, latency=0.05) as (_, session):
        begun = time.perf_counter()
        answers = await asyncio.gather(*(_get(session) for _ in range(10)))
        assert [status for status, _, _ in answers] == [200] * 10
        assert 0.05 <= time.perf_counter() - begun < 0.4


@pytest.mark.asyncio
async def test_a_share_of_the_requests_fails_until_cleared():
    """About the ordered share fails, the same requests each time; after clearing none does."""
    runs = []
    for _ in range(2):
        async with _serving(1) as (sandbox, session):
            sandbox.fail_share(Fault.status(500), 0.3, seed=1)
            runs.append([(await _get(session))[0] for _ in range(100)])
            sandbox.clear_faults()
            assert {(await _get(session))[0] for _ in range(20)} == {200}
    assert runs[0] == runs[1]
    assert 15 < runs[0].count(500) < 45


@pytest.mark.asyncio
async def test_faults_hit_whatever_comes_and_count_against_the_quota():
    """A fault hits a request without a key too, is logged and spends quota like any other."""
    async with _serving(1) as (sandbox, session):
        sandbox.fail_next(Fault.status(502), times=2)
        assert (await _get(session, headers={"Authorization": "no"}))[0] == 502
        assert (await _get(session))[2]["X-RateLimit-Remaining"] == "299"
        assert (await _get(session))[2]["X-RateLimit-Remaining"] == "298"
        assert [entry.status for entry in sandbox.requests] == [502, 502, 200]


@pytest.mark.asyncio
async def test_the_log_tells_all_but_the_key():
    """The log has method, path, query, status and headers, in order, and no key, right or wrong; it can be cleared."""
    async with _serving(1) as (sandbox, session):
        await _get(session, params={"limit": "5", "agent_id": "a b"}, headers={"X-Test": "1"})
        await _get(session, headers={"Authorization": "Bearer sk_wrong"})
        first, second = sandbox.requests
        assert _told(first) == ("GET", PATH, {"limit": "5", "agent_id": "a b"}, 200)
        assert (first.headers["X-Test"], first.headers["Authorization"]) == ("1", "***")
        assert second.status == 401
        told = repr([(entry, entry.headers) for entry in sandbox.requests]) + repr(sandbox)
        assert sandbox.api_key not in told
        assert "sk_" not in told
        sandbox.clear_requests()
        assert sandbox.requests == []


def _told(entry: LoggedRequest):
    return entry.method, entry.path, entry.query, entry.status


@pytest.mark.asyncio
async def test_a_listing_that_changes_shows_in_the_next_page():
    """A batch added between two pages pushes the last one of the first page onto the second."""
    async with _serving(6) as (sandbox, session):
        first = (await _get(session, params={"limit": 3}))[1]["data"]
        sandbox.add_batch()
        second = (await _get(session, params={"limit": 3, "page": 2}))[1]["data"]
        assert second["items"][0] == first["items"][2]
        assert second["total"] == first["total"] + 1 == 7
