"""The envelope around every answer, and the errors that are made of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from ._limits import stated_wait
from ._text import one_line
from ._wire import Attempt
from .errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResponseDecodeError,
    ServerError,
    ValidationError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._wire import Response

# Without the hook, a number too large for a float is an error, even in a field that nobody reads.
_ANY = msgspec.json.Decoder(float_hook=float)
_EXCERPT = 120
_LOWEST_STATUS, _LOWEST_ERROR, _HIGHEST_STATUS = 100, 400, 599

_CLASSES: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    422: ValidationError,
    429: RateLimitError,
}

_ADVICE = {
    200: "The API calls it a success and an error at once: treat it as failed",
    301: "Redirects are not followed, they could leak the key: set base_url to where this one leads",
    400: "Check the arguments and base_url",
    401: "Check the API key",
    403: "Ask TechLadder to enable API access for the account",
    404: "Check the identifier and base_url",
    422: "Correct the argument",
    429: "Send less, or wait",
    500: "Try again later",
}
_FAMILIES = {2: 200, 3: 301, 4: 400}


@attrs.frozen
class Envelope:
    """What an answer's envelope says of an error."""

    status_code: int | None
    message: str
    code: str | None
    details: tuple[str, ...]


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises `ResponseDecodeError`."""
    try:
        answer = _ANY.decode(body.decode("utf-8-sig"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        fault = one_line(str(error))
    else:
        if isinstance(answer, dict):
            return answer
        fault = f"it is {type(answer).__name__}, not an object"
    msg = f"the answer is no JSON object: {fault}. Check that base_url is the API's"
    raise ResponseDecodeError(msg)


def refusal(answer: Mapping[str, Any]) -> Envelope | None:
    """Return the envelope where it carries an error."""
    status, error = _status(answer.get("status_code")), answer.get("error")
    if error is None and (status is None or status < _LOWEST_ERROR):
        return None
    fields = error if isinstance(error, dict) else {"details": error}
    message, code = answer.get("message"), fields.get("code")
    return Envelope(
        status,
        message if isinstance(message, str) else "",
        code if isinstance(code, str) else None,
        _strings(fields.get("details")),
    )


def _status(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if _LOWEST_STATUS <= value <= _HIGHEST_STATUS else None


def _strings(details: object) -> tuple[str, ...]:
    if details is None:
        return ()
    values = details if isinstance(details, list) else [details]
    return tuple(value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in values)


def error_of(
    response: Response, redact: Callable[[str], str], now: float, envelope: Envelope | None = None
) -> APIStatusError:
    """Make the error of an answer that is none of success. `now` is in Unix seconds; the key is masked."""
    if envelope is None:
        envelope = _envelope_of(response)
    status = envelope.status_code if response.status < HTTPStatus.MULTIPLE_CHOICES else None
    status = response.status if status is None else status
    details = tuple(redact(detail) for detail in envelope.details)
    message = redact(envelope.message)
    code = None if envelope.code is None else redact(envelope.code)
    return _class_of(status)(
        redact(_text(status, code, message, details)),
        status_code=status,
        code=code,
        message=message,
        details=details,
        headers=response.headers,
        retry_after=stated_wait(status, response.headers, now),
        attempts=len(response.history) or 1,
        history=response.history or (Attempt(response.status, None, None),),
    )


def _envelope_of(response: Response) -> Envelope:
    try:
        envelope = refusal(parse_object(response.body))
    except ResponseDecodeError:
        envelope = None
    if envelope is not None:
        return envelope
    # Not the API's own answer: a proxy's page, say. An excerpt tells which.
    excerpt = one_line(response.body[: 8 * _EXCERPT].decode("utf-8", "replace"), _EXCERPT)
    return Envelope(None, excerpt, None, ())


def _class_of(status: int) -> type[APIStatusError]:
    return ServerError if status // 100 == 5 else _CLASSES.get(status, APIStatusError)  # noqa: PLR2004  5xx


def _text(status: int, code: str | None, message: str, details: tuple[str, ...]) -> str:
    if not message:
        message = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "no message"
    explained = f" ({one_line('; '.join(details))})" if details else ""
    head = f"{status} {code}" if code else str(status)
    return f"{one_line(head)}: {one_line(message).rstrip('.')}{explained}{_advice(status)}"


def _advice(status: int) -> str:
    return f". {_ADVICE.get(status) or _ADVICE[_FAMILIES.get(status // 100, 500)]}"
