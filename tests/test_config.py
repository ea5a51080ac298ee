"""The settings: key, base URL and log, from the caller or the environment, checked before anything is sent."""

import logging
import traceback

import pytest
from yarl import URL

from techladder_async import AsyncTechLadder, ConfigurationError
from techladder_async._config import DEFAULT_BASE_URL, Settings

KEY = "sk_" + "Zq9" * 21
MEBIBYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch):
    for name in ("TECHLADDER_API_KEY", "TECHLADDER_BASE_URL", "TECHLADDER_LOG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def logger():
    """Give the SDK's logger, and put it back as it was."""
    log = logging.getLogger("techladder_async")
    handlers, level = log.handlers[:], log.level
    yield log
    log.handlers[:] = handlers
    log.setLevel(level)


def resolved(api_key=KEY, base_url=None, *, allow_insecure=False, max_response_bytes=MEBIBYTE):
    """Return the settings that come of these."""
    return Settings.resolve(api_key, base_url, allow_insecure=allow_insecure, max_response_bytes=max_response_bytes)


def refused(match, **options):
    """Check that a client cannot be made, that the error says why, and that it shows no secret."""
    with pytest.raises(ConfigurationError, match=match) as caught:
        AsyncTechLadder(**{"api_key": KEY, **options})
    told = "".join(traceback.format_exception(caught.value)).rpartition("ConfigurationError: ")[2] + repr(caught.value)
    assert str(caught.value).isprintable()
    assert KEY not in told
    assert "hunter2" not in told
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        "sk_a b",
        " " + KEY,
        KEY + "\n",
        KEY + "\r\nX: y",
        "\t",
        "sk_\x00",
        "sk_\x7f",
        "sk_é",
        "sk_😀",
        "sk_\u200b",
    ],
)
def test_broken_key(monkeypatch, key):
    """A key that could not be sent as it is, is refused, also where it comes from the environment."""
    refused("API key is empty, or holds", api_key=key)
    if "\x00" not in key:
        monkeypatch.setenv("TECHLADDER_API_KEY", key)
        refused("API key is empty, or holds", api_key=None)


@pytest.mark.parametrize("key", [KEY.encode(), 5, True, ["sk_x"], object()])
def test_key_of_another_type(key):
    """A key that is no string is refused."""
    refused("API key is empty, or holds", api_key=key)


def test_no_key():
    """Without a key, the error names both ways to give one."""
    refused("pass api_key=..., or set TECHLADDER_API_KEY", api_key=None)


def test_environment(monkeypatch):
    """The environment is asked where the caller is silent, and only there."""
    monkeypatch.setenv("TECHLADDER_API_KEY", "sk_environment")
    monkeypatch.setenv("TECHLADDER_BASE_URL", "https://environment.example/")
    assert resolved(None).api_key == "sk_environment"
    assert resolved(None).base_url == "https://environment.example"
    assert resolved(KEY, "https://given.example") == Settings(KEY, "https://given.example", MEBIBYTE)
    refused("API key is empty", api_key="")


def test_default_host(monkeypatch):
    """Without a base URL, or with an empty one in the environment, it is the documented host."""
    assert resolved().base_url == DEFAULT_BASE_URL == "https://api.staging.techladder.ai"
    monkeypatch.setenv("TECHLADDER_BASE_URL", "")
    assert resolved().base_url == DEFAULT_BASE_URL


def test_environment_is_checked_too(monkeypatch):
    """A base URL from the environment has to be as good as one from the caller."""
    monkeypatch.setenv("TECHLADDER_BASE_URL", "http://example.com")
    refused("unencrypted", base_url=None)


@pytest.mark.parametrize(
    ("text", "base_url"),
    [
        ("https://h.example", "https://h.example"), ("https://h.example/", "https://h.example"),
        ("https://h.example///", "https://h.example"), ("https://h.example/v2/", "https://h.example/v2"),
        ("https://h.example:8443/a/b", "https://h.example:8443/a/b"), ("HTTPS://H.Example", "https://h.example"),
        ("https://bücher.example", "https://xn--bcher-kva.example"), ("https://h.example.", "https://h.example."),
        ("https://h.example:443", "https://h.example"), ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://[2001:db8::1]:9", "https://[2001:db8::1]:9"), ("https://a_b-c.example", "https://a_b-c.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"), ("http://127.1.2.3", "http://127.1.2.3"),
        ("http://[::1]:8000/x", "http://[::1]:8000/x"), ("http://localhost:8000/", "http://localhost:8000"),
        ("http://LOCALHOST", "http://localhost"),
    ],
)  # fmt: skip
def test_base_url(text, base_url):
    """Take https to any host and http to this one, without the slashes at the end."""
    assert resolved(base_url=text).base_url == base_url


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "x", "example.com", "//example.com", "https:", "https://", "https:///path", "https:example.com", "ftp://h",
        "file:///etc/hosts", "ws://h", "javascript:alert(1)", "https://h:0", "https://h:65536", "https://h:-1",
        "https://h:http", "https://[::1", "https://[zz]", "https://a..b", "https://" + "a" * 64, "https://<h>", "https://h,i",
        "https://" + "a." * 130 + "b", "https://h%00", "https://h\\@i", "https://*.example", "ftp://u:hunter2@h", KEY,
        f"//{KEY}@h", f"https://{KEY}:x@[",
    ],
)  # fmt: skip
def test_broken_base_url(text):
    """What is no http(s) URL with a valid host is refused, and not shown: it may be a key or hold a password."""
    refused("base_url (must be https:// and a valid host|is no valid URL)", base_url=text)


