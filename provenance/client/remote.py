"""`connect`, and the ledger that it returns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, Self, TypeVar
from urllib.parse import quote

from provenance import forms
from provenance.anchoring import ChainReader
from provenance.client.answers import (
    Anchors,
    HistoryAnswer,
    Page,
    RemoteAnchor,
    RemoteArtifact,
    WireArtifact,
)
from provenance.client.transport import Transport
from provenance.errors import InputError, MalformedError, VerificationError
from provenance.ledger.checking import verify
from provenance.lineage import History
from provenance.log import Checkpoint
from provenance.merkle import ProofError, check_inclusion
from provenance.records import hash_record
from provenance.signing import Envelope
from provenance.statements import Statement
from provenance.statements.predicates import Described
from provenance.verification import Bundle, Check, Mark, Policy, Report, Verified
from provenance.verification.bundle import MAX_BUNDLE

__all__ = ["RemoteLedger", "RemoteProof", "connect"]

MAX_ANSWER = 64 << 20
MAX_NOTE = 1 << 20
PAGE = 1000
T = TypeVar("T")


def connect(url: str, *, timeout: float = 30.0) -> RemoteLedger:
    """Return the ledger that is served at `url`. Nothing is sent yet.

    Args:
        url: of ``provenance serve``, http or https.
        timeout: seconds for each request, all of it.

    Raises:
        InputError: not such a URL, or httpx is not installed.
    """
    return RemoteLedger(Transport(url, timeout))


@dataclass(frozen=True)
class RemoteProof:
    """A bundle about what was asked for, not yet verified.

    Attributes:
        bundle: the proofs.
        index: of the record that it proves.
        equal: how many records of the artifact are equal to it, as the server counts them.
    """

    bundle: Bundle
    index: int
    equal: int

    def to_bytes(self) -> bytes:
        """Return the bytes of the bundle."""
        return self.bundle.to_bytes()


class RemoteLedger:
    """The read side of a ledger behind a URL; made by `connect`. May be shared between threads.

    Every method raises LedgerError where the server does not answer or fails, InputError where
    it refuses the question, and MalformedError where its answer is not of the form it should
    have.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the server's word ----------------------------------------------------------------------

    def artifacts(
        self,
        *,
        name: str | None = None,
        kind: str | None = None,
        before: int | None = None,
        limit: int | None = 100,
    ) -> list[RemoteArtifact]:
        """Return registrations, newest first; `before` is the last one's index, to page on."""
        found: list[RemoteArtifact] = []
        while limit is None or len(found) < limit:
            wanted = PAGE if limit is None else min(PAGE, limit - len(found))
            given = {"name": name, "kind": kind, "cursor": before, "limit": wanted}
            query = {key: value for key, value in given.items() if value is not None}
            page = self._get("v1/artifacts", Page, query)
            found += [artifact.read() for artifact in page.artifacts]
            if page.next_cursor is None:
                break
            if not page.artifacts or (before is not None and page.next_cursor >= before):
                raise MalformedError(f"{self._transport.name} answers pages that lead nowhere")
            before = page.next_cursor
        return found

    def artifact(self, ref: str) -> RemoteArtifact:
        """Return the artifact of a name, or of 8 or more hex digits of a digest."""
        found = self._get(_path(ref), WireArtifact).read()
        known = (found.digest, found.root, found.digests.get("sha256", ""))
        if found.name != ref and not any(value.startswith(ref.lower()) for value in known):
            raise MalformedError(f"{self._transport.name} answers {ref!r} with another artifact")
        if found.statement is None:
            raise MalformedError(f"{self._transport.name} leaves out what was signed of {ref!r}")
        return found

    def history(self, ref: str) -> History:
        """Return every statement about an artifact and about what it came from."""
        return self._get(_path(ref, "/history"), HistoryAnswer).read()

    def anchors(self) -> list[RemoteAnchor]:
        """Return every anchor of the log, the smallest tree first."""
        return list(self._get("v1/anchors", Anchors).anchors)

    def checkpoint(self) -> str:
        """Return the newest checkpoint, a signed note (C2SP tlog-checkpoint), not yet verified."""
        data, _ = self._transport.exchange("GET", "checkpoint", cap=MAX_NOTE)
        try:
            note = data.decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedError("the checkpoint is not UTF-8") from None
        Checkpoint.parse(note.partition("\n\n")[0] + "\n")
        return note

    # --- proofs ---------------------------------------------------------------------------------

    def prove(
        self,
        ref: str,
        *,
        record: Any = None,
        index: int | None = None,
        leaf_hash: bytes | None = None,
    ) -> RemoteProof:
        """Ask for the bundle of one record, and check that it is about that record.

        Args:
            ref: the artifact.
            record: the record itself, as `provenance.records.hash_record` takes it. Its hash is
                sent, not the record.
            index: the record's number, from 0.
            leaf_hash: the record's leaf hash, 32 bytes.

        Raises:
            InputError: no such artifact or record, or not named in one way.
            VerificationError: the bundle is about something else.
        """
        if [record, index, leaf_hash].count(None) != 2:
            raise InputError("name the record in one way: record, index or leaf hash")
        artifact = self.artifact(ref)
        if record is not None:
            leaf_hash = hash_record(record, artifact.artifact.encoding)
        wanted = {"index": index} if leaf_hash is None else {"leaf_hash": leaf_hash.hex()}
        data, headers = self._transport.exchange(
            "POST",
            _path(ref, "/proofs"),
            content=json.dumps(wanted).encode(),
            cap=MAX_BUNDLE,
        )
        bundle = Bundle.parse(data)
        found = _check_answers(bundle, artifact, index, leaf_hash)
        equal = headers.get("provenance-equal-records", "")
        if not re.fullmatch("[1-9][0-9]{0,15}", equal):
            raise MalformedError(f"{self._transport.name} does not say how many records are equal")
        return RemoteProof(bundle, found, int(equal))

    def verify(
        self,
        bundle: bytes | Bundle | RemoteProof,
        *,
        record: Any = None,
        policy: Policy | str | PathLike[str] | None = None,
        chains: Mapping[str, ChainReader | str] | None = None,
        trusted_blocks: Mapping[str, str | bytes] | None = None,
    ) -> Verified:
        """Verify a bundle on this machine. The server is not asked.

        Args and errors as for `provenance.verify`.
        """
        data = bundle if isinstance(bundle, bytes) else bundle.to_bytes()
        return verify(
            data, record=record, policy=policy, chains=chains, trusted_blocks=trusted_blocks
        )

    def _get(self, path: str, form: type[T], query: Mapping[str, Any] | None = None) -> T:
        data, _ = self._transport.exchange("GET", path, query=query, cap=MAX_ANSWER)
        what = f"the answer of {self._transport.name}"
        return forms.decode(form, forms.parse(data, what=what, cap=MAX_ANSWER), what)


