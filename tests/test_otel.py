"""The OpenTelemetry hook makes spans and measurements as the conventions for HTTP clients name them."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from techladder_async import APIStatusError
from techladder_async.hooks import AttemptRecord
from techladder_async.otel import OpenTelemetryHook
from tests.clients import KEY, client_for
from tests.fault_server import FaultServer
from tests.faults import error, page, reset

PATH = "/api/v1/public/call-batches"


class Collected:
    """A hook with providers that keep everything in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.hook = OpenTelemetryHook(self.tracers, self.meters)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def metric(self) -> Any:
        (resource,) = self.reader.get_metrics_data().resource_metrics
        (scope,) = resource.scope_metrics
        (metric,) = scope.metrics
        assert scope.scope.name == "techladder_async"
        return metric


def record(**changes: Any) -> AttemptRecord:
    """Give a record of a success, but for the changes."""
    usual = {"path": PATH, "attempt": 1, "status": 200, "error": None, "seconds": 0.25, "wait": None}
    usual["url"] = f"https://api.example{changes.get('path', PATH)}?page=3"
    return AttemptRecord("GET", page=3, **{**usual, **changes})


@pytest.mark.asyncio
async def test_each_attempt_has_a_span() -> None:
    """A retried request gives a span for each attempt, under the caller's span, counted and with its outcome."""
    collected = Collected()
    tracer = collected.tracers.get_tracer("test")
    async with (
        FaultServer(reset(), error(503), page(page=3)) as server,
        client_for(server.url, hooks=[collected.hook]) as client,
    ):
        with tracer.start_as_current_span("caller") as caller:
            await client.call_batches.list(page=3)
    *attempts, outer = collected.spans
    assert outer.name == "caller"
    origin = {"server.address": "127.0.0.1", "server.port": urlsplit(server.url).port, "url.scheme": "http"}
    where = {"url.full": f"{server.url}{PATH}?page=3", "url.path": PATH, "url.template": PATH}
    usual = {"http.request.method": "GET", **origin, **where}
    assert [dict(span.attributes or {}) for span in attempts] == [
        {**usual, "error.type": "APIConnectionError"},
        {**usual, "http.response.status_code": 503, "error.type": "503", "http.request.resend_count": 1},
        {**usual, "http.response.status_code": 200, "http.request.resend_count": 2},
    ]
    assert [span.status.status_code for span in attempts] == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    for span in attempts:
        assert span.name == f"GET {PATH}"
        assert span.kind is SpanKind.CLIENT
        assert span.parent is not None
        assert span.parent.span_id == caller.get_span_context().span_id
        assert outer.start_time <= span.start_time <= span.end_time <= outer.end_time
    assert KEY not in "".join(span.to_json() for span in collected.spans)


def test_the_span_lasts_as_long_as_the_attempt() -> None:
    """The span ends when the attempt is reported, and began so many seconds before."""
    collected = Collected()
    collected.hook(record(seconds=0.25))
    (span,) = collected.spans
    assert span.end_time - span.start_time == 250_000_000


def test_the_duration_is_a_histogram_in_seconds() -> None:
    """`http.client.request.duration` has the conventions' unit and buckets, and no attribute of which many exist."""
    collected = Collected()
    for number in range(3):
        collected.hook(record(url=f"https://api.example{PATH}?page={number}", seconds=0.03))
    collected.hook(record(status=None, error="APITimeoutError", seconds=30.0))
    metric = collected.metric()
    assert (metric.name, metric.unit) == ("http.client.request.duration", "s")
    points = {point.attributes.get("error.type"): point for point in metric.data.data_points}
    assert set(points) == {None, "APITimeoutError"}
    assert points[None].count == 3
    assert points[None].sum == pytest.approx(0.09)
    assert points[None].explicit_bounds[:3] == (0.005, 0.01, 0.025)
    assert dict(points[None].attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "api.example",
        "server.port": 443,
        "url.scheme": "https",
        "url.template": PATH,
    }


@pytest.mark.parametrize(
    ("path", "template"),
    [
        (PATH, PATH),
        (f"{PATH}/sched_7bac6f2a", f"{PATH}/{{id}}"),
        (f"{PATH}/sched_7bac6f2a/calls", f"{PATH}/{{id}}/calls"),
        ("/api/v1/public/me", "/api/v1/public/me"),
    ],
)
def test_an_identifier_is_no_part_of_the_name(path: str, template: str) -> None:
    """The span's name holds a template of the path, of which there are few."""
    collected = Collected()
    collected.hook(record(path=path))
    assert collected.spans[0].name == f"GET {template}"


def test_outside_a_client_there_is_no_server_to_name() -> None:
    """In a chain of one's own, where only the path is known, the server's attributes are left out."""
    collected = Collected()
    collected.hook(record(url=PATH))
    assert "server.address" not in (collected.spans[0].attributes or {})


@pytest.mark.asyncio
async def test_the_global_providers_are_the_default() -> None:
    """Without providers, and with none set up, the hook does nothing and disturbs nothing."""
    async with (
        FaultServer(error(404)) as server,
        client_for(server.url, hooks=[OpenTelemetryHook()]) as client,
    ):
        with pytest.raises(APIStatusError):
            await client.call_batches.list()
