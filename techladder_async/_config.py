"""The client's settings, checked. This is the only place that reads the environment."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
from typing import TYPE_CHECKING

import attrs
from yarl import URL

from .errors import ConfigurationError

if TYPE_CHECKING:
    from typing import Self

DEFAULT_BASE_URL = "https://api.staging.techladder.ai"
"""The only host that the vendor documents."""
DEFAULT_MAX_RESPONSE_BYTES = 16 * 1024 * 1024

_KEY = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.ASCII | re.IGNORECASE)
_LONGEST_HOST = 253
_LOG_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO}


@attrs.frozen
class Settings:
    """Where to send requests, and with which key. The key is in no repr."""

    api_key: str = attrs.field(repr=False)
    base_url: str
    """Scheme, host, port and path prefix, with no slash at its end."""
    max_response_bytes: int

    @classmethod
    def resolve(
        cls, api_key: str | None, base_url: str | None, *, allow_insecure: bool, max_response_bytes: int
    ) -> Self:
        """Fill in from the environment and check. Raises `ConfigurationError`."""
        return cls(
            _checked_key(os.environ.get("TECHLADDER_API_KEY") if api_key is None else api_key),
            _checked_url(_given_url(base_url), allow_insecure=allow_insecure),
            _checked_size(max_response_bytes),
        )


def _checked_key(key: str | None) -> str:
    if key is None:
        msg = "there is no API key: pass api_key=..., or set TECHLADDER_API_KEY"
        raise ConfigurationError(msg)
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        # The key itself stays out of the message.
        msg = "the API key is empty, or holds a space, a control character or a non-ASCII one: copy it again"
        raise ConfigurationError(msg)
    return key


def _given_url(base_url: str | None) -> str:
    return base_url if base_url is not None else os.environ.get("TECHLADDER_BASE_URL") or DEFAULT_BASE_URL


# What is wrong with a URL is told without the URL: it may hold a password, or be the key, given in the wrong place.
def _checked_url(text: str, *, allow_insecure: bool) -> str:
    url = _parsed(text)
    if url.scheme not in {"http", "https"} or not _is_host(url.raw_host or "") or url.explicit_port == 0:
        msg = "base_url must be https:// and a valid host, perhaps with a port and a path"
        raise ConfigurationError(msg)
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        msg = "base_url holds a user, a password, a query or a fragment: give scheme, host, port and path alone"
        raise ConfigurationError(msg)
    if url.scheme == "http" and not allow_insecure and not _is_loopback(url.host):
        msg = f"http://{url.raw_authority} would get the key unencrypted: use https, or pass allow_insecure=True"
        raise ConfigurationError(msg)
    return str(url).rstrip("/")


def _parsed(text: str) -> URL:
    # urllib and yarl drop some control characters silently; nobody means them.
    if not isinstance(text, str) or not text.isprintable() or " " in text:
        msg = "base_url must be a string without spaces and control characters"
        raise ConfigurationError(msg)
    try:
        return URL(text)
    except ValueError:
        msg = "base_url is no valid URL"
    raise ConfigurationError(msg)


def _is_host(host: str) -> bool:
    # Beyond these, looking up the name fails with a UnicodeError. The parser has checked what holds a colon (IPv6).
    return ":" in host or (len(host) <= _LONGEST_HOST and _HOST.fullmatch(host) is not None)


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _checked_size(size: int) -> int:
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        msg = f"max_response_bytes must be an integer of at least 1, not {size!r}"
        raise ConfigurationError(msg)
    return size


def switch_on_logging() -> None:
    """Let `TECHLADDER_LOG=debug` or `info` show the log on stderr. Raises `ConfigurationError` for other values."""
    wanted = os.environ.get("TECHLADDER_LOG", "").strip().lower()
    if not wanted:
        return
    if wanted not in _LOG_LEVELS:
        msg = f"TECHLADDER_LOG must be debug or info, not {wanted!r}"
        raise ConfigurationError(msg)
    logger = logging.getLogger("techladder_async")
    logger.setLevel(_LOG_LEVELS[wanted])
    if not any(getattr(handler, "from_environment", False) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handler.from_environment = True  # type: ignore[attr-defined]  # a mark of our own, so that it is added once
        logger.addHandler(handler)
