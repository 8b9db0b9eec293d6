"""What a verification found."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from api.answers.parts import HEX, ROOT, Answer

__all__ = ["StepAnswer", "Verdict"]


class StepAnswer(Answer):
    """One step of a verification."""

    step: str
    mark: Literal["holds", "fails", "undecided", "not_demanded"]
    finding: str = Field(description="What was seen, in words for a person.")


class Verdict(Answer):
    """What this server's own policy makes of a bundle. It is the server's word, and no proof."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "verified": False,
                "step": "record",
                "origin": "acme.example/ml",
                "policy": ROOT,
                "steps": [
                    {
                        "step": "bundle",
                        "mark": "holds",
                        "finding": "proves a record, with 1 anchor",
                    },
                    {
                        "step": "record",
                        "mark": "fails",
                        "finding": "the leaf and its path do not lead to the root",
                    },
                ],
                "warnings": [],
            }
        }
    )

    verified: bool | None = Field(
        description="null: no step fails, and one that is demanded could not be decided."
    )
    step: str | None = Field(description="The step that decided against it; null if verified.")
    origin: str = Field(description="The log that the policy is about.")
    policy: str = Field(pattern=HEX, description="SHA-256 of the server's policy.")
    steps: list[StepAnswer] = Field(description="Those that ran, in order; a failing one is last.")
    warnings: list[str]
