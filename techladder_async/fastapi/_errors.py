"""What the app answers when the API does not answer it well.

The texts are fixed ones, but for what the API says of a 404 or 422: callers learn what happened, not which hosts and
settings are behind the app. The whole error goes to the log `techladder_async.fastapi`.
"""

import logging
import math
from http import HTTPStatus
from typing import Any

import attrs
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from ..errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
    ResponseDecodeError,
    ServerError,
    TechLadderError,
    ValidationError,
)

_logger = logging.getLogger("techladder_async.fastapi")

_RETRY_AFTER = 30.0  # seconds; the documented text of a 429 asks for as many
_INTERNAL_ERROR, _TRY_AGAIN_LATER = 1011, 1013  # websocket close codes

# The first class that fits decides.
_ANSWERS: tuple[tuple[type[TechLadderError], HTTPStatus, str], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND, "Not found"),
    (ValidationError, HTTPStatus.UNPROCESSABLE_ENTITY, "Not valid"),
    (RateLimitError, HTTPStatus.SERVICE_UNAVAILABLE, "The TechLadder API's rate limit is reached: try again later"),
    (AuthenticationError, HTTPStatus.BAD_GATEWAY, "The TechLadder API does not accept this app's API key"),
    (PermissionDeniedError, HTTPStatus.BAD_GATEWAY, "The TechLadder API is not enabled for this app's account"),
    (ServerError, HTTPStatus.BAD_GATEWAY, "The TechLadder API failed"),
    (APITimeoutError, HTTPStatus.GATEWAY_TIMEOUT, "The TechLadder API did not answer in time"),
    (APIConnectionError, HTTPStatus.BAD_GATEWAY, "The TechLadder API could not be reached"),
    (ResponseDecodeError, HTTPStatus.BAD_GATEWAY, "The TechLadder API's answer could not be read"),
    (PaginationError, HTTPStatus.BAD_GATEWAY, "The TechLadder API's listing contradicts itself"),
    (TechLadderError, HTTPStatus.BAD_GATEWAY, "The TechLadder API refused this app's request"),
)


@attrs.frozen
class Answer:
    """What a caller is told."""

    status: int
    detail: Any
    """A sentence; for a 422 a list, in the shape of FastAPI's own."""
    headers: dict[str, str]


def add_exception_handlers(app: Starlette) -> None:
    """Let the app answer for the API's errors, as `{"detail": …}` and never with the key, a host or a setting.

    404 and 422 stay what they are, the 422 with the API's details. 429 becomes 503 and a time-out 504. A key that is
    refused (401, 403), 5xx, connection trouble and answers that make no sense become 502. `Retry-After`, in whole
    seconds, is on each 503, and wherever the API said when. A websocket is closed, with 1013 for a 429 and else 1011.

    `ConfigurationError` is the program's own fault and stays a 500. A handler of one's own for a class of these errors
    goes before.
    """
    handler: Any = _handle  # Starlette's types want one for requests or one for websockets: this is for both
    for kind in (APIStatusError, APIConnectionError, ResponseDecodeError, PaginationError):
        app.add_exception_handler(kind, handler)


async def _handle(connection: HTTPConnection, error: Exception) -> JSONResponse | None:
    if not isinstance(error, TechLadderError):
        raise error
    answer = answer_to(error)
    log(error, answer)
    if isinstance(connection, WebSocket):
        code = _TRY_AGAIN_LATER if isinstance(error, RateLimitError) else _INTERNAL_ERROR
        await connection.close(code, sentence(answer))
        return None
    return JSONResponse({"detail": answer.detail}, answer.status, answer.headers)


def answer_to(error: TechLadderError) -> Answer:
    """Return what to tell a caller of an error."""
    status, text = next((status, text) for kind, status, text in _ANSWERS if isinstance(error, kind))
    return Answer(status, _detail(error, text), _headers(error))


def sentence(answer: Answer) -> str:
    """Return the detail as one sentence."""
    return answer.detail if isinstance(answer.detail, str) else "; ".join(part["msg"] for part in answer.detail)


def log(error: TechLadderError, answer: Answer) -> None:
    """Log what the caller is not told. A 404 or 422 is the caller's own affair."""
    level = logging.WARNING if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.DEBUG
    _logger.log(level, "answered with %d: %s", answer.status, error)


def _detail(error: TechLadderError, text: str) -> Any:
    # Without a code, the message may be a proxy's page.
    said = error.message if isinstance(error, APIStatusError) and error.code else ""
    if isinstance(error, NotFoundError):
        return said or text
    if isinstance(error, ValidationError):
        return [_as_fastapi(line) for line in error.details] or [_as_fastapi(said or text)]
    return text


def _as_fastapi(line: str) -> dict[str, Any]:
    """Turn `status: Must be one of …` into an item of FastAPI's 422, so that callers read both alike."""
    name, colon, text = line.partition(": ")
    if colon and name.replace(".", "_").isidentifier():
        return {"type": "techladder", "loc": ["techladder", name], "msg": text}
    return {"type": "techladder", "loc": ["techladder"], "msg": line}


def _headers(error: TechLadderError) -> dict[str, str]:
    wait = error.retry_after if isinstance(error, APIStatusError) else None
    if wait is None and isinstance(error, RateLimitError):
        wait = _RETRY_AFTER
    return {} if wait is None else {"Retry-After": str(max(1, math.ceil(wait)))}
