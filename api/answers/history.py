"""Histories, walked either way."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.answers.parts import DIGEST, HEX, ROOT, STATEMENT, Answer

__all__ = ["Grade", "HistoryAnswer"]

STEP: dict[str, Any] = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "train", "digest": {"provenance-artifact-v1": DIGEST}}],
    "predicateType": "urn:provenance-ledger:step:v1",
    "predicate": {
        "environment": {},
        "evidence": [],
        "finished": "2026-11-21T02:29:18.004Z",
        "inputs": [{"name": "raw", "digest": {"provenance-artifact-v1": ROOT}}],
        "issued": "2026-11-21T02:29:18.010Z",
        "name": "clean",
        "nonce": "p3q0mXAjO1oV0VJr0sCu4A==",
        "outcome": "succeeded",
        "parameters": {"threshold": 0.9},
        "started": "2026-11-21T02:29:16.870Z",
    },
}

Grade = Literal["broken", "declared", "attested", "reproduced"]


class ClaimAnswer(Answer):
    """What a step claims of the records of something it made: docs/derivations.md."""

    claim: Literal["extension", "subset", "permutation", "split", "concatenation"]
    ordered: bool = Field(description="Whether their order was kept.")
    of: list[str] = Field(description="Artifact digests of what it was made of.")


class ArrowAnswer(Answer):
    """An arrow from an artifact into a statement, or from a statement to what it made."""

    from_: str | None = Field(None, alias="from", pattern=HEX, description="Artifact digest.")
    to: str | None = Field(None, pattern=HEX, description="Artifact digest.")
    grade: Grade = Field(description="How sure it is: docs/history.md.")
    claims: list[ClaimAnswer] | None = Field(
        None, description="What the step claims of the records of what it made; not proven here."
    )


class HistoryEntry(Answer):
    """One statement of a history."""

    index: int = Field(ge=0, description="Of the entry in the log.")
    depth: int = Field(ge=0, description="Steps between the artifact that was asked for and it.")
    kind: str
    signers: list[str] = Field(description="Key ids, hex.")
    revoked: list[str] | None = Field(
        None, description="Those of the signers whose signature was revoked since."
    )
    reproduced: dict[str, int] | None = Field(
        None,
        description="Artifact digest → the entry of a run of the same step by somebody else, who "
        "states the same digest.",
    )
    arrows: list[ArrowAnswer] | None = Field(
        None, description="Of a step, and of outputs whose model is named: into it, then out of it."
    )
    statement: dict[str, Any] = Field(description="The in-toto statement, as it was signed.")


class HistoryArtifact(Answer):
    """What is known of an artifact that a history names."""

    name: str
    registered: int | None = Field(
        None, description="The entry that registers it. Left out if none does."
    )
    revoked: Literal[True] | None = Field(
        None, description="A signature under each of its registrations was revoked."
    )
    superseded: int | None = Field(None, description="The entry that supersedes it.")
    conflict: Literal[True] | None = Field(
        None, description="It is said to be made of different inputs, or by different models."
    )


class HistoryAnswer(Answer):
    """The statements of a walk, or of a page of it, the nearest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "artifact": DIGEST,
                "size": 4,
                "artifacts": {
                    DIGEST: {"name": "train", "registered": 2},
                    ROOT: {"name": "raw"},
                },
                "statements": [
                    {
                        "index": 2,
                        "depth": 0,
                        "kind": "dataset",
                        "signers": ["80" * 32],
                        "statement": STATEMENT,
                    },
                    {
                        "index": 3,
                        "depth": 0,
                        "kind": "step",
                        "signers": ["80" * 32],
                        "arrows": [
                            {"from": ROOT, "grade": "declared"},
                            {"to": DIGEST, "grade": "attested"},
                        ],
                        "statement": STEP,
                    },
                ],
            }
        }
    )

    artifact: str = Field(pattern=HEX, description="The artifact digest that was asked for.")
    size: int = Field(ge=1, description="Of the log as of which this is said, in entries.")
    artifacts: dict[str, HistoryArtifact] = Field(description="By artifact digest.")
    statements: list[HistoryEntry]
    circles: list[list[str]] | None = Field(
        None,
        description="Artifacts that are said to be made of themselves: each circle among these "
        "statements, by its digests.",
    )
    next_cursor: str | None = Field(
        None, description="Give it as `cursor` for more; left out at the end."
    )
