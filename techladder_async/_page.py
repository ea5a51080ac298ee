"""`Page`: one page of a listing, as the server answered it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")


@attrs.frozen
class Page(Generic[T]):
    """One page of a listing. Iterating gives its items, `len()` counts them."""

    items: tuple[T, ...]
    """The items, in the server's order."""
    total: int
    """How many items the whole listing had when this page was answered."""
    page: int
    """The page's number, from 1."""
    limit: int
    """The size of a page, as the server applied it: it may be lower than what was asked for."""
    has_more: bool
    """Whether the server says that another page follows."""
    _load_next: Callable[[], Awaitable[Page[T]]] | None = attrs.field(default=None, repr=False, eq=False, kw_only=True)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def has_next_page(self) -> bool:
        """Return whether `get_next_page` has a page to get."""
        return self.has_more

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        # A copy is not tied to the client, which does not pickle.
        return type(self), (self.items, self.total, self.page, self.limit, self.has_more)

    async def get_next_page(self) -> Page[T]:
        """Fetch the page after this one.

        Raises `RuntimeError` on the last page, and on a page that was made by hand, copied or unpickled; otherwise what
        awaiting a list raises.
        """
        if not self.has_more:
            msg = f"page {self.page} is the last one: check has_next_page() before get_next_page()"
            raise RuntimeError(msg)
        if self._load_next is None:
            msg = "this page is not tied to a client: list the call batches again with page=…"
            raise RuntimeError(msg)
        return await self._load_next()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic, and so FastAPI, read, write and describe `Page[CallBatch]`."""
        from ._pydantic import page_schema  # noqa: PLC0415  only pydantic comes here: it is not needed otherwise

        return page_schema(source, handler)
