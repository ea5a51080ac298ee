"""The sandbox without HTTP: the listing, the API's answers, the rate limit, the faults."""

import threading

import pytest
from hypothesis import given, settings, strategies as st

from techladder_async.sandbox import Fault, Sandbox, data
from techladder_async.sandbox.api import Api
from techladder_async.sandbox.faults import Faults
from techladder_async.sandbox.quota import Quota
from techladder_async.sandbox.state import Listing

PATH = "/api/v1/public/call-batches"
LISTING = Listing(137, 0)
API = Api(LISTING, Quota(300, 60.0, lambda: 0.0), 100)
agents = st.sampled_from([agent.agent_id for agent in data.AGENTS] + ["agt-00000000"])


def _ask(api=API, path=PATH, method="GET", **query):
    return api.answer(method, path, {name: str(value) for name, value in query.items()})


@settings(deadline=None)
@given(st.none() | agents, st.none() | st.sampled_from(data.STATUSES), st.integers(1, 100))
def test_the_pages_together_are_the_filtered_listing(agent_id, status, limit):
    """Walking by has_more gives every batch that matches, once and in order, with the right total on each page."""
    query = {name: value for name, value in {"agent_id": agent_id, "status": status}.items() if value is not None}
    expected = [batch for batch in data.make_batches(137, 0) if query.items() <= batch.items()]
    items, page, more = [], 0, True
    while more:
        page += 1
        answer = _ask(**query, limit=limit, page=page).body["data"]
        assert (answer["total"], answer["page"], answer["limit"]) == (len(expected), page, limit)
        assert len(answer["items"]) <= limit
        items += answer["items"]
        more = answer["has_more"]
    assert items == expected
    assert page == max(1, -(-len(expected) // limit))


@given(st.integers(3, 10**18))
def test_a_page_past_the_end_is_empty(page):
    """A page past the end has no items and no successor, but the total."""
    answer = _ask(page=page, limit=100)
    assert answer.status == 200
    assert answer.body["data"] == {"items": [], "total": 137, "page": page, "limit": 100, "has_more": False}


def test_the_defaults_are_the_first_page_of_50():
    """Without parameters the first 50 batches are answered, in the documented envelope."""
    answer = _ask()
    assert answer.status == answer.body["status_code"] == 200
    assert answer.body["message"] == "Call batches fetched successfully"
    assert answer.body["data"] == {
        "items": data.make_batches(50, 0), "total": 137, "page": 1, "limit": 50, "has_more": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "details"),
    [
        ({"status": "nope"}, ["status: Must be one of pending, active, completed, failed, cancelled"]),
        ({"limit": 0}, ["limit: Must be between 1 and 100"]),
        ({"limit": 101}, ["limit: Must be between 1 and 100"]),
        ({"limit": "-1"}, ["limit: Must be between 1 and 100"]),
        ({"limit": "ten"}, ["limit: Must be an integer"]),
        ({"limit": "1.0"}, ["limit: Must be an integer"]),
        ({"limit": "٣"}, ["limit: Must be an integer"]),
        ({"limit": ""}, ["limit: Must be an integer"]),
        ({"page": 0}, ["page: Must be at least 1"]),
        ({"page": "9" * 5000}, ["page: Must be an integer"]),
        ({"agent_id": ""}, ["agent_id: Must not be empty"]),
        (
            {"page": "x", "limit": 500, "status": "", "agent_id": ""},
            [
                "agent_id: Must not be empty",
                "status: Must be one of pending, active, completed, failed, cancelled",
                "limit: Must be between 1 and 100",
                "page: Must be an integer",
            ],
        ),
    ],
)
def test_invalid_parameters_are_a_422_with_a_line_for_each(query, details):
    """Every parameter that fails validation has its line in the details."""
    answer = _ask(**query)
    assert answer.status == 422
    assert answer.body == {
        "status_code": 422,
        "message": "Invalid query parameters",
        "error": {"code": "VALIDATION_ERROR", "details": details},
        "data": None,
    }


def test_a_server_may_lower_the_limit():
    """Above max_limit a limit is lowered without a word, and the answer says so."""
    api = Api(LISTING, Quota(300, 60.0, lambda: 0.0), 20)
    assert [_ask(api).body["data"]["limit"], _ask(api, limit=100).body["data"]["limit"]] == [20, 20]
    assert _ask(api, limit=101).status == 422


@pytest.mark.parametrize("path", ["/", PATH + "/", "/api/v1/publicme", "/api/v1/public/", PATH + "/a/calls/b"])
def test_an_unknown_path_is_a_404_in_the_envelope(path):
    """Paths that are not documented are not found, whatever the method."""
    answer = _ask(path=path, method="POST")
    assert (answer.status, answer.body["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("suffix", ["", "/calls"])
def test_an_unknown_batch_is_the_documented_404(suffix):
    """A batch that does not exist is named in the details."""
    answer = _ask(path=f"{PATH}/sched_00000000{suffix}")
    assert (answer.status, answer.body["message"]) == (404, "Batch not found")
    assert answer.body["error"] == {"code": "NOT_FOUND", "details": ["No batch found with id sched_00000000"]}


def test_one_batch_and_its_calls():
    """A batch of the listing can be had alone, and its calls in filtered pages."""
    batch = next(batch for batch in LISTING.select() if batch["completed_contacts"] > 3)
    path = f"{PATH}/{batch['schedule_id']}"
    one = _ask(path=path)
    assert one.body["message"] == "Call batch fetched successfully"
    assert batch.items() <= one.body["data"].items()
    calls = _ask(path=path + "/calls", status="completed", limit=3)
    assert calls.body["message"] == "Batch calls fetched successfully"
    assert (calls.body["data"]["total"], calls.body["data"]["has_more"]) == (batch["completed_contacts"], True)
    external_id = calls.body["data"]["items"][1]["external_id"]
    assert _ask(path=path + "/calls", external_id=external_id).body["data"]["items"] == calls.body["data"]["items"][1:2]
    assert _ask(path=path + "/calls", limit=501).body["error"]["details"] == ["limit: Must be between 1 and 500"]


def test_a_new_batch_stands_at_the_head():
    """A batch that is added is the first of the listing, pending, newer than the rest, and takes the fields given."""
    sandbox = Sandbox(3)
    first = sandbox.add_batch()
    second = sandbox.add_batch(agent_id=data.AGENTS[2].agent_id, status="completed", total_contacts=9, extra=[1])
    assert [batch["schedule_id"] for batch in sandbox.batches[:2]] == [second["schedule_id"], first["schedule_id"]]
    assert first["status"] == "pending"
    assert second["created_at"] > first["created_at"] > sandbox.batches[2]["created_at"]
    assert (second["agent_name"], second["extra"]) == (data.AGENTS[2].name, [1])
    assert second["completed_contacts"] + second["failed_contacts"] == 9


def test_batches_change_and_go():
    """An update keeps the place, a removal closes the gap, and filters see both at once."""
    sandbox = Sandbox(10)
    ids = [batch["schedule_id"] for batch in sandbox.batches]
    for schedule_id in ids:
        sandbox.update_batch(schedule_id, status="failed")
    assert sandbox.update_batch(ids[4], status="cancelled")["status"] == "cancelled"
    sandbox.remove_batch(ids[0])
    assert [batch["schedule_id"] for batch in sandbox.batches] == ids[1:]
    assert [batch["status"] for batch in sandbox.batches].index("cancelled") == 3
    assert _ask(sandbox._api, status="failed").body["data"]["total"] == 8


def test_what_was_handed_out_is_a_copy():
    """Changing a batch that the sandbox handed out does not change the sandbox."""
    sandbox = Sandbox(1)
    sandbox.batches[0]["status"] = sandbox.add_batch(status="active")["status"] = "broken"
    assert "broken" not in [batch["status"] for batch in sandbox.batches]


def test_mistakes_in_changing_the_listing_are_named():
    """An unknown id is a KeyError, a taken one a ValueError, a value that is no JSON a TypeError; nothing changes."""
    sandbox = Sandbox(1)
    before = sandbox.batches
    for change in (sandbox.remove_batch, sandbox.update_batch):
        with pytest.raises(KeyError, match="no batch 'sched_x' in this sandbox"):
            change("sched_x")
    with pytest.raises(ValueError, match="that no other batch has"):
        sandbox.add_batch(schedule_id=before[0]["schedule_id"])
    with pytest.raises(TypeError):
        sandbox.add_batch(total_contacts=object())
    assert sandbox.batches == before


def test_new_ids_avoid_those_that_were_given():
    """A generated id steps aside where a test has taken it."""
    sandbox = Sandbox(2)
    taken = sandbox.add_batch(schedule_id=data.make_id(0, 2))
    assert sandbox.add_batch()["schedule_id"] != taken["schedule_id"]


def test_the_world_moves_forward_until_all_have_ended():
    """Steps are deterministic, never take calls back, and end with no batch pending or active."""
    sandbox, twin = Sandbox(200), Sandbox(200)
    ended, before = False, sandbox.batches
    while not ended:
        ended = sandbox.advance() == 0
        after = sandbox.batches
        for old, new in zip(before, after, strict=True):
            assert old["completed_contacts"] <= new["completed_contacts"]
            assert new["completed_contacts"] + new["failed_contacts"] <= new["total_contacts"]
        before = after
    assert {batch["status"] for batch in before} == {"completed", "failed", "cancelled"}
    twin.advance(100)
    assert twin.batches == before


def test_the_listing_changes_safely_under_readers():
    """Threads may read while another adds, moves and removes: every page is whole."""
    listing = Listing(200, 0)
    api, done, totals = Api(listing, Quota(300, 60.0, lambda: 0.0), 100), threading.Event(), []

    def read():
        while not done.is_set():
            page = _ask(api, limit=100).body["data"]
            totals.append((len({batch["schedule_id"] for batch in page["items"]}), page["total"] >= 200))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(200):
        batch = listing.add({})
        listing.advance()
        listing.remove(batch["schedule_id"])
    done.set()
    reader.join()
    assert set(totals) == {(100, True)}


def test_the_rate_limit_counts_in_windows_of_the_epoch():
    """The quota of a key shrinks to nothing, is refused with the real wait, and is whole again at the reset."""
    now = [119.5]
    quota = Quota(2, 60.0, lambda: now[0])
    assert [(grant.remaining, grant.reset, grant.wait) for grant in (quota.take("a"), quota.take("a"))] == [
        (1, 120, None),
        (0, 120, None),
    ]
    assert quota.take("a").wait == 1
    assert quota.take("b").remaining == 1
    now[0] = 120.0
    assert quota.take("a") == quota.take("b")
    assert quota.take("a").headers() == {
        "X-RateLimit-Limit": "2",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "180",
    }
    assert quota.take("a").wait == 60


@given(st.floats(0, 4e9), st.sampled_from([0.1, 0.5, 1.0, 2.5, 60.0, 3600.0]))
def test_the_reset_is_never_early(now, window):
    """Who waits until the announced reset, or for the announced seconds, is in a later window."""
    quota = Quota(1, window, lambda: now)
    quota.take("key")
    refused = quota.take("key")
    assert refused.reset >= now
    assert refused.wait >= 1
    assert refused.wait + now >= (now // window + 1) * window


@pytest.mark.parametrize(
    ("window", "rule"),
    [
        (60.0, "Maximum 7 requests per minute"),
        (10.0, "Maximum 7 requests per 10 seconds"),
        (0.5, "Maximum 7 requests per 0.5 seconds"),
        (1e6, "Maximum 7 requests per 1000000 seconds"),
    ],
)
def test_the_rule_is_told_in_words(window, rule):
    """The details of a 429 name the real limit."""
    assert Quota(7, window, lambda: 0.0).rule == rule


def test_faults_come_in_the_order_of_the_orders():
    """Ordered faults are spent first, in order; a share hits about its share; clearing ends both."""
    faults = Faults()
    faults.order(Fault.status(500), 2)
    faults.order(Fault.reset(), 1)
    faults.order_share(Fault.delay(1), 0.25, seed=0)
    assert [faults.take() for _ in range(3)] == [Fault.status(500), Fault.status(500), Fault.reset()]
    hits = [faults.take() for _ in range(1000)]
    assert set(hits) == {None, Fault.delay(1)}
    assert 200 < len(hits) - hits.count(None) < 300
    faults.clear()
    assert [faults.take() for _ in range(50)] == [None] * 50


@pytest.mark.parametrize("share", [0, 1])
def test_a_share_of_nothing_or_of_all(share):
    """Share 0 spoils no request, share 1 each."""
    faults = Faults()
    faults.order_share(Fault.reset(), share, seed=3)
    assert {faults.take() is not None for _ in range(200)} == {bool(share)}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Sandbox(-1), ValueError, "batches must be at least 0"),
        (lambda: Sandbox(True), TypeError, "batches must be an integer, not bool"),
        (lambda: Sandbox(1, 0.5), TypeError, "seed must be an integer"),
        (lambda: Sandbox(1, rate_limit=0), ValueError, "rate_limit must be at least 1"),
        (lambda: Sandbox(1, rate_window=0), ValueError, "rate_window must be a finite number of seconds above 0"),
        (lambda: Sandbox(1, rate_window=float("nan")), ValueError, "rate_window"),
        (lambda: Sandbox(1, rate_window="60"), TypeError, "rate_window must be a number, not str"),
        (lambda: Sandbox(1, port=65536), ValueError, "port must be between 0 and 65535"),
        (lambda: Sandbox(1, max_limit=101), ValueError, "max_limit must be between 1 and 100"),
        (lambda: Sandbox(1, latency=-1), ValueError, "latency must be a finite number of seconds from 0 on"),
        (lambda: Sandbox(1, host=""), ValueError, "host must not be empty"),
        (lambda: Sandbox(1, api_key="a b"), ValueError, "printable ASCII"),
        (lambda: Sandbox(1, api_key=b"a"), TypeError, "api_key must be a string"),
        (lambda: Sandbox(1, clock=0), TypeError, "clock must be a function"),
        (lambda: Sandbox(1).advance(0), ValueError, "steps must be at least 1"),
        (lambda: Sandbox(1).fail_next(Fault.reset(), 0), ValueError, "times must be at least 1"),
        (lambda: Sandbox(1).fail_next("reset"), TypeError, "a fault is made with"),
        (lambda: Sandbox(1).fail_share(Fault.reset(), 1.5), ValueError, "share must be between 0 and 1"),
        (lambda: Fault.status(99), ValueError, "status must be between 200 and 599"),
        (lambda: Fault.status(503, headers={"a": "b\r\nc: d"}), ValueError, "line break"),
        (lambda: Fault.status(503, headers={"Retry-After": 1}), TypeError, "strings to strings"),
        (lambda: Fault.status(503, body=5), TypeError, "body must be"),
        (lambda: Fault.cut_body(-1), ValueError, "after must be at least 0"),
        (lambda: Fault.delay(True), TypeError, "seconds must be a number, not bool"),
        (lambda: Fault.drip(size=0), ValueError, "size must be at least 1"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    """An argument out of place is refused at once, with what is allowed."""
    with pytest.raises(error, match=message):
        make()
