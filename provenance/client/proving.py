"""Proofs that a server was asked for, held to the question before they are taken."""

from __future__ import annotations

import json
from dataclasses import dataclass

from provenance.client.answers import RemoteArtifact
from provenance.merkle import ProofError
from provenance.signing import Envelope
from provenance.statements import Statement
from provenance.verification import Bundle
from provenance.verification.comparing import check_records
from provenance.verification.report import failure

__all__ = ["Asked", "RemoteProof", "check_answers"]


@dataclass(frozen=True)
class RemoteProof:
    """A bundle about what was asked for, not yet verified.

    Attributes:
        bundle: the proofs.
        indices: numbers of the records that it proves, in the order in which they were asked for.
        equal: where it proves one record, how many of the artifact are equal to it, as the server
            counts them.
    """

    bundle: Bundle
    indices: tuple[int, ...]
    equal: int

    def to_bytes(self) -> bytes:
        """Return the bytes of the bundle."""
        return self.bundle.to_bytes()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The records that were asked for, in one of two ways."""

    indices: tuple[int, ...] | None
    leaf_hashes: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """Return the body of the request."""
        if self.indices is not None:
            return json.dumps({"index": self.indices}).encode()
        return json.dumps({"leaf_hash": [value.hex() for value in self.leaf_hashes]}).encode()


def check_answers(bundle: Bundle, named: RemoteArtifact, asked: Asked) -> tuple[int, ...]:
    """Check that a bundle proves the records that were asked for; return which ones they are.

    What `named` is called rests on the server's word. The bundle is held to it, so that a record
    of another data set cannot pass for one of that which was asked for.

    Raises:
        VerificationError: it does not.
        MalformedError: it registers nothing.
    """
    statement = Statement.parse(Envelope.parse(bundle.statement.envelope).payload)
    subject, artifact = statement.subjects[0], named.artifact
    if (statement.described().artifact, subject.name, dict(subject.digest)) != (
        artifact,
        named.name,
        named.digests,
    ):
        raise failure("statement", "the bundle is about another artifact")
    found = tuple(proof.index for proof in bundle.records)
    if not found or asked.indices not in (None, found):
        raise failure("record", "the bundle proves other records, or none")
    if asked.indices is None:
        try:
            check_records(asked.leaf_hashes, bundle.records, artifact)
        except ProofError as error:
            raise failure("record", str(error)) from error
    return found
