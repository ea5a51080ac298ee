"""`client.call_batches`: the call batches of an account (`GET /api/v1/public/call-batches`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from .._pagination import LARGEST_LIMIT, Bounds, Paginator
from .._text import holds_half_character
from .._walk import Listing
from .._wire import Request
from ..models import BatchStatus, CallBatch

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import TypeAlias

    from .._api import Api
    from .._page import Page
    from ..errors import TechLadderError

__all__ = ["CallBatches"]

PATH = "/api/v1/public/call-batches"

# The literals are what an editor completes; a string beyond them is sent, so that the server decides.
StatusFilter: TypeAlias = BatchStatus | Literal["pending", "active", "completed", "failed", "cancelled"] | str  # noqa: PYI051  see above


class CallBatches:
    """The account's call batches."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(
        self,
        *,
        agent_id: str | None = None,
        status: StatusFilter | None = None,
        limit: int | None = None,
        page: int = 1,
        max_items: int | None = None,
        prefetch: int = 1,
        exact: bool = False,
    ) -> Paginator[CallBatch]:
        """List the call batches. Nothing is sent until the result is awaited (one page) or iterated (all of them).

        Args:
            agent_id: Only this agent's batches.
            status: Only batches with this status. A string that the SDK does not know is sent: the API decides.
            limit: Size of a page, 1 to 100. Without it, a single page has the API's own default (50), and a walk asks
                for the largest, since the rate limit counts requests.
            page: The page to begin with, from 1.
            max_items: End a walk after so many items.
            prefetch: How many later pages are under way while the caller works on one; 0 asks for one after the other.
            exact: Make sure that nothing is lost while the listing changes during the walk, at the cost of more
                requests when it does; `report.settled` says whether that succeeded.

        Raises:
            TypeError, ValueError: An argument makes no sense. Nothing has been sent.

        """
        _check_text("agent_id", agent_id)
        _check_text("status", status)
        _check_number("limit", limit, 1, LARGEST_LIMIT)
        _check_number("page", page, 1)
        _check_number("max_items", max_items, 1)
        _check_number("prefetch", prefetch, 0)
        if page is None or prefetch is None or not isinstance(exact, bool):
            msg = "page and prefetch must be integers, and exact a bool"
            raise TypeError(msg)
        bounds = Bounds(limit=limit, page=page, max_items=max_items, prefetch=prefetch, exact=exact)
        return Paginator(self._listing(agent_id=agent_id, status=status), bounds)

    def _listing(self, **filters: str | None) -> Listing[CallBatch]:
        # str.__str__, since an enum of the caller's own may print as its name.
        fixed = {name: str.__str__(value) for name, value in filters.items() if value is not None}

        def request(number: int, size: int | None) -> Request:
            sizes = {} if size is None else {"limit": f"{size:d}"}
            return Request("GET", PATH, {**fixed, **sizes, "page": f"{number:d}"})

        def fetch(number: int, size: int | None) -> Coroutine[Any, Any, Page[CallBatch]]:
            return self._api.get_page(request(number, size), CallBatch)

        def explain(error: TechLadderError, number: int, size: int | None) -> None:
            self._api.explain(error, request(number, size))

        return Listing(fetch, explain, _ids)


def _ids(batches: Sequence[CallBatch]) -> list[str]:
    return [batch.schedule_id for batch in batches]


def _check_text(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        msg = f"{name} must be a string, not {type(value).__name__}"
        raise TypeError(msg)
    if not value:
        msg = f"{name} is empty: leave it out to list everything"
        raise ValueError(msg)
    if holds_half_character(value):  # found here, and not with the first request
        msg = f"{name} holds half a character, a lone surrogate: {value!r}"
        raise ValueError(msg)


def _check_number(name: str, value: object, lowest: int, highest: int | None = None) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"{name} must be an integer, not {type(value).__name__}"
        raise TypeError(msg)
    if value < lowest or (highest is not None and value > highest):
        allowed = f"at least {lowest}" if highest is None else f"between {lowest} and {highest}"
        msg = f"{name} must be {allowed}, not {value}"
        raise ValueError(msg)
