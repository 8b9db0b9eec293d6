"""The shapes of the answers, each with an example. They are what OpenAPI shows.

Fields of the service's own are in snake_case. What was signed (statements, encodings, digests)
stands as it was signed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from provenance import forms
from provenance.anchoring import ChainPin
from provenance.ledger.anchors import AnchorRecord, AnchorState
from provenance.ledger.catalog import RegisteredArtifact
from provenance.ledger.entries import EntryState, LogEntry
from provenance.ledger.usage import UseState
from provenance.ledger.uses import Action

__all__ = [
    "HEX",
    "AnchorAnswer",
    "Anchors",
    "ArtifactAnswer",
    "ArtifactPage",
    "ArtifactSummary",
    "EntriesAnswer",
    "EntryAnswer",
    "EntryPage",
    "EntryProofs",
    "FoundRecord",
    "FoundRecords",
    "Health",
    "HistoryAnswer",
    "ImpactAnswer",
    "ProblemAnswer",
    "Readiness",
    "StepAnswer",
    "UploadAnswer",
    "UsesAnswer",
    "Verdict",
]

HEX = "^[0-9a-f]{64}$"
"""32 bytes."""

_DIGEST = "6a3149e82f070fa9d2a58d9756367b08b8b2dccc002f6d677db414e0e9f3c9dd"
_ROOT = "41c2a9d8c4a53b1e5f0b6ad0c9c7c1a2e1bb0f6df0d3d6b7c6b1c1f5e4f8a902"

Kind = Literal["dataset", "model", "outputs"]
"""What artifacts are registered as; one of uses (`access`) stands in no list."""

_SUMMARY: dict[str, Any] = {
    "name": "train",
    "kind": "dataset",
    "digest": _DIGEST,
    "root": _ROOT,
    "size": 4821,
    "encoding": {"encoding": "json"},
    "digests": {"provenance-artifact-v1": _DIGEST},
    "index": 2,
    "issued": "2026-11-21T02:29:17.120Z",
    "state": "anchored",
}
_STATEMENT: dict[str, Any] = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "train", "digest": {"provenance-artifact-v1": _DIGEST}}],
    "predicateType": "urn:provenance-ledger:dataset:v1",
    "predicate": {
        "artifact": {"encoding": {"encoding": "json"}, "root": _ROOT, "size": 4821},
        "evidence": [],
        "issued": "2026-11-21T02:29:17.120Z",
        "license": "CC-BY-4.0",
        "metadata": {},
        "nonce": "mR0mXAjO1oV0VJr0sCu4Wg==",
        "sensitivity": "internal",
    },
}


_STEP: dict[str, Any] = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "train", "digest": {"provenance-artifact-v1": _DIGEST}}],
    "predicateType": "urn:provenance-ledger:step:v1",
    "predicate": {
        "environment": {},
        "evidence": [],
        "finished": "2026-11-21T02:29:18.004Z",
        "inputs": [{"name": "raw", "digest": {"provenance-artifact-v1": _ROOT}}],
        "issued": "2026-11-21T02:29:18.010Z",
        "name": "clean",
        "nonce": "p3q0mXAjO1oV0VJr0sCu4A==",
        "outcome": "succeeded",
        "parameters": {"threshold": 0.9},
        "started": "2026-11-21T02:29:16.870Z",
    },
}

_ENTRY: dict[str, Any] = {
    "index": 2,
    "kind": "dataset",
    "artifacts": [_DIGEST],
    "envelope_hash": _ROOT,
    "state": "anchored",
    "envelope": {
        "payload": "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==",
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"keyid": "80" * 32, "sig": "tx/qo…"}],
    },
    "statement": _STATEMENT,
}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ArtifactSummary(_Answer):
    """A registered artifact and its place in the log."""

    model_config = ConfigDict(json_schema_extra={"example": _SUMMARY})

    name: str
    kind: Kind | Literal["access"]
    digest: str = Field(pattern=HEX, description="The artifact digest.")
    root: str = Field(pattern=HEX, description="The root of the tree over its records.")
    size: int = Field(ge=0, description="Records.")
    encoding: dict[str, Any] = Field(description="How a record becomes a leaf.")
    digests: dict[str, str] = Field(description="Every digest that was signed, hex.")
    index: int = Field(ge=0, description="Of the entry in the log.")
    issued: str = Field(description="By the signer's clock.")
    state: EntryState = Field(description="How far the entry got.")


class ArtifactAnswer(ArtifactSummary):
    """An artifact with the statement that was signed about it."""

    model_config = ConfigDict(json_schema_extra={"example": _SUMMARY | {"statement": _STATEMENT}})

    statement: dict[str, Any] = Field(description="The in-toto statement, as it was signed.")


class ArtifactPage(_Answer):
    """Artifacts, in the order that was asked for."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"artifacts": [_SUMMARY], "next_cursor": "-index..2"}}
    )

    artifacts: list[ArtifactSummary]
    next_cursor: str | None = Field(
        None, description="Give it as `cursor` for more; left out at the end."
    )


