"""Entries of the log: as they are, as they come in, and their proofs."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ConfigDict, Field

from api.answers.parts import DIGEST, HEX, ROOT, STATEMENT, Answer
from provenance.ledger.entries import EntryState, LogEntry

__all__ = [
    "EntriesAnswer",
    "EntryAnswer",
    "EntryPage",
    "EntryProofs",
    "UploadAnswer",
    "entry_answer",
]

ENTRY: dict[str, Any] = {
    "index": 2,
    "kind": "dataset",
    "artifacts": [DIGEST],
    "envelope_hash": ROOT,
    "state": "anchored",
    "envelope": {
        "payload": "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==",
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"keyid": "80" * 32, "sig": "tx/qo…"}],
    },
    "statement": STATEMENT,
}


class EntryAnswer(Answer):
    """One entry of the log."""

    model_config = ConfigDict(json_schema_extra={"example": ENTRY})

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


class EntryPage(Answer):
    """Entries, in the log's order."""

    model_config = ConfigDict(json_schema_extra={"example": {"entries": [ENTRY], "next_cursor": 3}})

    entries: list[EntryAnswer]
    next_cursor: int | None = Field(
        None, ge=0, description="Give it as `cursor` for more; left out at the end."
    )


class EntriesAnswer(Answer):
    """Where statements stand in the log."""

    model_config = ConfigDict(json_schema_extra={"example": {"indices": [12, 13]}})

    indices: list[int] = Field(description="Of their entries, in the order of the request.")


class EntryProofs(Answer):
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


class UploadAnswer(Answer):
    """How far an upload is."""

    model_config = ConfigDict(json_schema_extra={"example": {"offset": 320, "length": 154272}})

    offset: int = Field(ge=0, description="Bytes that are there.")
    length: int = Field(ge=0, description="Bytes in all.")


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
