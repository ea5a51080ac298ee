"""A hook that reports every attempt to OpenTelemetry (extra `otel`).

    client = AsyncTechLadder(hooks=[OpenTelemetryHook()])

Spans and the metric are named by the semantic conventions for HTTP clients. A span is made when its attempt has ended,
with the times of the attempt, as a child of the span that is current where the request was made.
"""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
    from opentelemetry.util.types import AttributeValue

    from .hooks import AttemptRecord

__all__ = ["OpenTelemetryHook"]

_SCOPE = "techladder_async"
_SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
# The conventions' own advice, in seconds.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_PORTS = {"http": 80, "https": 443}
_IDENTIFIER = re.compile(r"(?<=/)[a-z]+[-_][0-9a-f]{6,}(?=/|$)")


class OpenTelemetryHook:
    """Makes a client span and a measurement of `http.client.request.duration` (seconds) of each attempt.

    Without a provider, the global one of OpenTelemetry is used.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider, schema_url=_SCHEMA)
        self._duration = metrics.get_meter(_SCOPE, meter_provider=meter_provider, schema_url=_SCHEMA).create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )

    def __call__(self, record: AttemptRecord) -> None:
        """Report the attempt."""
        shared = _attributes(record)
        self._make_span(record, shared)
        self._duration.record(record.seconds, shared)

    def _make_span(self, record: AttemptRecord, shared: dict[str, AttributeValue]) -> None:
        ended = time.time_ns()
        span = self._tracer.start_span(
            f"{record.method} {_template(record)}",
            kind=SpanKind.CLIENT,
            attributes=shared | _span_attributes(record),
            start_time=ended - round(record.seconds * 1e9),
        )
        if "error.type" in shared:
            span.set_status(Status(StatusCode.ERROR, record.detail))
        span.end(ended)


def _attributes(record: AttemptRecord) -> dict[str, AttributeValue]:
    """Return what spans and measurements share: no value of which there could be many."""
    url = urlsplit(record.url)
    attributes: dict[str, AttributeValue] = {
        "http.request.method": record.method,
        "url.template": _template(record),
    }
    if url.hostname is not None:
        attributes["server.address"] = url.hostname
        attributes["server.port"] = url.port or _PORTS[url.scheme]
        attributes["url.scheme"] = url.scheme
    if record.status is not None:
        attributes["http.response.status_code"] = record.status
    error = str(record.status) if (record.status or 0) >= HTTPStatus.BAD_REQUEST else record.error
    if error is not None:
        attributes["error.type"] = error
    return attributes


def _template(record: AttemptRecord) -> str:
    return _IDENTIFIER.sub("{id}", record.path)


def _span_attributes(record: AttemptRecord) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {"url.full": record.url, "url.path": urlsplit(record.url).path}
    if record.attempt > 1:
        attributes["http.request.resend_count"] = record.attempt - 1
    return attributes