def _path(ref: str, rest: str = "") -> str:
    return f"v1/artifacts/{quote(ref, safe='')}{rest}"


def _check_answers(
    bundle: Bundle, named: RemoteArtifact, index: int | None, leaf_hash: bytes | None
) -> int:
    """Check that a bundle proves the record that was asked for; return which one it is.

    What `named` is called rests on the server's word. The bundle is held to it, so that a record
    of another data set cannot pass for one of that which was asked for.

    Raises:
        VerificationError: it does not.
    """
    statement = Statement.parse(Envelope.parse(bundle.statement.envelope).payload)
    predicate, subject, proof = statement.predicate, statement.subjects[0], bundle.record
    artifact = named.artifact
    if not isinstance(predicate, Described) or (
        (predicate.artifact, subject.name, dict(subject.digest))
        != (artifact, named.name, named.digests)
    ):
        raise _failed("statement", "the bundle is about another artifact")
    if proof is None or (index is not None and proof.index != index):
        raise _failed("record", "the bundle proves another record, or none")
    if leaf_hash is not None:
        try:
            check_inclusion(
                leaf_hash=leaf_hash,
                index=proof.index,
                size=artifact.size,
                path=proof.path,
                root=artifact.root,
            )
        except ProofError as error:
            raise _failed("record", str(error)) from error
    return proof.index


def _failed(step: str, finding: str) -> VerificationError:
    report = Report((Check(step, Mark.FAILS, finding),))
    return VerificationError(f"{step}: {finding}", step=step, report=report)
