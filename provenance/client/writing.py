"""The writing half of a ledger behind a URL: hashed and signed here, sent, and checked.

Leaf hashes are sent by tus (docs/http.md), so an upload goes on where it broke off; records are
not sent. That a statement is logged is not taken on the server's word: a proof of its entry is
asked for, and checked.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from tempfile import TemporaryFile
from typing import IO, TypeVar

from provenance import forms
from provenance.client.answers import Entries
from provenance.client.transport import ElsewhereError, Transport
from provenance.errors import LedgerError
from provenance.ledger.desk import Clock, Desk
from provenance.log import Checkpoint, Entry, LogProof, check_proof
from provenance.merkle import HASH_SIZE, CompactRange, ProofError, check_inclusion
from provenance.records import Artifact
from provenance.records.sources import Progress, Source
from provenance.signing import PrivateKey, SignatureError, sign
from provenance.statements import Statement
from provenance.verification import Policy
from provenance.verification.report import failure

__all__ = ["RemoteJournal", "send_tree"]

PIECE = 1 << 20
"""Bytes of leaf hashes in one request: within its time on a slow line, too."""

T = TypeVar("T")

_TUS = {"Tus-Resumable": "1.0.0"}
_MAX_ANSWER = 2 << 20


class RemoteJournal(Desk):
    """Where statements are signed, and sent to the log.

    Attributes:
        patience: seconds for which a server that does not answer is asked again.
    """

    def __init__(
        self,
        transport: Transport,
        signers: Callable[[], Sequence[PrivateKey]],
        clock: Clock,
        policy: Policy | None,
        patience: float,
    ) -> None:
        super().__init__(clock)
        self.patience = patience
        self._transport = transport
        self._signers = signers
        self._policy = policy

    @property
    def signers(self) -> Sequence[PrivateKey]:
        """The keys that sign statements; as `Desk`."""
        return self._signers()

    def submit(self, statement: Statement) -> int:
        """Sign a statement, have it logged, and check that it is; return its entry.

        Raises:
            InputError: the server does not take it.
            LedgerError: it does not answer.
            VerificationError: it says that it is logged, and does not prove it.
        """
        envelope = sign(statement.to_bytes(), self.signers)
        body = envelope.to_bytes()
        answer = self._ask("POST", "v1/entries", body)
        what = f"the answer of {self._transport.name}"
        value = forms.parse(answer, what=what, cap=_MAX_ANSWER)
        indices = forms.decode(Entries, value, what).indices
        if len(indices) != 1:
            raise failure("entry", f"one statement was sent, and {len(indices)} entries are told")
        self._check_logged(Entry.of(body, statement), indices[0])
        return indices[0]

    def _ask(self, method: str, path: str, content: bytes | None = None) -> bytes:
        def ask() -> bytes:
            answer, _ = self._transport.exchange(method, path, content=content, cap=_MAX_ANSWER)
            return answer

        return persist(ask, self.patience)

    def _check_logged(self, entry: Entry, index: int) -> None:
        """Check that the log holds an entry, by a proof under its checkpoint."""
        proof = LogProof.parse(self._ask("GET", f"v1/entries/{index}/tlog-proof"))
        policy = self._policy
        if proof.index != index:
            raise failure("entry", f"a proof of entry {proof.index}, not of {index}")
        try:
            if policy is not None:
                check_proof(
                    proof,
                    leaf_hash=entry.leaf_hash,
                    origin=policy.origin,
                    log_keys=policy.log_verifiers,
                )
                return
            checkpoint = Checkpoint.of_note(proof.checkpoint.decode("utf-8", "replace"))
            check_inclusion(
                leaf_hash=entry.leaf_hash,
                index=index,
                size=checkpoint.size,
                path=proof.path,
                root=checkpoint.root,
            )
        except (ProofError, SignatureError) as error:
            raise failure("entry", str(error)) from error


def send_tree(
    transport: Transport, source: Source, progress: Progress | None, patience: float
) -> Artifact:
    """Hash what was opened, and send its leaf hashes; return the artifact that it is.

    Memory: 1 MiB, and a temporary file of 32 bytes a record.

    Raises:
        InputError: it cannot be hashed, or the server does not take it.
        LedgerError: the server does not answer.
    """
    records = CompactRange()
    with TemporaryFile() as leaves:
        for block in source.leaf_hash_blocks(progress):
            records.extend(block)
            leaves.write(block)
        artifact = Artifact(root=records.root(), size=records.end, encoding=source.encoding)
        _upload(transport, artifact, leaves, patience)
    return artifact


def _upload(transport: Transport, artifact: Artifact, leaves: IO[bytes], patience: float) -> None:
    """Send leaf hashes, from where the upload stands; begin again where it stands elsewhere."""
    claimed = base64.b64encode(forms.dump(artifact)).decode()
    length = artifact.size * HASH_SIZE
    headers = {**_TUS, "Upload-Length": str(length), "Upload-Metadata": f"artifact {claimed}"}

    def begin() -> tuple[str, int]:
        _, told = transport.exchange("POST", "v1/trees", headers=headers, cap=_MAX_ANSWER, good=201)
        number, offset = told.get("location", "").removeprefix("trees/"), told.get("upload-offset")
        if not number.isalnum() or offset is None or not offset.isdecimal():
            raise LedgerError(f"{transport.name} does not say where an upload stands")
        return f"v1/trees/{number}", int(offset)

    def send(place: str, offset: int) -> int:
        leaves.seek(offset)
        piece = leaves.read(PIECE)
        _, told = transport.exchange(
            "PATCH",
            place,
            content=piece,
            headers={
                **_TUS,
                "Upload-Offset": str(offset),
                "Content-Type": "application/offset+octet-stream",
            },
            cap=_MAX_ANSWER,
            good=204,
        )
        if told.get("upload-offset") != str(offset + len(piece)):
            raise LedgerError(f"{transport.name} does not say where an upload stands")
        return offset + len(piece)

    reached = 0

    def send_all() -> None:
        nonlocal reached
        place, reached = begin()
        while reached < length:
            reached = send(place, reached)

    persist(send_all, patience, lambda: reached)


def persist(ask: Callable[[], T], patience: float, reached: Callable[[], int] = lambda: 0) -> T:
    """Ask, and where there is no answer ask again, ever more seldom.

    Args:
        ask: may be called any number of times.
        patience: seconds for which it is, while nothing is `reached`.
        reached: how far it got.

    Raises:
        LedgerError, ElsewhereError: as `ask`, when the time is over.
    """
    pause, since, before = 0.1, time.monotonic(), reached()
    while True:
        try:
            return ask()
        except (LedgerError, ElsewhereError):
            if reached() > before:
                pause, since, before = 0.1, time.monotonic(), reached()
            if time.monotonic() + pause > since + patience:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 5.0)