class FoundRecord(_Answer):
    """A record in an artifact."""

    artifact: ArtifactSummary
    leaf_hash: str = Field(pattern=HEX, description="Of the record.")
    index: int = Field(ge=0, description="Its number, from 0: the first of those that are equal.")
    equal: int = Field(ge=1, description="How many records are equal to it, itself among them.")


class FoundRecords(_Answer):
    """In which artifacts there are such records, in the order that was asked for."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "places": [{"artifact": _SUMMARY, "leaf_hash": _ROOT, "index": 7, "equal": 1}],
                "unread": [],
                "next_cursor": "-index..2",
            }
        }
    )

    places: list[FoundRecord]
    unread: list[int] = Field(
        description="Entries of artifacts of which nothing can be said: their trees are damaged, "
        "or their statements were erased."
    )
    next_cursor: str | None = Field(
        None, description="Give it as `cursor` to have more artifacts asked; left out at the end."
    )


class EntryAnswer(_Answer):
    """One entry of the log."""

    model_config = ConfigDict(json_schema_extra={"example": _ENTRY})

    index: int = Field(ge=0)
    kind: str = Field(description="Of the statement.")
    artifacts: list[str] = Field(description="Digests of those that it names, subjects first.")
    envelope_hash: str = Field(pattern=HEX, description="SHA-256 of the envelope.")
    state: EntryState = Field(description="How far the entry got.")
    envelope: dict[str, Any] | None = Field(
        None, description="DSSE; RFC 8785 of it is what is hashed. Left out if it was erased."
    )
    statement: dict[str, Any] | None = Field(
        None, description="The payload, read: the in-toto statement. Left out if it was erased."
    )


class EntryPage(_Answer):
    """Entries, in the log's order."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"entries": [_ENTRY], "next_cursor": 3}}
    )

    entries: list[EntryAnswer]
    next_cursor: int | None = Field(
        None, ge=0, description="Give it as `cursor` for more; left out at the end."
    )


Grade = Literal["broken", "declared", "attested", "reproduced"]


class ClaimAnswer(_Answer):
    """What a step claims of the records of something it made: docs/derivations.md."""

    claim: Literal["extension", "subset", "permutation", "split", "concatenation"]
    ordered: bool = Field(description="Whether their order was kept.")
    of: list[str] = Field(description="Artifact digests of what it was made of.")


class ArrowAnswer(_Answer):
    """An arrow from an artifact into a statement, or from a statement to what it made."""

    from_: str | None = Field(None, alias="from", pattern=HEX, description="Artifact digest.")
    to: str | None = Field(None, pattern=HEX, description="Artifact digest.")
    grade: Grade = Field(description="How sure it is: docs/history.md.")
    claims: list[ClaimAnswer] | None = Field(
        None, description="What the step claims of the records of what it made; not proven here."
    )


class HistoryEntry(_Answer):
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


class HistoryArtifact(_Answer):
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


