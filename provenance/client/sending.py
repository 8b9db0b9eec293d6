"""Sending what was hashed and signed here, and checking that it is in the log.

Leaf hashes are sent by tus (docs/http.md), so an upload goes on where it broke off; records are
not sent. That a statement is logged is not taken on the server's word: a proof of its entry is
asked for, and checked.
"""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, TypeVar

from provenance import forms
from provenance.client.answers import Entries, EntryProofs
from provenance.client.transport import ElsewhereError, LaterError, Transport
from provenance.errors import LedgerError
from provenance.ledger.uploads import SentLeaves
from provenance.log import Checkpoint, Entry, LogProof, check_proof
from provenance.merkle import HASH_SIZE, ProofError, check_inclusion
from provenance.records import Artifact
from provenance.signing import Envelope, SignatureError
from provenance.statements import Statement
from provenance.verification import Policy
from provenance.verification.report import failure

__all__ = ["PIECE", "Sender"]

PIECE = 1 << 20
"""Bytes of leaf hashes in one request: within its time on a slow line, too."""

T = TypeVar("T")

_TUS = {"Tus-Resumable": "1.0.0"}
_MAX_ANSWER = 2 << 20
_MAX_PROOFS = 16 << 20
_LINES = {"Content-Type": "application/jsonl"}


class Sender:
    """Sends to one log.

    Args:
        transport: to its server.
        policy: whose log it is to be; of any key, if None.
    """

    def __init__(self, transport: Transport, policy: Policy | None) -> None:
        self._transport = transport
        self._policy = policy

    def send_tree(self, envelope: bytes, leaves: BinaryIO, patience: float) -> None:
        """Send the leaf hashes of the artifact that a statement registers.

        Args:
            envelope: the statement, signed.
            leaves: 32 bytes each.
            patience: seconds for which a server that does not answer is asked again.

        Raises:
            InputError: the server does not take it.
            LedgerError: it does not answer.
        """
        artifact = _statement(envelope).described().artifact
        _upload(self._transport, artifact, leaves, patience)

    def send_trees(self, sent: Sequence[tuple[bytes, bytes]], patience: float) -> None:
        """Send the leaf hashes of artifacts that have few, in one request.

        Args:
            sent: a statement that registers one, signed, and its leaf hashes, 32 bytes each; of
                all together 8 MiB or so.
            patience, and errors: as of `send_tree`.
        """
        lines = [
            forms.dump(SentLeaves(artifact=_statement(envelope).described().artifact, leaves=data))
            for envelope, data in sent
        ]
        self._ask("POST", "v1/leaves", patience, b"\n".join(lines), _LINES, good=204)

    def log(self, envelopes: Sequence[bytes], patience: float) -> list[int]:
        """Have signed statements logged, all or none, and check that they are.

        Args:
            envelopes: 16 MiB at most.
            patience: seconds for which a server that does not answer is asked again.

        Returns:
            The index of each in the log.

        Raises:
            InputError: the server does not take one of them.
            LedgerError: it does not answer.
            VerificationError: it says that they are logged, and does not prove it.
        """
        many = len(envelopes) > 1
        headers = _LINES if many else {}
        answer = self._ask("POST", "v1/entries", patience, b"\n".join(envelopes), headers)
        what = f"the answer of {self._transport.name}"
        value = forms.parse(answer, what=what, cap=_MAX_ANSWER)
        indices = forms.decode(Entries, value, what).indices
        if len(indices) != len(envelopes):
            raise failure(
                "entry",
                f"{len(indices)} entries are told, and {len(envelopes)} statements were sent",
            )
        entries = [Entry.of(envelope, _statement(envelope)) for envelope in envelopes]
        proofs = self._proofs(indices, patience)
        if len(proofs) != len(entries):
            raise failure("entry", f"{len(proofs)} proofs of {len(entries)} entries")
        for entry, index, proof in zip(entries, indices, proofs, strict=True):
            self._check_logged(entry, index, LogProof.parse(proof))
        return list(indices)

    def _proofs(self, indices: Sequence[int], patience: float) -> list[bytes]:
        """Return what is to prove that entries are in the log."""
        if len(indices) == 1:
            return [self._ask("GET", f"v1/entries/{indices[0]}/tlog-proof", patience)]
        asked, what = json.dumps({"index": indices}).encode(), "the proofs"
        answer = self._ask("POST", "v1/entries/tlog-proofs", patience, asked, cap=_MAX_PROOFS)
        told = forms.decode(EntryProofs, forms.parse(answer, what=what, cap=_MAX_PROOFS), what)
        return [proof.encode("utf-8", "replace") for proof in told.proofs]

    def _ask(
        self,
        method: str,
        path: str,
        patience: float,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        cap: int = _MAX_ANSWER,
        good: int = 200,
    ) -> bytes:
        def ask() -> bytes:
            answer, _ = self._transport.exchange(
                method, path, content=content, headers=headers, cap=cap, good=good
            )
            return answer

        return persist(ask, patience)

    def _check_logged(self, entry: Entry, index: int, proof: LogProof) -> None:
        """Check that the log holds an entry, by a proof under its checkpoint."""
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


def _statement(envelope: bytes) -> Statement:
    return Statement.parse(Envelope.parse(envelope).payload)


def _upload(transport: Transport, artifact: Artifact, leaves: BinaryIO, patience: float) -> None:
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
    """Ask, and where there is no answer ask again, ever more seldom, and never before it is wanted.

    Those who were refused at the same moment do not come back at the same moment.

    Args:
        ask: may be called any number of times.
        patience: seconds for which it is, while nothing is `reached`.
        reached: how far it got.

    Raises:
        LedgerError, ElsewhereError: as `ask`, when the time is over, or would be by then.
    """
    pause, since, before = 0.1, time.monotonic(), reached()
    while True:
        try:
            return ask()
        except (LedgerError, ElsewhereError) as error:
            if reached() > before:
                pause, since, before = 0.1, time.monotonic(), reached()
            wanted = error.seconds if isinstance(error, LaterError) else 0.0
            wait = wanted + random.uniform(pause / 2, pause)  # noqa: S311 - no secret
            if time.monotonic() + wait > since + patience:
                raise
        time.sleep(wait)
        pause = min(2 * pause, 5.0)
