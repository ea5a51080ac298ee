"""The documented API without HTTP: a path and a query in, a status and an envelope out."""

from __future__ import annotations

import functools
import http
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from .data import STATUSES
from .details import batch_calls, batch_details

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .quota import Quota
    from .state import Listing

PREFIX = "/api/v1/public"
_MAX_LIMIT, _MAX_CALLS_LIMIT = 100, 500

_MESSAGES = {
    401: ("UNAUTHORIZED", "Missing or invalid API key", "Provide a valid Bearer token in the Authorization header"),
    403: ("FORBIDDEN", "API access is not enabled", "API access is not enabled for this account"),
    422: ("VALIDATION_ERROR", "Invalid query parameters", "query: Not accepted"),
    429: ("RATE_LIMITED", "Rate limit exceeded. Please retry after 30 seconds.", "Maximum 300 requests per minute"),
}


class Answer(NamedTuple):
    """What the API answers."""

    status: int
    body: dict[str, Any]
    """The envelope."""


class InvalidQueryError(ValueError):
    """Some query parameters fail validation; `details` has a line for each."""

    def __init__(self, details: list[str]) -> None:
        super().__init__("; ".join(details))
        self.details = details


def success(message: str, data: Mapping[str, Any]) -> Answer:
    """Answer 200."""
    return Answer(200, {"status_code": 200, "message": message, "error": None, "data": data})


def failure(status: int, message: str, code: str, details: list[str]) -> Answer:
    """Answer with an error."""
    error = {"code": code, "details": details}
    return Answer(status, {"status_code": status, "message": message, "error": error, "data": None})


def failure_of(status: int) -> Answer:
    """Answer with an error as it is documented for a status, or else in the words of the HTTP standard."""
    if status in _MESSAGES:
        code, message, detail = _MESSAGES[status]
        return failure(status, message, code, [detail])
    known = status in http.HTTPStatus.__members__.values()
    phrase = http.HTTPStatus(status).phrase if known else f"Status {status}"
    return failure(status, phrase, re.sub(r"\W+", "_", phrase).upper(), [])


def rate_limited(wait: int, rule: str) -> Answer:
    """Answer 429."""
    return failure(429, f"Rate limit exceeded. Please retry after {wait} seconds.", "RATE_LIMITED", [rule])


class Api:
    """The endpoints that read. `max_limit` lowers a larger limit without a word, as a server may."""

    def __init__(self, listing: Listing, quota: Quota, max_limit: int) -> None:
        self._listing = listing
        self._per_minute = max(1, round(quota.limit * 60 / quota.window))
        self._max_limit = max_limit

    def answer(self, method: str, path: str, query: Mapping[str, str]) -> Answer:
        """Answer a request whose key is good."""
        handler = self._route(path)
        if handler is None:
            return failure(404, "Resource not found", "NOT_FOUND", [f"No resource at {path}"])
        if method != "GET":
            return failure(405, "Method not allowed", "METHOD_NOT_ALLOWED", [f"{method}: Must be GET"])
        try:
            return handler(query)
        except InvalidQueryError as exc:
            return failure(422, "Invalid query parameters", "VALIDATION_ERROR", exc.details)

    def _route(self, path: str) -> Callable[[Mapping[str, str]], Answer] | None:
        if not path.startswith(PREFIX + "/"):
            return None
        match path.removeprefix(PREFIX + "/").split("/"):
            case ["me"]:
                return self._me
            case ["call-batches"]:
                return self._list_batches
            case ["call-batches", batch_id] if batch_id:
                return functools.partial(self._get_batch, batch_id)
            case ["call-batches", batch_id, "calls"] if batch_id:
                return functools.partial(self._list_calls, batch_id)
        return None

    def _me(self, _query: Mapping[str, str]) -> Answer:
        limits = {
            "max_batch_size": 10000,
            "max_concurrent_calls": 20,
            "max_call_duration_seconds": 900,
            "rate_limit_per_minute": self._per_minute,
        }
        account = {"account_id": "acc_5a4db0c1", "name": "Sandbox Account", "email": "sandbox@example.com"}
        return success("Account details fetched successfully", account | {"limits": limits})

    def _list_batches(self, query: Mapping[str, str]) -> Answer:
        details = _check_filters(query)
        limit = _number(query, "limit", 50, _MAX_LIMIT, details)
        page = _number(query, "page", 1, None, details)
        if details:
            raise InvalidQueryError(details)
        batches = self._listing.select(query.get("agent_id"), query.get("status"))
        return success("Call batches fetched successfully", _page(batches, page, min(limit, self._max_limit)))

    def _get_batch(self, batch_id: str, _query: Mapping[str, str]) -> Answer:
        batch = self._listing.get(batch_id)
        if batch is None:
            return _no_batch(batch_id)
        return success("Call batch fetched successfully", batch_details(batch))

    def _list_calls(self, batch_id: str, query: Mapping[str, str]) -> Answer:
        batch = self._listing.get(batch_id)
        if batch is None:
            return _no_batch(batch_id)
        details: list[str] = []
        limit = _number(query, "limit", 100, _MAX_CALLS_LIMIT, details)
        page = _number(query, "page", 1, None, details)
        if details:
            raise InvalidQueryError(details)
        wanted = {name: query[name] for name in ("status", "external_id") if name in query}
        calls = [call for call in batch_calls(batch) if wanted.items() <= {name: call[name] for name in wanted}.items()]
        return success("Batch calls fetched successfully", _page(calls, page, limit))


def _no_batch(batch_id: str) -> Answer:
    return failure(404, "Batch not found", "NOT_FOUND", [f"No batch found with id {batch_id}"])


def _check_filters(query: Mapping[str, str]) -> list[str]:
    details = []
    if query.get("agent_id") == "":
        details.append("agent_id: Must not be empty")
    if query.get("status", STATUSES[0]) not in STATUSES:
        details.append(f"status: Must be one of {', '.join(STATUSES)}")
    return details


def _number(query: Mapping[str, str], name: str, default: int, high: int | None, details: list[str]) -> int:
    """Read an integer from 1 to `high`; what is wrong with it is added to `details`."""
    text = query.get(name, str(default))
    if not re.fullmatch(r"-?[0-9]{1,19}", text):
        details.append(f"{name}: Must be an integer")
        return default
    number = int(text)
    if number < 1 or (high is not None and number > high):
        details.append(f"{name}: Must be at least 1" if high is None else f"{name}: Must be between 1 and {high}")
    return number


def _page(items: list[dict[str, Any]], page: int, limit: int) -> dict[str, Any]:
    end = page * limit
    return {
        "items": items[end - limit : end],
        "total": len(items),
        "page": page,
        "limit": limit,
        "has_more": end < len(items),
    }
