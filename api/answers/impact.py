"""What descends from artifacts."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from api.answers.history import Grade
from api.answers.parts import DIGEST, HEX, ROOT, Answer

__all__ = ["ImpactAnswer"]


class SourceAnswer(Answer):
    """An artifact that was asked about."""

    digest: str = Field(pattern=HEX, description="The artifact digest.")
    name: str | None = Field(None, description="Left out where what was signed is erased.")
    kind: Literal["dataset", "model", "outputs", "unregistered"]
    registered: int | None = Field(
        None, ge=0, description="The entry that registers it. Left out if none does."
    )
    conflict: Literal[True] | None = Field(
        None, description="Others say that it was made otherwise. Left out if nobody does."
    )


class DescendantAnswer(SourceAnswer):
    """An artifact that was made of them, at however many removes."""

    depth: int = Field(ge=1, description="Steps between, by the shortest way.")
    grade: Grade = Field(description="The least sure arrow of the surest way: docs/history.md.")
    by: int = Field(ge=0, description="The first entry that says so, by a shortest way.")


class LeftOutAnswer(SourceAnswer):
    """An artifact that would descend from them, but that every way to it is closed."""

    by: int = Field(ge=0, description="The first entry of a step that claims so.")
    claim: Literal["subset", "permutation", "split", "concatenation"] = Field(
        description="By which it has nothing but records of what it was made of; it was proven."
    )


class ImpactAnswer(Answer):
    """What descends from artifacts, or a page of it, the nearest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "size": 9,
                "sources": [
                    {"digest": DIGEST, "name": "train", "kind": "dataset", "registered": 2}
                ],
                "artifacts": [
                    {
                        "digest": ROOT,
                        "name": "net",
                        "kind": "model",
                        "registered": 5,
                        "depth": 1,
                        "grade": "reproduced",
                        "by": 6,
                    }
                ],
                "kinds": {"dataset": 0, "model": 1, "outputs": 0, "unregistered": 0},
                "grades": {"broken": 0, "declared": 0, "attested": 0, "reproduced": 1},
                "unread": [],
                "left_out": [
                    {
                        "digest": DIGEST,
                        "name": "clean",
                        "kind": "dataset",
                        "registered": 3,
                        "by": 4,
                        "claim": "subset",
                    }
                ],
                "unproven": [],
            }
        }
    )

    size: int = Field(ge=1, description="Of the log as of which this is said, in entries.")
    sources: list[SourceAnswer] = Field(description="None of them is among the descendants.")
    artifacts: list[DescendantAnswer]
    kinds: dict[str, int] = Field(description="How many there are of each kind, on all pages.")
    grades: dict[Grade, int] = Field(description="How many there are of each grade, on all pages.")
    unread: list[int] = Field(description="Of artifacts: always empty.")
    left_out: list[LeftOutAnswer] = Field(
        description="Where the records did not go on to, on every page; none is a descendant."
    )
    unproven: list[int] = Field(
        description="Steps whose claims could leave more out, and could not be proven here; "
        "at most 1,000."
    )
    next_cursor: str | None = Field(
        None, description="Give it as `cursor` for more; left out at the end."
    )