class HistoryAnswer(_Answer):
    """The statements of a walk, or of a page of it, the nearest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "artifact": _DIGEST,
                "size": 4,
                "artifacts": {
                    _DIGEST: {"name": "train", "registered": 2},
                    _ROOT: {"name": "raw"},
                },
                "statements": [
                    {
                        "index": 2,
                        "depth": 0,
                        "kind": "dataset",
                        "signers": ["80" * 32],
                        "statement": _STATEMENT,
                    },
                    {
                        "index": 3,
                        "depth": 0,
                        "kind": "step",
                        "signers": ["80" * 32],
                        "arrows": [
                            {"from": _ROOT, "grade": "declared"},
                            {"to": _DIGEST, "grade": "attested"},
                        ],
                        "statement": _STEP,
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


class SourceAnswer(_Answer):
    """An artifact that was asked about."""

    digest: str = Field(pattern=HEX, description="The artifact digest.")
    name: str | None = Field(None, description="Left out where what was signed is erased.")
    kind: Literal["dataset", "model", "outputs", "unregistered"]
    registered: int | None = Field(
        None, ge=0, description="The entry that registers it. Left out if none does."
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


class ImpactAnswer(_Answer):
    """What descends from artifacts, or a page of it, the nearest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "size": 9,
                "sources": [
                    {"digest": _DIGEST, "name": "train", "kind": "dataset", "registered": 2}
                ],
                "artifacts": [
                    {
                        "digest": _ROOT,
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
                        "digest": _DIGEST,
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


class UseRecord(_Answer):
    """One use, as the record that it is: RFC 8785 of it is the leaf."""

    action: Action = Field(description="What was asked for.")
    artifact: str = Field(pattern=HEX, description="Digest of the artifact.")
    nonce: str = Field(description="16 random bytes.")
    records: list[int] | None = Field(
        None, description="Numbers of those that were proven or found; left out if it was of none."
    )
    request: str = Field(description="Id of the request.")
    when: str = Field(description="By the service's clock.")
    who: str = Field(description="Id of the token, or `public`.")


class UseAnswer(_Answer):
    """One use, and where its record stands."""

    record: UseRecord
    name: str | None = Field(None, description="Of the token; left out where that is not known.")
    state: UseState = Field(description="recorded: not signed yet; the others are of its batch.")
    batch: str | None = Field(
        None,
        pattern=HEX,
        description="Artifact digest of the batch; left out while it waits to be signed, and so "
        "the next two.",
    )
    entry: int | None = Field(None, ge=0, description="Of the batch.")
    index: int | None = Field(
        None, ge=0, description="Its number in the batch, by which it can be proven."
    )


class UseBatchAnswer(_Answer):
    """A batch that has uses of the artifact."""

    entry: int = Field(ge=0, description="Of its statement.")
    digest: str = Field(pattern=HEX, description="Its artifact digest.")
    state: EntryState = Field(description="How far the entry got.")
    counted: int | None = Field(
        None, ge=1, description="Uses of the artifact, by the statement; left out if it was erased."
    )
    here: int = Field(
        ge=0, description="Of how many of these the records are here, and are leaves of its tree."
    )


class UsesAnswer(_Answer):
    """Who used an artifact, the newest first: a page of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "artifact": _DIGEST,
                "uses": [
                    {
                        "record": {
                            "action": "prove",
                            "artifact": _DIGEST,
                            "nonce": "mR0mXAjO1oV0VJr0sCu4Wg==",
                            "records": [7],
                            "request": "5f0e8c31-6d02-4b5b-9d0c-0a1b2c3d4e5f",
                            "when": "2026-11-21T02:29:17.120Z",
                            "who": "4c1f09ab",
                        },
                        "name": "auditor",
                        "state": "anchored",
                        "batch": _ROOT,
                        "entry": 57,
                        "index": 12,
                    }
                ],
                "batches": [
                    {"entry": 57, "digest": _ROOT, "state": "anchored", "counted": 1, "here": 1}
                ],
            }
        }
    )

    artifact: str = Field(pattern=HEX, description="The artifact digest that was asked for.")
    uses: list[UseAnswer]
    batches: list[UseBatchAnswer] = Field(description="Those that were looked at for this page.")
    next_cursor: str | None = Field(
        None, description="Give it as `cursor` for more; left out at the end."
    )


class AnchorAnswer(_Answer):
    """A tree head of this log on one chain."""

    chain: str
    chain_id: int
    contract: str
    ledger_id: str = Field(pattern=HEX)
    size: int = Field(ge=1, description="Entries of the log that it covers.")
    root: str = Field(pattern=HEX)
    state: AnchorState = Field(
        description="submitted: in no block yet; mined; confirmed: by as many blocks as the policy "
        "asks for; final: by the chain's own word; reorged: taken back, and to be sent again."
    )
    block: int | None = Field(
        None, ge=0, description="Left out, as the next two, while it is in no block."
    )
    block_hash: str | None = Field(None, pattern=HEX)
    block_time: str | None = Field(None, description="RFC 3339: nothing that it covers is younger.")
    tx_hash: str = Field(pattern=HEX)
    embedded: bool = Field(description="Whether the chain is worth only as much as the server.")


class Anchors(_Answer):
    """Every anchor of this log, the smallest tree first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "anchors": [
                    {
                        "chain": "embedded",
                        "chain_id": 5221003310448871,
                        "contract": "0x5fbdb2315678afecb367f032d93f642f64180aa3",
                        "ledger_id": _ROOT,
                        "size": 42,
                        "root": _ROOT,
                        "state": "final",
                        "block": 3,
                        "block_hash": _DIGEST,
                        "block_time": "2026-11-21T02:29:18Z",
                        "tx_hash": _ROOT,
                        "embedded": True,
                    }
                ]
            }
        }
    )

    anchors: list[AnchorAnswer]


