"""A headless Chromium, driven over the DevTools protocol: just what a test of one page needs."""

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import aiohttp

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # it runs as root in containers
    "--remote-debugging-port=0",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
_START = 20  # seconds


@contextlib.contextmanager
def browser():
    """Give the DevTools address of a browser of its own; its processes and its profile are gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [EXECUTABLE, *_FLAGS, f"--user-data-dir={profile}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield _address(Path(profile, "DevToolsActivePort"), process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _address(file, process):
    deadline = time.monotonic() + _START
    while not (file.exists() and len(lines := file.read_text().splitlines()) > 1):
        assert process.poll() is None, "the browser ended before it listened"
        assert time.monotonic() < deadline, "the browser does not listen"
        time.sleep(0.02)
    return f"http://127.0.0.1:{lines[0]}"


@contextlib.asynccontextmanager
async def tab(address, url, *, width=1200, height=900, dark=False):
    """Give a tab with the page at `url`, in a window of this size."""
    async with aiohttp.ClientSession(address) as session:
        async with session.put("/json/new?about:blank") as response:
            target = await response.json()
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Tab(socket)
            await page.prepare(width, height, dark=dark)
            await page.call("Page.navigate", url=url)
            await page.until("location.protocol === 'http:' && document.readyState === 'complete'")
            yield page
        async with session.get(f"/json/close/{target['id']}"):
            pass


class Tab:
    """A page in the browser."""

    def __init__(self, socket):
        self._socket = socket
        self._numbers = itertools.count(1)
        self.complaints = []  # what the console was told: script errors, breaches of the CSP, failed loads

    async def prepare(self, width, height, *, dark):
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    async def call(self, method, **params):
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json(timeout=10)
            if message.get("method") == "Log.entryAdded":
                self.complaints.append(message["params"]["entry"]["text"])
            if message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(message["params"]["exceptionDetails"]["exception"]["description"])
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def value(self, expression):
        """Return what a JavaScript expression gives."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression, seconds=8):
        """Wait until a JavaScript expression holds, and return what it gives."""
        async with asyncio.timeout(seconds):
            while not (value := await self.value(expression)):  # noqa: ASYNC110  the page has to be asked
                await asyncio.sleep(0.02)
        return value

    async def press(self, key, code=0, text=""):
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text
            )

    async def screenshot(self):
        """Return what the window shows, as PNG."""
        shot = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])
