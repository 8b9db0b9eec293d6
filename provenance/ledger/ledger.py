"""`Ledger`: one folder, one log, and everything a pipeline does with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, Self

from provenance.anchoring import ChainPin
from provenance.derivation import Derivation
from provenance.errors import BatchError
from provenance.ledger import deriving, heads, keys, proving, publishing, registering, witnesses
from provenance.ledger.access import AccessLog
from provenance.ledger.anchors import AnchorRecord
from provenance.ledger.catalog import RegisteredArtifact
from provenance.ledger.chains import Pause
from provenance.ledger.collecting import Collector
from provenance.ledger.config import StorageConfig
from provenance.ledger.creation import create
from provenance.ledger.desk import Clock
from provenance.ledger.drafters import Drafters
from provenance.ledger.folder import Folder
from provenance.ledger.journal import Journal
from provenance.ledger.keyring import Keyring
from provenance.ledger.proving import Proof
from provenance.ledger.recording import Recorder
from provenance.ledger.refs import Ref
from provenance.ledger.sending import Told
from provenance.ledger.submitting import submit_all
from provenance.ledger.tokens import Tokens
from provenance.ledger.uploads import Uploads
from provenance.ledger.usage import Uses, uses_of
from provenance.ledger.view import LedgerView
from provenance.ledger.witnesses import WitnessAnswer
from provenance.log import LogProof
from provenance.records import Artifact, Encoding
from provenance.records.sources import Progress, Source
from provenance.signing import PublicKey
from provenance.statements import Kind, Statement

__all__ = ["Ledger"]


class Ledger(LedgerView, Recorder[RegisteredArtifact, int]):
    """A ledger on disk, for reading and writing. Made by `init` and `open`.

    Several processes may use one ledger; each write is one transaction.

    Attributes:
        tokens: who may ask its service (`provenance.ledger.tokens`).
        access_log: who did, for which artifact (`provenance.ledger.access`).
        collector: takes runs that other tools tell of (`provenance.ledger.collecting`).
        uploads: trees that clients of its service are sending (`provenance.ledger.uploads`).
    """

    def __init__(
        self,
        folder: Folder,
        passphrase: str | None,
        clock: Clock,
        signers: Sequence[str] = ("signer",),
    ) -> None:
        super().__init__(folder)
        self._clock = clock
        self.keyring = Keyring(folder, passphrase, signers)
        self._journal = Journal(self._database, self.origin, self.keyring, clock)
        self._drafters = Drafters()
        self.tokens = Tokens(self._database, clock)
        self.access_log = AccessLog(self)
        self.collector = Collector(self)
        self.uploads = Uploads(folder, self.trees)

    @property
    def journal(self) -> Journal:
        """The one way into its log."""
        return self._journal

    def close(self) -> None:
        """Give files, connections and processes back."""
        self.access_log.close()
        self._drafters.close()
        super().close()

    @classmethod
    def init(
        cls,
        path: str | PathLike[str] = ".",
        *,
        origin: str,
        database: str | None = None,
        storage: str | None = None,
        passphrase: str | None = None,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> Self:
        """Make a ledger in the folder `path`: keys, log, embedded chain with the contract, policy.

        Args:
            path: of the folder that gets a ``.provenance``; it is made where it is missing.
            origin: the log's name, for all time: a URL without scheme is recommended.
            database: the URL of an empty PostgreSQL database, or of an empty schema of one, for
                the log; a SQLite file in the folder, if None. See `provenance.log.backends`.
            storage: the URL of a place that fsspec knows, for the trees of artifacts; a folder in
                the folder, if None. See `provenance.ledger.storage`.
            passphrase: of the private keys, else ``PROVENANCE_PASSPHRASE``; without one they are
                files with mode 0600.
            clock: returns the time.

        Raises:
            LedgerError: there is a ledger already, or the folder cannot be made.
            InputError: an origin that a log cannot have, or no URL.
        """
        stored = None if storage is None else StorageConfig.of(storage)
        with Folder.making(Path(path)) as folder:
            create(folder, origin, Keyring(folder, passphrase), clock, database, stored)
        return cls(Folder.find(Path(path)), passphrase, clock)

    @classmethod
    def open(
        cls,
        path: str | PathLike[str] | None = None,
        *,
        passphrase: str | None = None,
        signers: Sequence[str] = ("signer",),
        clock: Clock = lambda: datetime.now(UTC),
    ) -> Self:
        """Open the ledger in `path` (the working folder, if None) or the nearest one above it.

        Args:
            path: where to look.
            passphrase: of the private keys, else ``PROVENANCE_PASSPHRASE``.
            signers: names of the key files in ``keys/`` that sign statements, each of them.
            clock: returns the time.

        Raises:
            LedgerError: there is none, or it cannot be used as it is.
        """
        return cls(Folder.find(Path(path or ".")), passphrase, clock, signers)

    # --- recording ------------------------------------------------------------------------------

    def _hash(self, source: Source, progress: Progress | None) -> Artifact:
        return registering.hash_into_tree(self.trees, source, progress)

    def _keep(self, leaf_hash_blocks: Iterator[bytes], encoding: Encoding) -> Artifact:
        return self.trees.keep(leaf_hash_blocks, encoding)[0]

    def _log(self, statement: Statement) -> RegisteredArtifact:
        return RegisteredArtifact.of(self.journal.submit(statement), statement)

    def _log_once(self, statement: Statement) -> RegisteredArtifact:
        return registering.log_once(self, statement)

    def _derivation(
        self, sources: Sequence[RegisteredArtifact], targets: Sequence[RegisteredArtifact]
    ) -> Derivation:
        return deriving.derivation(self, sources, targets)

    @property
    def _spool(self) -> Path:
        return self.folder.spool

    def submit(self, envelope: bytes, *, with_tree: bool = False) -> int:
        """Append a statement that somebody else signed, in any form of DSSE; return the entry.

        Args:
            envelope: its bytes.
            with_tree: take what registers an artifact only if its tree is here.

        Raises:
            MalformedError: not DSSE, or not one of the statements known here.
            TreeMissingError: its tree is not here.
            InputError: by a key that the log does not know, or that may not sign this.
        """
        try:
            return self.submit_all([envelope], with_trees=with_tree)[0]
        except BatchError as error:
            raise error.reason from None

    def submit_all(self, envelopes: Iterable[bytes], *, with_trees: bool = False) -> list[int]:
        """Append statements that others signed, all or nothing; return the entry of each.

        The batch is one transaction, so a thousand cost little more than one, and a large one is
        checked on every core. While one is written another can be checked: two threads that call
        this in turn keep a machine busy. What was logged before is not logged again: a batch whose
        answer was lost can be sent again, and gets the same entries.

        Raises:
            BatchError: one of them cannot be taken, as `submit` says; none was.
        """
        return submit_all(
            self.journal,
            self._drafters,
            envelopes,
            trees=self.trees if with_trees else None,
        )

    # --- who used what --------------------------------------------------------------------------

    def access(
        self,
        ref: Ref,
        *,
        since: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Uses:
        """Return who asked the service for an artifact, or for a proof of it, the newest first.

        What is not signed yet comes first. What was signed is held against its batch's tree.

        Args:
            ref: the artifact.
            since: only uses then or later: a day, or RFC 3339 in UTC.
            limit: uses on a page, at most; it ends early after 200 batches.
            cursor: the ``next_cursor`` of the page before.

        Raises:
            InputError: unknown REF, or no time or cursor.
            LedgerError: uses that wait, or the tree of a batch, are damaged.
        """
        return uses_of(self, ref, since=since, limit=limit, cursor=cursor)

    # --- keys -----------------------------------------------------------------------------------

    def add_key(self, public_key: PublicKey, *, name: str, kinds: Iterable[Kind] = ()) -> int:
        """Let a key sign statements of these kinds (all, if none is named); return the entry.

        The ledger's own policy trusts it from now on, too; other people's do not.
        """
        return keys.add_signer(self, public_key, name=name, kinds=kinds)

    def revoke_key(
        self, key: str, *, reason: str, compromised_since: datetime | None = None
    ) -> int:
        """Let the key of this name or keyid sign nothing more; return the entry.

        With `compromised_since`, what it signed counts only if it was anchored before that time.
        """
        found, admin = keys.find_key(self.keys(), key), self.keyring.admin
        return keys.revoke_key(
            self.journal, admin, found, reason=reason, compromised_since=compromised_since
        )

    # --- checkpoints and anchors ----------------------------------------------------------------

    def checkpoint(self) -> str:
        """Sign the log's tree head, unless it is signed; return the note (C2SP tlog-checkpoint).

        With the cosignatures that it has.
        """
        return heads.sign(self)

    def add_witness(self, name: str, url: str, vkey: str) -> None:
        """Ask a witness from now on, and count it in the own policy; other people's do not.

        Args:
            name: what it is called here.
            url: its submission prefix.
            vkey: its key, as its operator tells it.

        Raises:
            InputError: another is called so, its key is known by another name, or not the URL or
                the vkey of a witness.
        """
        witnesses.add(self, name, url, vkey)

    def cosign(
        self, *, need: int | None = None, patience: float = witnesses.PATIENCE
    ) -> list[WitnessAnswer]:
        """Sign a checkpoint and have it cosigned by the witnesses, all of them asked at once.

        What any of them answers is kept and published at once. Those that have not answered are
        asked again by the next call.

        Args:
            need: how many are enough; as many as the own policy demands at most, if None.
            patience: seconds for which those that do not answer are asked again, while too few
                have cosigned.

        Returns:
            What came of each.

        Raises:
            InputError: fewer are configured.
            WitnessError: fewer have cosigned. What they answered is kept.
        """
        return witnesses.cosign(self, need, patience)

    def add_chain(
        self,
        name: str,
        url: str,
        *,
        contract: str | None = None,
        confirmations: int = 12,
        account: str | PathLike[str] | None = None,
        max_fee: str | None = None,
    ) -> ChainPin:
        """Anchor also to the chain behind the node at `url`, and pin it in the own policy.

        Args:
            name: what the chain is called from now on.
            url: of the node's JSON-RPC, or ``env:NAME`` for what the environment variable holds.
            contract: the address of one that is there; a new one is created, if None.
            confirmations: blocks, the anchor's included, that the own policy asks for.
            account: the key file of who sends, PEM or an Ethereum keystore; the ledger's own, if
                None.
            max_fee: what a unit of gas may cost at most, such as ``30 gwei``.

        Raises:
            InputError: the policy pins a chain of this name.
            ChainError: the node does not answer, or the account cannot pay.
        """
        return publishing.add(
            self,
            name,
            url,
            contract=contract,
            confirmations=confirmations,
            account=account,
            max_fee=max_fee,
        )

    def anchor(
        self,
        *names: str,
        told: Told = lambda _: None,
        refused: Callable[[WitnessAnswer], object] | None = None,
        pause: Pause = time.sleep,
    ) -> list[AnchorRecord]:
        """Sign a checkpoint, have it cosigned, and bring it to every chain, to all at once.

        What is anchored there already is not sent again; what a reorg took away is. Outputs that
        processes which are gone left in the spool are registered first; those of a running
        `outputs` block are its own. No witness is waited for long.

        Args:
            names: of the chains; all that the policy pins, if none is given.
            told: called with an anchor whenever its state changes, from several threads.
            refused: called for each witness that does not cosign; a warning, if None.
            pause: waits for so many seconds; what it returns is true to wait for no block any more.

        Returns:
            The newest anchor of each chain.

        Raises:
            ChainError: a chain does not take it. Every other one was tried, and is told.
            LedgerError: ``config.toml`` and the policy mean different chains; likewise.
        """
        return heads.anchor(self, names, told, refused, pause)

    def anchor_due(self, name: str) -> bool:
        """Say whether `anchor` has anything to do on a chain.

        So it has where the log grew since, a witness has not cosigned the newest checkpoint, or an
        anchor may yet change. The chain is asked only where all that may change is confirmed: for
        how deep it is by now.

        Raises:
            ChainError: the chain had to be asked, and does not answer.
        """
        return heads.due(self, name)

    # --- proving --------------------------------------------------------------------------------

    def prove(
        self,
        ref: Ref,
        *,
        record: Any = None,
        records: Any = None,
        index: int | Sequence[int] | None = None,
        path: str | PathLike[str] | None = None,
        leaf_hash: bytes | Sequence[bytes] | None = None,
    ) -> Proof:
        """Return the bundle of an artifact, or of records of it.

        Under the newest checkpoint that as many witnesses cosigned as the own policy demands for
        it; under the newest of all, where there is none.

        Args:
            ref: the artifact.
            record: the record itself, as `provenance.records.hash_record` takes it.
            records: several records in a file, a table or rows: what `register` takes. They are
                proven in their order.
            index: the record's number, from 0; or several.
            path: a file of a folder, as it lies on disk.
            leaf_hash: the record's leaf hash, 32 bytes; or several.

        Raises:
            InputError: no such artifact or record, more than one way to name it, or more records
                than a bundle holds: 16 MiB of them, and 16,384.
            LedgerError: the artifact's tree file is missing or damaged.
        """
        return proving.prove(
            self,
            ref,
            record=record,
            records=records,
            index=index,
            path=path,
            leaf_hash=leaf_hash,
        )

    def prove_entry(self, ref: Ref | int) -> LogProof:
        """Return the proof that an entry is in the log, as C2SP tlog-proof.

        Args:
            ref: an artifact, whose entry is proven under the checkpoint that `prove` takes; or the
                index of any entry, which is proven under the newest.

        Raises:
            InputError: no such artifact or entry.
        """
        return proving.prove_entry(self, ref)

    def prove_entries(self, indices: Sequence[int]) -> list[LogProof]:
        """Return the proofs that entries are in the log, all under its newest checkpoint.

        Raises:
            InputError: no such entry.
        """
        return proving.prove_entries(self, indices)
