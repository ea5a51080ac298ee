"""Everything that the SDK raises on purpose.

    TechLadderError
    ├── ConfigurationError (also ValueError)
    ├── APIConnectionError             no usable answer: DNS, refused, reset, cut off
    │   └── APITimeoutError            (also TimeoutError)
    ├── ResponseDecodeError            answered, but not in the documented shape
    ├── PaginationError                the listing breaks its own contract
    └── APIStatusError                 the API said no
        ├── BadRequestError 400
        ├── AuthenticationError 401
        ├── PermissionDeniedError 403
        ├── NotFoundError 404
        ├── ValidationError 422
        ├── RateLimitError 429
        └── ServerError 5xx

Each pickles and copies, prints as one line that says what happened and what to do, and never holds the API key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._wire import Attempt

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "NotFoundError",
    "PaginationError",
    "PermissionDeniedError",
    "RateLimitError",
    "ResponseDecodeError",
    "ServerError",
    "TechLadderError",
    "ValidationError",
]


class TechLadderError(Exception):
    """The base of every error that the SDK raises on purpose."""

    # Every argument but the first has a default and lives in __dict__: that is what makes the errors pickle and copy.
    def __init__(
        self,
        text: str = "",
        *,
        method: str | None = None,
        url: str | None = None,
        page: int | None = None,
        attempts: int = 0,
        history: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(text)
        self.method = method
        """The request's HTTP method, or `None` where no request was made."""
        self.url = url
        """The request's URL with its query, or `None` where no request was made."""
        self.page = page
        """The page that was asked for; in a walk, the page to go on from with `list(..., page=error.page)`."""
        self.attempts = attempts
        """How many times the request was sent."""
        self.history = history
        """Every try, the last one included."""

    def __str__(self) -> str:
        text = str(self.args[0]) if self.args else ""
        if self.method is None or self.url is None:
            return text
        tries = f", after {self.attempts} attempts" if self.attempts > 1 else ""
        return f"{text} [{self.method} {self.url}{tries}]"


class ConfigurationError(TechLadderError, ValueError):
    """The client was given something that it cannot work with. Nothing has been sent."""


class APIConnectionError(TechLadderError):
    """There is no usable answer: the name did not resolve, the connection was refused, reset or cut off."""


class APITimeoutError(APIConnectionError, TimeoutError):
    """There was no complete answer in time."""


class ResponseDecodeError(TechLadderError):
    """The API answered, but not in the documented shape. The text names the place in the answer."""


class PaginationError(TechLadderError):
    """The listing breaks its own contract: the walk ended so as not to lose, repeat or wait for ever."""


class APIStatusError(TechLadderError):
    """The API answered with an error."""

    def __init__(
        self,
        text: str = "",
        *,
        status_code: int = 0,
        code: str | None = None,
        message: str = "",
        details: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        method: str | None = None,
        url: str | None = None,
        page: int | None = None,
        attempts: int = 0,
        history: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(text, method=method, url=url, page=page, attempts=attempts, history=history)
        self.status_code = status_code
        """The HTTP status, or the envelope's where that one carries the error."""
        self.code = code
        """The API's code for the error, such as `"UNAUTHORIZED"`."""
        self.message = message
        """The API's own sentence."""
        self.details = details
        """The API's own explanations, one for each parameter that it refused."""
        self.headers: Mapping[str, str] = CIMultiDict(headers or {})
        """The answer's headers, looked up without regard to case."""
        self.retry_after = retry_after
        """Seconds that the server asked to wait and that were not waited, or `None` where it asked for none."""


class BadRequestError(APIStatusError):
    """400: the request is malformed."""


class AuthenticationError(APIStatusError):
    """401: the API key is missing or invalid."""


class PermissionDeniedError(APIStatusError):
    """403: API access is not enabled for the account."""


class NotFoundError(APIStatusError):
    """404: there is no such resource, or it belongs to somebody else."""


class ValidationError(APIStatusError):
    """422: a parameter fails the API's validation; `details` names it."""


class RateLimitError(APIStatusError):
    """429: too many requests for one key. `retry_after` says how many seconds to wait."""


class ServerError(APIStatusError):
    """5xx: the API, or a proxy before it, failed."""