class StepAnswer(_Answer):
    """One step of a verification."""

    step: str
    mark: Literal["holds", "fails", "undecided", "not_demanded"]
    finding: str = Field(description="What was seen, in words for a person.")


class Verdict(_Answer):
    """What this server's own policy makes of a bundle. It is the server's word, and no proof."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "verified": False,
                "step": "record",
                "origin": "acme.example/ml",
                "policy": _ROOT,
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


class EntriesAnswer(_Answer):
    """Where statements stand in the log."""

    model_config = ConfigDict(json_schema_extra={"example": {"indices": [12, 13]}})

    indices: list[int] = Field(description="Of their entries, in the order of the request.")


class EntryProofs(_Answer):
    """Proofs that entries are in the log."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "proofs": [
                    "c2sp.org/tlog-proof@v1\nindex 2\n"
                    "GXUpil1R8pEujlBgShIOc1iXUoRJaqCvJ9Lnq54t47Q=\n\n"
                    "acme.example/ml\n3\nR0KStnS1PhN9ea0r1VKTPP9JAU4KVH5JhitUoYYBUH8=\n\n"
                    "— acme.example/ml /86As01enawb9WCo…\n"
                ]
            }
        }
    )

    proofs: list[str] = Field(
        description="Each as C2SP tlog-proof, in the order of the request, under one checkpoint."
    )


class UploadAnswer(_Answer):
    """How far an upload is."""

    model_config = ConfigDict(json_schema_extra={"example": {"offset": 320, "length": 154272}})

    offset: int = Field(ge=0, description="Bytes that are there.")
    length: int = Field(ge=0, description="Bytes in all.")


class Health(_Answer):
    """The server answers and can read its ledger."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"status": "ok", "origin": "acme.example/ml"}}
    )

    status: Literal["ok"]
    origin: str | None = Field(None, description="The log's name, where everybody may read.")


class Readiness(_Answer):
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


def artifact_fields(artifact: RegisteredArtifact, state: EntryState) -> dict[str, Any]:
    """Return the fields of an `ArtifactSummary`."""
    return {
        "name": artifact.name,
        "kind": artifact.kind,
        "digest": artifact.digest,
        "root": artifact.root,
        "size": artifact.size,
        "encoding": forms.encode(artifact.artifact.encoding),
        "digests": artifact.digests,
        "index": artifact.index,
        "issued": artifact.statement.predicate.issued,
        "state": state,
    }


def entry_answer(entry: LogEntry) -> EntryAnswer:
    """Return what is told of an entry."""
    return EntryAnswer(
        index=entry.index,
        kind=entry.kind,
        artifacts=[digest.hex() for digest in entry.entry.artifacts],
        envelope_hash=entry.entry.envelope_hash.hex(),
        state=entry.state,
        envelope=None if entry.envelope is None else json.loads(entry.envelope),
        statement=None if entry.signed is None else json.loads(entry.signed.payload),
    )


def anchor_answer(anchor: AnchorRecord, pin: ChainPin) -> AnchorAnswer:
    """Return what is told of an anchor."""
    return AnchorAnswer(
        chain=anchor.chain,
        chain_id=pin.chain_id,
        contract=pin.contract,
        ledger_id=pin.ledger_id.hex(),
        size=anchor.size,
        root=anchor.root.hex(),
        state=anchor.state,
        block=anchor.block,
        block_hash=None if anchor.block_hash is None else anchor.block_hash.hex(),
        block_time=None if anchor.block_time is None else utc_text(anchor.block_time),
        tx_hash=anchor.tx_hash.hex(),
        embedded=anchor.embedded,
    )


def utc_text(time: datetime) -> str:
    """Return RFC 3339 in UTC, to the second."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
