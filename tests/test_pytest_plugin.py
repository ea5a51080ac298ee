"""The pytest plugin, tried as its users would: in pytest runs of their own."""

import subprocess
import sys
import textwrap
import threading

import pytest

import techladder_async._api  # what is imported here is not imported again in each of the runs
import techladder_async.sandbox  # noqa: F401

pytest_plugins = ["pytester"]

PLUGIN = "techladder_async.pytest_plugin"
UNUSED = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")  # they would take most of a run's time

# Every run ends with this check: whatever a test did with its client, it is closed, and so is the sandbox.
CONFTEST = f"""
    import gc
    import threading

    import pytest

    from techladder_async import AsyncTechLadder

    pytest_plugins = ["{PLUGIN}"]
    made = []


    @pytest.fixture(autouse=True)
    def remember(request):
        if "techladder_client" in request.fixturenames:
            made.append(request.getfixturevalue("techladder_client"))


    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(session):
        assert all(client.closed for client in made)
        made.clear()
        gc.collect()
        assert not [thread for thread in threading.enumerate() if thread.name == "techladder-sandbox"]
"""

READS_ALL = """
    import pytest

    pytestmark = {marks}


    async def test_function(techladder_client, techladder_sandbox):
        assert [batch.schedule_id async for batch in techladder_client.call_batches.list()] == [
            batch["schedule_id"] for batch in techladder_sandbox.batches
        ]


    @pytest.mark.parametrize("limit", [1, 7])
    async def test_parameters(techladder_client, limit):
        assert len(await techladder_client.call_batches.list(limit=limit)) == limit


    class TestClass:
        async def test_method(self, techladder_client):
            assert len(await techladder_client.call_batches.list().collect()) == 500

        async def test_closes_it_itself(self, techladder_client):
            async with techladder_client:
                assert await techladder_client.call_batches.list().first()
            assert techladder_client.closed

        async def test_never_uses_it(self, techladder_client):
            assert not techladder_client.closed

        async def test_leaves_a_walk_open(self, techladder_client):
            async for _ in techladder_client.call_batches.list(limit=10, prefetch=3):
                break
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Return a function that runs a test file under `-W error` in a pytest of its own, in this process."""
    # pytest warns of a plugin that was imported before it could rewrite its assertions: another test may have done so.
    monkeypatch.delitem(sys.modules, PLUGIN, raising=False)

    def run(source, ini="asyncio_mode = strict", **outcomes):
        pytester.makeini(f"[pytest]\n{ini}\nasyncio_default_fixture_loop_scope = function\n")
        pytester.makeconftest(textwrap.dedent(CONFTEST))
        pytester.makepyfile(textwrap.dedent(source))
        result = pytester.runpytest_inprocess("-W", "error", *UNUSED, "-q")
        result.assert_outcomes(**outcomes)
        return result

    return run


@pytest.mark.parametrize(
    ("marks", "mode"),
    [("pytest.mark.asyncio", "strict"), ("[]", "auto"), ("pytest.mark.anyio", "strict")],
    ids=["asyncio-strict", "asyncio-auto", "anyio"],
)
def test_every_async_plugin_is_served(run, marks, mode):
    """Functions, parameters and methods use the client under each plugin, and it is closed in the end."""
    backend = "" if "anyio" not in marks else "@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    run(textwrap.dedent(READS_ALL).format(marks=marks) + backend, ini=f"asyncio_mode = {mode}", passed=7)


def test_sync_tests_are_served(run):
    """A test without any plugin runs a loop of its own, with `async with` or without; sandboxes need no loop at all."""
    run(
        """
        import asyncio
        import urllib.request

        def test_with(techladder_client):
            async def program():
                async with techladder_client as client:
                    return await client.call_batches.list().collect()
            assert len(asyncio.run(program())) == 500

        def test_without(techladder_client):
            async def program():
                return await techladder_client.call_batches.list()
            assert len(asyncio.run(program())) == 50

        def test_sandbox_alone(techladder_sandbox):
            request = urllib.request.Request(techladder_sandbox.url + "/api/v1/public/call-batches")
            request.add_header("Authorization", f"Bearer {techladder_sandbox.api_key}")
            with urllib.request.urlopen(request) as answer:
                assert answer.status == 200
        """,
        passed=3,
    )


def test_the_client_outlives_the_fixtures_that_use_it(run):
    """An async fixture may use the client before the test and after it, also when the test itself is no coroutine."""
    run(
        """
        import pytest
        import pytest_asyncio

        @pytest_asyncio.fixture
        async def newest(techladder_client):
            yield await techladder_client.call_batches.list().first()
            assert await techladder_client.call_batches.list().first()

        @pytest.mark.asyncio
        async def test_async(newest, techladder_client):
            assert newest == (await techladder_client.call_batches.list()).items[0]

        def test_sync(newest):
            assert newest.schedule_id
        """,
        passed=2,
    )


