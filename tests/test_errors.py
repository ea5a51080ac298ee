"""The errors: their tree, their text, and that they pickle and copy with all they know."""

import copy
import pickle

import pytest

from techladder_async import Attempt, errors
from techladder_async.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
    ResponseDecodeError,
    ServerError,
    TechLadderError,
    ValidationError,
)

TREE = {
    TechLadderError: (Exception,),
    ConfigurationError: (TechLadderError, ValueError),
    APIConnectionError: (TechLadderError,),
    APITimeoutError: (APIConnectionError, TimeoutError),
    ResponseDecodeError: (TechLadderError,),
    PaginationError: (TechLadderError,),
    APIStatusError: (TechLadderError,),
    BadRequestError: (APIStatusError,),
    AuthenticationError: (APIStatusError,),
    PermissionDeniedError: (APIStatusError,),
    NotFoundError: (APIStatusError,),
    ValidationError: (APIStatusError,),
    RateLimitError: (APIStatusError,),
    ServerError: (APIStatusError,),
}
COPIES = [
    *[lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol)) for protocol in range(6)],
    copy.copy,
    copy.deepcopy,
]
FACTS = {
    "method": "GET",
    "url": "https://api.example/x?page=3",
    "page": 3,
    "attempts": 2,
    "history": (Attempt(None, "reset", 0.5), Attempt(503, None, None)),
}
STATUS_FACTS = {
    "status_code": 429,
    "code": "RATE_LIMITED",
    "message": "Too\nmuch",
    "details": ("a", "b"),
    "headers": {"Retry-After": "30"},
    "retry_after": 0.0,
}


def facts_of(kind):
    """Return a value for everything that an error of this class knows."""
    return {**FACTS, **STATUS_FACTS} if issubclass(kind, APIStatusError) else FACTS


def full(kind):
    """Return an error of this class with a value for everything that it knows, and a note."""
    error = kind("it failed", **facts_of(kind))
    error.add_note("list(..., page=3) goes on")
    return error


def test_tree():
    """The tree is the one of the module's docstring, and every class is exported."""
    exported = {getattr(errors, name) for name in errors.__all__}
    assert exported == set(TREE)
    assert {kind: kind.__bases__ for kind in exported} == TREE


@pytest.mark.parametrize("kind", TREE)
def test_attributes(kind):
    """An error keeps all that it is made with."""
    error = full(kind)
    for name, value in facts_of(kind).items():
        assert getattr(error, name) == value
    assert str(error) == "it failed [GET https://api.example/x?page=3, after 2 attempts]"


@pytest.mark.parametrize("kind", TREE)
def test_defaults(kind):
    """An error can be made of its text alone, and knows nothing else then."""
    error = kind("it failed")
    assert str(error) == "it failed"
    assert (error.method, error.url, error.page, error.attempts, error.history) == (None, None, None, 0, ())
    if issubclass(kind, APIStatusError):
        assert (error.code, error.message, error.details, error.retry_after) == (None, "", (), None)
        assert dict(error.headers) == {}
    assert str(kind()) == ""


@pytest.mark.parametrize("kind", TREE)
@pytest.mark.parametrize("duplicate", COPIES)
def test_pickles_and_copies(kind, duplicate):
    """A pickled or copied error has its class, text, facts and notes."""
    error = full(kind)
    twin = duplicate(error)
    assert type(twin) is kind
    assert str(twin) == str(error)
    assert twin.args == error.args
    assert twin.__notes__ == ["list(..., page=3) goes on"]
    for name, value in facts_of(kind).items():
        assert getattr(twin, name) == value


def test_what_is_added_later_is_copied_too():
    """What the client writes on an error after it was raised is in its copies."""
    error = APITimeoutError("too late")
    error.page, error.history = 7, (Attempt(None, "timeout", None),)
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.page, twin.history, str(twin)) == (7, error.history, "too late")


@pytest.mark.parametrize("duplicate", COPIES)
def test_headers_are_looked_up_without_regard_to_case(duplicate):
    """Headers are found whatever the case of their names, in a copy too, and are the error's own."""
    given = {"Retry-After": "30"}
    error = duplicate(RateLimitError("x", headers=given))
    given.clear()
    assert error.headers["retry-after"] == error.headers["RETRY-AFTER"] == "30"
    assert error.headers.get("missing") is None


def test_one_attempt_is_not_told():
    """The text tells the number of attempts only where there were several."""
    assert str(NotFoundError("x", method="GET", url="u", attempts=1)) == "x [GET u]"


def test_builtin_handlers_catch():
    """`except TimeoutError` and `except ValueError` catch what they should."""
    with pytest.raises(TimeoutError):
        raise APITimeoutError("x")
    with pytest.raises(ValueError, match="x"):
        raise ConfigurationError("x")
    assert APITimeoutError("x").errno is None
