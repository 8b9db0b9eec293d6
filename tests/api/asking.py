"""How these tests ask."""

from __future__ import annotations

import httpx

JSON = {"Content-Type": "application/json"}


def post(http: httpx.Client, path: str, body: bytes | str) -> httpx.Response:
    """Send a body byte for byte."""
    content = body.encode() if isinstance(body, str) else body
    return http.post(path, content=content, headers=JSON)


def problem(response: httpx.Response, status: int, slug: str) -> str:
    """Check that an answer is one problem in the one shape; return its detail."""
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (response.status_code, body["status"]) == (status, status)
    assert body["type"] == f"urn:provenance-ledger:problem:{slug}"
    assert body["title"]
    assert body["instance"] == f"urn:provenance-ledger:request:{response.headers['x-request-id']}"
    assert set(body) <= {"type", "title", "status", "detail", "instance"}
    return str(body.get("detail", ""))
