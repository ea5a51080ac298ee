"""The answers of the API's documentation, word for word."""

import json

LISTING = b"""{
  "status_code": 200,
  "message": "Call batches fetched successfully",
  "error": null,
  "data": {
    "items": [
      {
        "schedule_id": "sched_7bac6f2a",
        "agent_id": "agt-57949b14",
        "agent_name": "Customer Outreach Agent",
        "version_id": "pmt-667ddf271b",
        "status": "pending",
        "start_mode": "scheduled",
        "total_contacts": 150,
        "completed_contacts": 0,
        "failed_contacts": 0,
        "scheduled_at": "2026-05-15T08:30:00Z",
        "created_at": "2026-05-14T10:00:00Z"
      }
    ],
    "total": 1, "page": 1, "limit": 50, "has_more": false
  }
}"""

UNAUTHORIZED = b"""{
  "status_code": 401,
  "message": "Missing or invalid API key",
  "error": {"code": "UNAUTHORIZED", "details": ["Provide a valid Bearer token in the Authorization header"]},
  "data": null
}"""

INVALID = b"""{
  "status_code": 422,
  "message": "Invalid query parameters",
  "error": {
    "code": "VALIDATION_ERROR",
    "details": ["status: Must be one of pending, active, completed, failed, cancelled"]
  },
  "data": null
}"""

RATE_LIMITED = b"""{
  "status_code": 429,
  "message": "Rate limit exceeded. Please retry after 30 seconds.",
  "error": {"code": "RATE_LIMITED", "details": ["Maximum 300 requests per minute"]},
  "data": null
}"""

RATE_HEADERS = {"X-RateLimit-Limit": "300", "X-RateLimit-Remaining": "295", "X-RateLimit-Reset": "1715698800"}

ITEM = json.loads(LISTING)["data"]["items"][0]
"""The one batch of `LISTING`."""


def item(**changes):
    """Return the documented batch with other values."""
    return {**ITEM, **changes}


def listing(*items, data=None, **envelope):
    """Return an answer of the documented shape, as JSON-ready values."""
    page = {"items": list(items), "total": len(items), "page": 1, "limit": 50, "has_more": False, **(data or {})}
    return {"status_code": 200, "message": "m", "error": None, "data": page, **envelope}