@pytest.mark.parametrize(
    "text",
    [
        "https://h h",
        " https://h",
        "https://h\n",
        "https://h/\r\nX: y",
        "https://h/\x00",
        "https://h\u202e",
        "\thttp://h",
    ],
)
def test_base_url_with_characters_that_nobody_means(text):
    """Spaces and control characters are refused, not dropped."""
    refused("spaces and control characters", base_url=text)


@pytest.mark.parametrize("value", [5, True, b"https://h", URL("https://h"), ["https://h"]])
def test_base_url_of_another_type(value):
    """A base URL that is no string is refused."""
    refused("base_url must be a string", base_url=value)


@pytest.mark.parametrize(
    "text",
    [
        "https://u@h", "https://u:hunter2@h", "https://:@h", "http://127.0.0.1:80@evil.example", f"https://{KEY}@h",
        "https://h?key=hunter2", "https://h/?a", "https://h#hunter2", "http://127.0.0.1#@evil.example",
    ],
)  # fmt: skip
def test_base_url_with_more_than_a_place(text):
    """A user, a password, a query or a fragment is refused, and not shown."""
    refused("holds a user, a password, a query or a fragment", base_url=text)


@pytest.mark.parametrize(
    "host",
    [
        "example.com", "0.0.0.0", "[::]", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil.example", "127.1",
        "2130706433", "0x7f000001", "localhostx", "[fe80::1]", "128.0.0.1",
    ],
)  # fmt: skip
def test_plain_http(host):
    """Plain http is for this machine alone, unless the caller allows it."""
    refused("unencrypted: use https, or pass allow_insecure=True", base_url=f"http://{host}:8000")
    assert resolved(base_url=f"http://{host}:8000", allow_insecure=True).base_url == f"http://{host}:8000"


def test_allowing_insecure_allows_nothing_else():
    """`allow_insecure=True` still refuses another scheme and a password."""
    refused("must be https://", base_url="ftp://h", allow_insecure=True)
    refused("holds a user", base_url="http://u:hunter2@h", allow_insecure=True)


@pytest.mark.parametrize("size", [0, -1, 1.5, "1", None, True, float("inf")])
def test_max_response_bytes(size):
    """The largest body is an integer of at least one."""
    refused("max_response_bytes must be an integer of at least 1", max_response_bytes=size)
    assert resolved(max_response_bytes=1).max_response_bytes == 1


def test_key_is_in_no_repr():
    """Neither the settings nor the client show the key."""
    client = AsyncTechLadder(KEY, base_url="https://h.example")
    shown = [repr(resolved()), str(resolved()), repr(client), str(client), f"{client.call_batches!r}"]
    assert KEY not in "".join(shown)
    assert "https://h.example" in repr(client)
    assert KEY not in repr(vars(client))


@pytest.mark.parametrize(
    ("value", "level"),
    [("debug", logging.DEBUG), ("DEBUG", logging.DEBUG), (" Info ", logging.INFO), ("info", logging.INFO)],
)
def test_log(monkeypatch, logger, capsys, value, level):
    """`TECHLADDER_LOG` shows the log from that level on, on stderr and once, however many clients there are."""
    monkeypatch.setenv("TECHLADDER_LOG", value)
    AsyncTechLadder(KEY)
    AsyncTechLadder(KEY)
    assert logger.level == level
    logger.log(level, "hello")
    assert capsys.readouterr().err.count("hello") == 1
    logger.log(level - 1, "finer")
    assert "finer" not in capsys.readouterr().err


@pytest.mark.parametrize("value", ["", "  "])
def test_no_log(monkeypatch, logger, value):
    """An empty `TECHLADDER_LOG` leaves the logger alone."""
    before = logger.handlers[:], logger.level
    monkeypatch.setenv("TECHLADDER_LOG", value)
    AsyncTechLadder(KEY)
    assert (logger.handlers[:], logger.level) == before


@pytest.mark.parametrize("value", ["nonsense", "1", "trace", "warning"])
def test_other_log_levels(monkeypatch, logger, value):
    """Another value is an error, before anything else is looked at."""
    monkeypatch.setenv("TECHLADDER_LOG", value)
    refused("TECHLADDER_LOG must be debug or info")
