"""`connect`, and the ledger that it returns."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, Self

from provenance.anchoring import ChainReader
from provenance.client.answers import (
    RemoteArtifact,
)
from provenance.client.deriving import Compared, comparing
from provenance.client.proving import Asked, RemoteProof, check_answers
from provenance.client.reading import RemoteView, path_of
from provenance.client.sending import Sender
from provenance.client.transport import Transport
from provenance.client.writing import RemoteJournal
from provenance.derivation import Derivation
from provenance.derivation.difference import Difference, compare
from provenance.errors import InputError, MalformedError, ProvenanceError
from provenance.ledger.checking import read_policy, verify
from provenance.ledger.deriving import prove_between, proven_in
from provenance.ledger.desk import Clock
from provenance.ledger.outputs import recover
from provenance.ledger.recording import Recorder, Ref
from provenance.ledger.steps import each
from provenance.records import Artifact, Encoding, hash_record
from provenance.records.opening import open_source
from provenance.records.sources import Progress, Source
from provenance.signing import PrivateKey, read_key_file
from provenance.statements import Statement
from provenance.statements.predicates import Described
from provenance.verification import Bundle, Content, Policy, Verified
from provenance.verification.bundle import MAX_BUNDLE, MAX_RECORDS

__all__ = ["RemoteLedger", "connect"]

_log = logging.getLogger("provenance")


def connect(
    url: str,
    *,
    token: str | None = None,
    signer: PrivateKey | str | PathLike[str] | None = None,
    passphrase: str | None = None,
    policy: Policy | str | PathLike[str] | None = None,
    spool: str | PathLike[str] | None = None,
    timeout: float = 30.0,
    patience: float = 60.0,
    clock: Clock = lambda: datetime.now(UTC),
) -> RemoteLedger:
    """Return the ledger that is served at `url`. Nothing is sent yet.

    Args:
        url: of ``provenance serve``, http or https; of a project, with ``/p/<project>``.
        token: as ``provenance tokens new`` shows it; where everybody may read, none is needed for
            that. It is sent over https only, or to this machine.
        signer: the private key that signs what is recorded, or the path of its PEM file. The log
            must know its public key (``provenance keys add``).
        passphrase: of that file, else ``PROVENANCE_PASSPHRASE``.
        policy: whose log this is to be: then what is recorded must be under a checkpoint that the
            log's key in it signed.
        spool: a folder on this disk. With it, what is recorded is durable here before it is sent,
            and what cannot be sent now waits there (`RemoteLedger.drain`): then no call fails
            because of the server. Processes may share it. Outputs need it.
        timeout: seconds for each request, all of it.
        patience: seconds for which a server that does not answer is asked again, as something is
            recorded; with a spool, as it is drained.
        clock: returns the time.

    Raises:
        InputError: not such a URL, policy or key, the spool is of another server, or httpx is not
            installed.
        LedgerError: the spool cannot be used.
    """
    known = policy if policy is None or isinstance(policy, Policy) else read_policy(policy)
    transport = Transport(url, timeout, token)

    def signers() -> Sequence[PrivateKey]:
        if signer is None:
            raise InputError("nothing is signed without a key: connect with signer=")
        if isinstance(signer, PrivateKey):
            return (signer,)
        secret = passphrase or os.environ.get("PROVENANCE_PASSPHRASE")
        return (read_key_file(signer, secret.encode() if secret else None),)

    journal = RemoteJournal(
        url,
        Sender(transport, known),
        signers,
        clock,
        patience=patience,
        spool=None if spool is None else Path(spool),
    )
    return RemoteLedger(transport, journal)


class RemoteLedger(RemoteView, Recorder[RemoteArtifact, int | None]):
    """A ledger behind a URL; made by `connect`. May be shared between threads.

    What is recorded is hashed and signed here; records stay here. An index of None means that it
    waits in the spool.

    Every method raises LedgerError where the server does not answer or fails, InputError where
    it refuses the question, and MalformedError where its answer is not of the form it should
    have.
    """

    def __init__(self, transport: Transport, journal: RemoteJournal) -> None:
        super().__init__(transport)
        self._journal = journal

    @property
    def journal(self) -> RemoteJournal:
        """Where its statements are signed and sent."""
        return self._journal

    def close(self) -> None:
        """Close the connections; what waits in the spool stays there."""
        self._journal.close()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.waiting():
                self.drain()
        except ProvenanceError as error:
            _log.warning("%d statements wait in %s: %s", self.waiting(), self._spool.parent, error)
        finally:
            self.close()

    # --- the spool ------------------------------------------------------------------------------

    def waiting(self) -> int:
        """Return how many statements wait in the spool."""
        return self._journal.waiting()

    def drain(self) -> list[int]:
        """Send what waits in the spool, the oldest first; return the index of each in the log.

        Outputs that a crash left there are signed first.

        Raises:
            InputError: the server refuses some of it, which stays; all else was sent.
            LedgerError: it does not answer: what was not sent stays.
            VerificationError: it says that something is logged, and does not prove it.
        """
        if self._journal.is_spooled:
            with self._journal.resting():
                recover(self)
        return self._journal.drain()

    # --- what is recorded -----------------------------------------------------------------------

    def resolve(self, ref: Ref[RemoteArtifact]) -> RemoteArtifact:
        """Return what a REF names; the path of something registered is hashed here."""
        if isinstance(ref, RemoteArtifact):
            return ref
        if not isinstance(ref, str):
            ref = open_source(ref, tree_only=True).artifact().digest_hex
        return self._in_spool(ref) or self.artifact(ref)

    def _in_spool(self, ref: str) -> RemoteArtifact | None:
        """Return the newest artifact of a name or digest that waits in the spool."""
        for statement in self._journal.statements():
            if isinstance(statement.predicate, Described):
                found = RemoteArtifact.of(None, statement)
                if ref == found.name or (len(ref) >= 8 and found.digest.startswith(ref.lower())):
                    return found
        return None

    def _hash(self, source: Source, progress: Progress | None) -> Artifact:
        return self._keep(source.leaf_hash_blocks(progress), source.encoding)

    def _keep(self, leaf_hash_blocks: Iterator[bytes], encoding: Encoding) -> Artifact:
        return self._journal.keep(leaf_hash_blocks, encoding)

    def _log(self, statement: Statement) -> RemoteArtifact:
        return RemoteArtifact.of(self._journal.submit(statement, with_tree=True), statement)

    def _log_once(self, statement: Statement) -> RemoteArtifact:
        """Log a statement; what says the same already is of another time, and stays."""
        return self._log(statement)

    @property
    def _spool(self) -> Path:
        if not self._journal.is_spooled:
            raise InputError("outputs wait on this disk first: connect with spool=")
        return self._journal.outbox.outputs

    # --- versions -------------------------------------------------------------------------------

    def _derivation(
        self, sources: Sequence[RemoteArtifact], targets: Sequence[RemoteArtifact]
    ) -> Derivation:
        with self._comparing(sources, targets) as found:
            return proven_in(found.folder, found.before, found.after)

    def prove_derivation(
        self,
        sources: Ref[RemoteArtifact] | Iterable[Ref[RemoteArtifact]],
        targets: Ref[RemoteArtifact] | Iterable[Ref[RemoteArtifact]],
        path: str | PathLike[str],
    ) -> Derivation:
        """Find out which claim holds between versions, and write its proof to `path`.

        As `Ledger.prove_derivation`, from the leaf hashes, which the server is asked for.
        """
        sides = ([self.resolve(ref) for ref in each(side)] for side in (sources, targets))
        with self._comparing(*sides) as found:
            return prove_between(found.before, found.after, Path(path))

    def diff(self, before: Ref[RemoteArtifact], after: Ref[RemoteArtifact]) -> Difference:
        """Return which records changed from one version to another; as `Ledger.diff`."""
        with self._comparing([self.resolve(before)], [self.resolve(after)]) as found:
            return compare(found.before[0], found.after[0], found.folder)

    def _comparing(
        self, before: Sequence[RemoteArtifact], after: Sequence[RemoteArtifact]
    ) -> AbstractContextManager[Compared]:
        return comparing(self._transport, self._journal, before, after)

    # --- proofs ---------------------------------------------------------------------------------

    def prove(
        self,
        ref: str,
        *,
        record: Any = None,
        records: Any = None,
        index: int | Sequence[int] | None = None,
        leaf_hash: bytes | Sequence[bytes] | None = None,
    ) -> RemoteProof:
        """Ask for the bundle of records, and check that it is about them.

        Args:
            ref: the artifact.
            record: the record itself, as `provenance.records.hash_record` takes it. Its hash is
                sent, not the record.
            records: several records in a file, a table or rows, as `Ledger.prove` takes them.
                Their hashes are sent.
            index: the record's number, from 0; or several.
            leaf_hash: the record's leaf hash, 32 bytes; or several.

        Raises:
            InputError: no such artifact or record, or not named in one way.
            VerificationError: the bundle is about something else.
        """
        if [record, records, index, leaf_hash].count(None) != 3:
            raise InputError("name records in one way: record, records, index or leaf hash")
        artifact = self.artifact(ref)
        if record is not None:
            leaf_hash = hash_record(record, artifact.artifact.encoding)
        elif records is not None:
            leaf_hash = Content(records).leaf_hashes(artifact.described(), most=MAX_RECORDS)
        asked = Asked(
            indices=None if index is None else (index,) if isinstance(index, int) else (*index,),
            leaf_hashes=(leaf_hash,) if isinstance(leaf_hash, bytes) else (*(leaf_hash or ()),),
        )
        data, headers = self._transport.exchange(
            "POST", path_of(ref, "/proofs"), content=asked.to_bytes(), cap=MAX_BUNDLE
        )
        bundle = Bundle.parse(data)
        found = check_answers(bundle, artifact, asked)
        equal = headers.get("provenance-equal-records", "0" if len(found) > 1 else "")
        if not re.fullmatch("0|[1-9][0-9]{0,15}", equal) or (equal == "0") != (len(found) > 1):
            raise MalformedError(f"{self._transport.name} does not say how many records are equal")
        return RemoteProof(bundle, found, int(equal))

    def verify(
        self,
        bundle: bytes | Bundle | RemoteProof,
        *,
        record: Any = None,
        data: Any = None,
        policy: Policy | str | PathLike[str] | None = None,
        chains: Mapping[str, ChainReader | str] | None = None,
        trusted_blocks: Mapping[str, str | bytes] | None = None,
    ) -> Verified:
        """Verify a bundle on this machine. The server is not asked.

        Args and errors as for `provenance.verify`.
        """
        return verify(
            bundle if isinstance(bundle, bytes) else bundle.to_bytes(),
            record=record,
            data=data,
            policy=policy,
            chains=chains,
            trusted_blocks=trusted_blocks,
        )