def test_loops_that_outlive_the_test_are_served(run):
    """A client that was used in the loop of a whole module, or of a thread, is closed before the next test begins."""
    run(
        """
        import asyncio
        import threading

        import pytest
        from conftest import made

        @pytest.mark.asyncio(loop_scope="module")
        @pytest.mark.parametrize("turn", [0, 1])
        async def test_module(techladder_client, turn):
            assert [client.closed for client in made] == [True] * turn + [False]
            assert await techladder_client.call_batches.list().first()

        @pytest.fixture(scope="module")
        def loop():
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever)
            thread.start()
            yield loop
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

        @pytest.mark.parametrize("turn", [2, 3])
        def test_thread(loop, techladder_client, turn):
            assert [client.closed for client in made] == [True] * turn + [False]
            asyncio.run_coroutine_threadsafe(techladder_client.call_batches.list().first(), loop).result(5)
        """,
        passed=4,
    )


def test_faults_and_log_are_at_hand(run):
    """A test orders faults and reads the log; retries cost it no time."""
    run(
        """
        import time

        import pytest

        from techladder_async import RateLimitError, ServerError
        from techladder_async.sandbox import Fault

        pytestmark = pytest.mark.asyncio

        async def test_retried(techladder_client, techladder_sandbox):
            techladder_sandbox.fail_next(Fault.status(503), times=3)
            began = time.perf_counter()
            assert len(await techladder_client.call_batches.list(status="active", limit=5)) == 5
            assert time.perf_counter() - began < 0.4
            assert [request.status for request in techladder_sandbox.requests] == [503, 503, 503, 200]
            assert techladder_sandbox.requests[-1].query == {"status": "active", "limit": "5", "page": "1"}

        async def test_given_up(techladder_client, techladder_sandbox):
            techladder_sandbox.fail_share(Fault.status(500), 1.0)
            with pytest.raises(ServerError) as caught:
                await techladder_client.call_batches.list()
            assert caught.value.attempts == 4
        """,
        passed=2,
    )


def test_options_are_overridden(run):
    """The options' fixtures change the sandbox and the client, and a client made by `with_options` is closed too."""
    run(
        """
        import pytest

        from techladder_async import RetryPolicy, ServerError
        from techladder_async.sandbox import Fault

        @pytest.fixture
        def techladder_sandbox_options():
            return {"batches": 3, "seed": 7}

        @pytest.fixture
        def techladder_client_options():
            return {"retry": RetryPolicy.none()}

        @pytest.mark.asyncio
        async def test_options(techladder_client, techladder_sandbox):
            techladder_sandbox.fail_next(Fault.status(500))
            with pytest.raises(ServerError):
                await techladder_client.call_batches.list()
            assert len(await techladder_client.call_batches.list()) == 3

        @pytest.mark.asyncio
        async def test_derived(techladder_client):
            async def mine(request, handler):
                return await handler(request)
            assert await techladder_client.with_options(middlewares=[mine]).call_batches.list().first()
        """,
        passed=2,
    )


def test_a_failing_test_fails_alone(run):
    """A test that fails or is cancelled during a request is reported as such, and what it opened is closed."""
    result = run(
        """
        import asyncio

        import pytest

        from techladder_async.sandbox import Fault

        pytestmark = pytest.mark.asyncio

        async def test_fails(techladder_client):
            assert await techladder_client.call_batches.list().first() is None

        async def test_times_out(techladder_client, techladder_sandbox):
            techladder_sandbox.fail_next(Fault.delay(30))
            async with asyncio.timeout(0.05):
                await techladder_client.call_batches.list()

        async def test_leaves_a_request_behind(techladder_client, techladder_sandbox):
            techladder_sandbox.fail_next(Fault.delay(30))
            task = asyncio.create_task(techladder_client.call_batches.list().first())
            await asyncio.sleep(0.01)
            assert not task.done()
        """,
        failed=2,
        passed=1,
    )
    result.stdout.fnmatch_lines(["*test_fails - *", "*test_times_out - TimeoutError*"])
    result.stdout.no_fnmatch_line("*sk_*")
    assert not [thread for thread in threading.enumerate() if thread.name == "techladder-sandbox"]


def test_it_is_light_and_opt_in():
    """Loading the plugin brings in nothing beyond the package's own import; pytest does not load it by itself."""
    program = (
        "import pytest, techladder_async, sys; before = set(sys.modules);"
        f"import {PLUGIN};"
        f"print(*sorted(set(sys.modules) - before - {{{PLUGIN!r}}}));"
        "print(*(name for name in ('aiohttp.web', 'cattrs', 'msgspec') if name in sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout == "\n\n"
    program = "import pytest, sys; pytest.main(['--version']); print('techladder_async' in sys.modules)"
    started = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert started.stdout.splitlines()[-1] == "False"
