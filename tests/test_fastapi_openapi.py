"""The models in pydantic and in an app's OpenAPI schema."""

import json
from typing import Any

import pydantic
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter

from techladder_async import BatchStatus, CallBatch, Page, StartMode
from techladder_async.sandbox import Sandbox
from tests.serving import asking

BATCHES = [CallBatch.from_dict(batch) for batch in Sandbox(5).batches]
PAGE = Page(tuple(BATCHES), 7, 1, 5, has_more=True)


@pytest.fixture
def app():
    """Give an app whose endpoints return the SDK's models."""
    app = FastAPI()

    @app.get("/one")
    async def one() -> CallBatch:
        return BATCHES[0]

    @app.get("/list")
    async def several() -> list[CallBatch]:
        return BATCHES

    @app.get("/page", response_model=Page[CallBatch])
    def page(status: BatchStatus = BatchStatus.ACTIVE) -> Any:
        assert isinstance(status, BatchStatus)
        return PAGE

    @app.get("/wrong")
    async def wrong() -> CallBatch:
        return {"schedule_id": 5}

    return app


@pytest.mark.asyncio
async def test_schema(app):
    """The models are named components with their fields; enums show the documented values, open to others."""
    schema = (await asking(app).get("/openapi.json")).json()
    shown = {
        path: of["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        for path, of in schema["paths"].items()
    }
    assert shown["/one"] == {"$ref": "#/components/schemas/CallBatch"}
    assert shown["/list"]["items"] == {"$ref": "#/components/schemas/CallBatch"}
    assert shown["/page"] == {"$ref": "#/components/schemas/Page_CallBatch_"}
    batch = schema["components"]["schemas"]["CallBatch"]
    assert batch["description"] == "One call batch, as a listing shows it."
    assert set(batch["properties"]) == set(BATCHES[0].to_dict())
    assert set(batch["properties"]) - set(batch["required"]) == {"scheduled_at"}
    assert batch["properties"]["created_at"] == {"type": "string", "format": "date-time", "title": "Created At"}
    assert batch["properties"]["start_mode"] == {"$ref": "#/components/schemas/StartMode"}
    mode = schema["components"]["schemas"]["StartMode"]
    assert mode["anyOf"] == [{"type": "string", "enum": ["manual", "immediate", "scheduled"]}, {"type": "string"}]
    assert mode["description"] == "How a call batch is started. Values that are not listed are possible."
    status = schema["paths"]["/page"]["get"]["parameters"][0]["schema"]
    assert status == {"$ref": "#/components/schemas/BatchStatus", "default": "active"}
    page = schema["components"]["schemas"]["Page_CallBatch_"]
    assert page["properties"]["items"]["items"] == {"$ref": "#/components/schemas/CallBatch"}
    assert page["required"] == ["items", "total", "page", "limit", "has_more"]


@pytest.mark.asyncio
async def test_responses(app):
    """Endpoints answer with what `to_dict` writes."""
    http, written = asking(app), [batch.to_dict() for batch in BATCHES]
    assert (await http.get("/one")).json() == written[0]
    assert (await http.get("/list")).json() == written
    page = {"items": written, "total": 7, "page": 1, "limit": 5, "has_more": True}
    assert (await http.get("/page", params={"status": "unheard-of"})).json() == page


@pytest.mark.asyncio
async def test_a_wrong_response_is_found(app):
    """An endpoint that returns something else than it says is an error of the app, as with FastAPI's own models."""
    assert (await asking(app, raise_app_exceptions=False).get("/wrong")).status_code == 500


def test_in_models_of_pydantic():
    """A pydantic model may hold the SDK's, reads them as strictly as the SDK does, and writes them unchanged."""

    class Report(BaseModel):
        page: Page[CallBatch]
        mode: StartMode | None = None

    report = Report(page=PAGE, mode="by-hand")
    assert report.page is PAGE
    assert report.mode == "by-hand"
    assert not report.mode.is_known
    again = Report.model_validate_json(report.model_dump_json())
    assert again == report
    assert json.loads(report.model_dump_json()) == report.model_dump(mode="json")
    assert report.model_dump()["page"]["items"] == tuple(batch.to_dict() for batch in BATCHES)
    with pytest.raises(pydantic.ValidationError, match=r"items\[0\]\.total_contacts"):
        Report.model_validate({"page": {**report.model_dump()["page"], "items": [_with(total_contacts="5")]}})
    with pytest.raises(pydantic.ValidationError, match="expected a Page or an object"):
        Report(page=5)


def test_a_page_of_anything():
    """A page without its items' type is described as one of anything."""
    assert TypeAdapter(Page).json_schema()["properties"]["items"] == {"type": "array", "items": {}, "title": "Items"}
    assert TypeAdapter(Page).dump_python(Page((1,), 1, 1, 1, has_more=False))["items"] == (1,)


def _with(**changes):
    return BATCHES[0].to_dict() | changes
