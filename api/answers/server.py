"""What the server says of itself, and of what it could not answer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.answers.parts import Answer

__all__ = ["Health", "ProblemAnswer", "Readiness"]


class Health(Answer):
    """The server answers and can read its ledger."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"status": "ok", "origin": "acme.example/ml"}}
    )

    status: Literal["ok"]
    origin: str | None = Field(None, description="The log's name, where everybody may read.")


class Readiness(Answer):
    """The server can do all that it may be asked for."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ready"}})

    status: Literal["ready"]


class ProblemAnswer(BaseModel):
    """RFC 9457 problem details: the shape of every error."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="Names the kind of problem; docs/http.md explains each.")
    title: str
    status: int
    detail: str | None = Field(default=None, description="What it is this time.")
    instance: str | None = Field(
        default=None,
        description="The request, by the id in `X-Request-Id`, under which the log has it.",
    )
