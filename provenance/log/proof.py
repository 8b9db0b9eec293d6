"""A proof that one entry is in the log, as a text of its own (C2SP tlog-proof).

::

    c2sp.org/tlog-proof@v1
    index 2
    GXUpil1R8pEujlBgShIOc1iXUoRJaqCvJ9Lnq54t47Q=

    acme.example/ml
    3
    R0KStnS1PhN9ea0r1VKTPP9JAU4KVH5JhitUoYYBUH8=

    — acme.example/ml /86As01enawb9WCoXIjy1/nIg2p4UhQr5dPeQrn5tE/HOl02C1TvrRHO0R/DIuL/0xA3Apw…

An optional second line ``extra <base64>`` carries what the standard calls opaque: nobody vouches
for it. Then come the hashes from the leaf's sibling up, and, after an empty line, the checkpoint
with the cosignatures of witnesses. `LogProof.parse` and `LogProof.to_bytes` are inverses;
`check_proof` needs nothing but the entry, the log's keys and those of witnesses.

The tests check what is written here with ten lines of their own over ``hashlib``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from provenance.errors import MalformedError
from provenance.forms import MAX_INTEGER, decode_base64
from provenance.log.checkpoint import Checkpoint
from provenance.merkle import HASH_SIZE, ProofError, check_inclusion
from provenance.signing import SignatureError, VerifierKey, open_note

__all__ = ["LogProof", "check_proof", "format_hashes", "parse_hashes"]

VERSION = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 63
MAX_PROOF = 2 << 20

_HEAD = re.compile(
    re.escape(VERSION) + r"\n(?:extra ([A-Za-z0-9+/=]+)\n)?index (0|[1-9][0-9]{0,15})\n"
)


@dataclass(frozen=True)
class LogProof:
    """Entry `index` is in the tree of `checkpoint`, a signed note; not yet checked.

    Attributes:
        index: of the entry, from 0.
        path: from the entry's sibling up, 32 bytes each.
        checkpoint: the note, cosignatures and all.
        extra: what else the maker of the proof put in.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> LogProof:
        """Read a proof; the inverse of `to_bytes`.

        Raises:
            MalformedError: not a tlog-proof.
        """
        if len(data) > MAX_PROOF:
            raise MalformedError(f"the proof is {len(data):,} bytes long; at most {MAX_PROOF:,}")
        lines, gap, checkpoint = data.partition(b"\n\n")
        try:
            text = lines.decode("ascii") + "\n"
        except UnicodeDecodeError:
            text = ""
        match = _HEAD.match(text)
        if not match or not gap:
            raise MalformedError(f"a tlog-proof has the lines {VERSION!r}, 'index N', hashes, …")
        extra = decode_base64(match[1] or "", "the extra of the proof")
        index = int(match[2])
        if index > MAX_INTEGER:
            raise MalformedError("the index of a proof is at most 2^53-1")
        return cls(index, parse_hashes(text[match.end() :]), checkpoint, extra)

    def to_bytes(self) -> bytes:
        """Return the text of the proof, as it is kept in a file ``*.tlog-proof``."""
        extra = f"extra {base64.b64encode(self.extra).decode()}\n" if self.extra else ""
        head = f"{VERSION}\n{extra}index {self.index}\n{format_hashes(self.path)}\n"
        return head.encode() + self.checkpoint


def check_proof(
    proof: LogProof,
    *,
    leaf_hash: bytes,
    origin: str,
    log_keys: Collection[VerifierKey],
    witnesses: Collection[VerifierKey] = (),
    need: int = 0,
) -> Checkpoint:
    """Check that the log `origin` holds an entry with this leaf hash; return the checkpoint.

    Args:
        proof: as it was read.
        leaf_hash: SHA-256(0x00 ‖ entry).
        origin: the log's name.
        log_keys: one of them must have signed the checkpoint.
        witnesses: who may have cosigned it.
        need: how many of them must have.

    Raises:
        MalformedError: the checkpoint is none.
        SignatureError: it is not signed by one of `log_keys`, or a signature by a known key fails.
        ProofError: another log, too few witnesses, or a path that leads elsewhere.
    """
    note = open_note(proof.checkpoint, (*log_keys, *witnesses))
    signed = {signature.key for signature in note.signatures}
    if not signed & set(log_keys):
        raise SignatureError("the checkpoint is not signed by a key of the log")
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != origin:
        raise ProofError(f"the checkpoint is of the log {checkpoint.origin!r}, not {origin!r}")
    cosigned = len({witness.key.keyid for witness in signed & set(witnesses)})
    if cosigned < need:
        raise ProofError(f"{cosigned} of the {need} witnesses needed cosigned the checkpoint")
    check_inclusion(
        leaf_hash=leaf_hash,
        index=proof.index,
        size=checkpoint.size,
        path=proof.path,
        root=checkpoint.root,
    )
    return checkpoint


# --- lines of hashes, as tlog-proof and tlog-witness have them --------------------------------


def format_hashes(hashes: Sequence[bytes]) -> str:
    """Return one line for each hash: base64 and a newline."""
    return "".join(f"{base64.b64encode(value).decode()}\n" for value in hashes)


def parse_hashes(text: str) -> tuple[bytes, ...]:
    """Read lines of hashes, at most 63; the inverse of `format_hashes`.

    Raises:
        MalformedError: too many, or not 32 bytes in base64 each.
    """
    *lines, rest = text.split("\n")
    if len(lines) > MAX_HASHES:
        raise MalformedError(f"{len(lines)} hashes; a proof has at most {MAX_HASHES}")
    hashes = tuple(decode_base64(line, "a hash of the proof") for line in lines)
    if rest or any(len(value) != HASH_SIZE for value in hashes):
        raise MalformedError("each line of a proof is one hash of 32 bytes")
    return hashes
