"""A log with its keys, and a chain, built from the pure parts alone: no ledger, no database.

::

    world = World()                                 # entry 0: genesis; 1 and 2: Alice and Bob
    rows = world.register([{"n": 1}, {"n": 2}])     # entry 3, signed by Alice
    world.anchor(time=1_800_000_000)                # on world.chain
    world.verify(world.bundle(rows, record=1), record={"n": 2})

Keys follow from their names, so a failing example fails again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.anchoring import Anchor, ChainPin, ChainReader, StateCheck
from provenance.anchoring.anchor import ROOT_AT_SELECTOR, Head
from provenance.errors import ChainUnreachableError, UndecidedError, VerificationError
from provenance.log import Checkpoint, Entry
from provenance.merkle import Tree
from provenance.records import ARTIFACT_DIGEST, JSON, Artifact, hash_record
from provenance.signing import (
    COSIGNATURE,
    PrivateKey,
    VerifierKey,
    add_signatures,
    cosign_note,
    sign,
    sign_note,
)
from provenance.statements import (
    ArtifactRef,
    Dataset,
    Key,
    Statement,
    Subject,
    Supersede,
    key_subject,
)
from provenance.verification import (
    STEPS,
    AnchorProof,
    Bundle,
    LoggedEnvelope,
    Mark,
    Policy,
    RecordProof,
    Signer,
    Verified,
    Verifier,
)

ISSUED = "2026-01-31T12:00:00Z"
CODE = b"the code of the contract"


@cache
def key(name: str) -> PrivateKey:
    return PrivateKey(Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest()))


def name_of(private: PrivateKey) -> str:
    return private.public.keyid[:8]


def signer(private: PrivateKey, *kinds: Any) -> Signer:
    return Signer(name=name_of(private), public_key=private.public.to_pem(), kinds=kinds)


ALICE, BOB, CAROL, ADMIN, THIEF = map(key, ("alice", "bob", "carol", "admin", "thief"))
WITNESSES = [key(f"witness {number}") for number in range(3)]


def witness_vkey(private: PrivateKey, name: str = "") -> str:
    return str(VerifierKey(name or f"w.example/{name_of(private)}", private.public, COSIGNATURE))


class Chain:
    """A chain with one contract, played honestly; `lying` replaces some of the answers.

    Block n has the time `times[n]` and reports `heads[n]`.
    """

    def __init__(self, name: str, ledger_id: bytes, chain_id: int = 31337) -> None:
        self.name = name
        self.pin = ChainPin(
            chain_id=chain_id,
            contract="0x" + "c0" * 20,
            ledger_id=ledger_id,
            code_sha256=sha256(CODE).digest(),
            confirmations=1,
            name=name,
        )
        self.times = [0]
        self.heads: list[list[Head]] = [[]]
        self.asked = 0

    def mine(self, time: int, *heads: Head) -> int:
        self.times.append(time)
        self.heads.append(list(heads))
        return self.head()

    def lying(self, **answers: Callable[..., Any]) -> ChainReader:
        liar = Chain(self.name, self.pin.ledger_id, self.pin.chain_id)
        vars(liar).update(vars(self), **answers)
        return liar

    def chain_id(self) -> int:
        self.asked += 1
        return self.pin.chain_id

    def code(self, contract: str) -> bytes:
        return CODE if contract == self.pin.contract else b""

    def call(self, contract: str, data: bytes) -> bytes:
        assert data[:4] == ROOT_AT_SELECTOR
        assert len(data) == 4 + 32 + 32
        if (contract, data[4:36]) != (self.pin.contract, self.pin.ledger_id):
            return bytes(32)
        size = int.from_bytes(data[36:], "big")
        return {head.size: head.root for block in self.heads for head in block}.get(size, bytes(32))

    def head(self) -> int:
        return len(self.times) - 1

    def finalized(self) -> int | None:
        return self.head()

    def block_time(self, number: int) -> int:
        return self.times[number]

    def anchored(self, contract: str, ledger_id: bytes, block: int) -> list[Head]:
        assert (contract, ledger_id) == (self.pin.contract, self.pin.ledger_id)
        return self.heads[block]


def silent(*_: object) -> Any:
    raise ChainUnreachableError("nobody answers")


@dataclass
class Registered:
    """A data set of the log: its rows, and the index of its entry."""

    rows: Sequence[Any]
    index: int
    statement: Statement

    @property
    def artifact(self) -> Artifact:
        assert isinstance(self.statement.predicate, Dataset)
        return self.statement.predicate.artifact

    @property
    def ref(self) -> ArtifactRef:
        return ArtifactRef(name="rows", digest={ARTIFACT_DIGEST: self.artifact.digest_hex})


@dataclass
class World:
    """One log. Entry 0 is its genesis, 1 and 2 add Alice and Bob, for all kinds."""

    origin: str = "log.example/ml"
    log_key: PrivateKey = field(default_factory=lambda: key("log"))
    admin: PrivateKey = ADMIN
    signers: Sequence[PrivateKey] = (ALICE, BOB)
    leaves: list[tuple[Entry, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.vkey = str(VerifierKey(self.origin, self.log_key.public))
        self.chain = Chain("main", sha256(self.origin.encode()).digest())
        self.anchors: list[tuple[Chain, Anchor]] = []
        self.submit(self.genesis(), self.log_key, self.admin)
        for private in self.signers:
            self.add(private)

    # --- statements -----------------------------------------------------------------------------

    def submit(self, statement: Statement, *keys: PrivateKey) -> int:
        """Append without asking whether it is allowed, as a hostile log would."""
        envelope = sign(statement.to_bytes(), keys).to_bytes()
        self.leaves.append((Entry.of(envelope, statement), envelope))
        return len(self.leaves) - 1

    def stamp(self) -> dict[str, Any]:
        nonce = sha256(f"{self.origin} {len(self.leaves)}".encode()).digest()[:16]
        return {"nonce": nonce, "issued": ISSUED}

    def genesis(self) -> Statement:
        predicate = Key(
            **self.stamp(),
            action="genesis",
            origin=self.origin,
            log_key=self.vkey,
            admin_keys=(self.admin.public.to_pem(),),
        )
        subject = key_subject(self.origin, self.log_key.public.keyid)
        return Statement(subjects=(subject,), predicate=predicate)

    def key_statement(self, about: PrivateKey, **fields: Any) -> Statement:
        subject = key_subject(name_of(about), about.public.keyid)
        return Statement(subjects=(subject,), predicate=Key(**self.stamp(), **fields))

    def add(self, private: PrivateKey, *kinds: str, by: PrivateKey | None = None) -> int:
        pem = private.public.to_pem()
        said = self.key_statement(private, action="add", public_key=pem, kinds=kinds or None)
        return self.submit(said, by or self.admin)

    def revoke(self, private: PrivateKey, by: PrivateKey | None = None, since: str = "") -> int:
        said = self.key_statement(
            private,
            action="revoke",
            keyid=private.public.keyid,
            reason="lost",
            compromised_since=since or None,
        )
        return self.submit(said, by or self.admin)

    def rotate(self, old: PrivateKey, new: PrivateKey, by: PrivateKey | None = None) -> int:
        said = self.key_statement(
            new, action="rotate", public_key=new.public.to_pem(), replaces=old.public.keyid
        )
        return self.submit(said, by or old)

    def register(
        self,
        rows: Sequence[Any] = ({"n": 1}, {"n": 2}, {"n": 3}),
        *by: PrivateKey,
        **claims: Any,
    ) -> Registered:
        """Append a data set of JSON rows, signed by Alice unless others are named."""
        tree = tree_of(rows)
        artifact = Artifact(root=tree.root, size=tree.size, encoding=JSON)
        digest = {ARTIFACT_DIGEST: artifact.digest_hex, **claims.pop("digest", {})}
        predicate = Dataset(
            **self.stamp(), artifact=artifact, **{"sensitivity": "public", **claims}
        )
        said = Statement(subjects=(Subject(name="rows", digest=digest),), predicate=predicate)
        return Registered(rows, self.submit(said, *(by or (ALICE,))), said)

    def supersede(
        self, old: Registered, *by: PrivateKey, new: Registered | None = None, reason: str = "wrong"
    ) -> int:
        predicate = Supersede(**self.stamp(), replacement=new.ref if new else None, reason=reason)
        subject = Subject(name="rows", digest=old.ref.digest)
        return self.submit(Statement(subjects=(subject,), predicate=predicate), *by)

    # --- proofs ---------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        return len(self.leaves)

    def tree(self, size: int) -> Tree:
        hashes = (entry.leaf_hash for entry, _ in self.leaves[:size])
        return Tree.from_leaf_hashes(b"".join(hashes))

    def note(self, size: int, *witnesses: PrivateKey, time: int = 1_800_000_000) -> str:
        """The checkpoint at `size`, cosigned."""
        text = Checkpoint(self.origin, size, self.tree(size).root).to_text()
        lines = [
            cosign_note(text, VerifierKey.parse(witness_vkey(witness)).name, witness, time=time)
            for witness in witnesses
        ]
        return add_signatures(sign_note(text, self.origin, self.log_key), lines).decode()

    def anchor(
        self,
        time: int = 1_800_000_000,
        *,
        size: int | None = None,
        chain: Chain | None = None,
    ) -> Anchor:
        """Anchor the tree of `size` entries (all, if left out) in a new block of `time`."""
        chain = chain or self.chain
        head = Head(size or self.size, self.tree(size or self.size).root)
        anchor = Anchor(
            chain_id=chain.pin.chain_id,
            contract=chain.pin.contract,
            ledger_id=chain.pin.ledger_id,
            size=head.size,
            root=head.root,
            block=chain.mine(time, head),
        )
        self.anchors.append((chain, anchor))
        return anchor

    def logged(self, index: int, size: int) -> LoggedEnvelope:
        entry, envelope = self.leaves[index]
        return LoggedEnvelope(
            envelope=envelope,
            entry=entry.to_bytes(),
            index=index,
            path=self.tree(size).prove(index).path,
        )

    def bundle(
        self,
        registered: Registered,
        *,
        record: int | None = None,
        size: int | None = None,
        witnesses: Sequence[PrivateKey] = (),
        anchors: Sequence[Anchor] | None = None,
        standing: Sequence[int] | None = None,
    ) -> Bundle:
        """Everything that is known of `registered`, under the checkpoint at `size`."""
        size = size or self.size
        if standing is None:
            standing = [i for i in range(size) if self.leaves[i][0].kind in (8, 9)]
        if anchors is None:
            anchors = [anchor for _, anchor in self.anchors]
        return Bundle(
            records=() if record is None else (prove(registered.rows, record),),
            statement=self.logged(registered.index, size),
            checkpoint=self.note(size, *witnesses),
            anchors=tuple(self.prove_anchor(anchor, size) for anchor in anchors),
            standing=tuple(self.logged(index, size) for index in standing),
        )

    def prove_anchor(self, anchor: Anchor, size: int) -> AnchorProof:
        path = self.tree(size).prove_consistency(anchor.size).path
        return AnchorProof(anchor=anchor, consistency=path)

    # --- verification ---------------------------------------------------------------------------

    def policy(self, **changes: Any) -> Policy:
        """Trust this log, its admin and Alice and Bob, and anchors on its chain."""
        return Policy(
            **{
                "origin": self.origin,
                "log_keys": (self.vkey,),
                "admin_keys": (self.admin.public.to_pem(),),
                "signers": tuple(signer(private) for private in self.signers),
                "chains": (self.chain.pin,),
                **changes,
            }
        )

    def every_entry(self, size: int) -> Iterator[tuple[bytes, bytes | None]]:
        for entry, envelope in self.leaves[:size]:
            yield entry.to_bytes(), envelope if entry.kind in (8, 9) else None

    def verify(
        self,
        bundle: Bundle | bytes,
        *,
        policy: Policy | None = None,
        chains: Mapping[str, ChainReader] | None = None,
        trusted_blocks: Mapping[str, StateCheck] | None = None,
        scan: bool = False,
        **given: Any,
    ) -> Verified:
        """Verify under this world's policy, unless another is given."""
        verifier = Verifier(
            policy or self.policy(),
            chains={"main": self.chain} if chains is None else chains,
            trusted_blocks=trusted_blocks,
            every_entry=self.every_entry if scan else None,
        )
        data = bundle if isinstance(bundle, bytes) else bundle.to_bytes()
        return verifier.verify(data, **given)


def tree_of(rows: Iterable[Any]) -> Tree:
    return Tree.from_leaf_hashes(b"".join(hash_record(row, JSON) for row in rows))


def prove(rows: Sequence[Any], index: int) -> RecordProof:
    return RecordProof(index=index, path=tree_of(rows).prove(index).path)


@contextmanager
def fails(step: str, match: str) -> Iterator[None]:
    """Expect this step to be the first that fails, and the report to say the same."""
    with pytest.raises(VerificationError, match=match) as caught:
        yield
    error = caught.value
    assert type(error) is VerificationError, error
    assert error.step == step
    checks = error.report.checks
    assert [check.step for check in checks] == list(STEPS[: len(checks)])
    assert [check.step for check in checks if check.mark is Mark.FAILS] == [step]
    assert checks[-1].step == step


@contextmanager
def undecided(step: str, match: str) -> Iterator[None]:
    """Expect every step to run, none to fail, and this one to be why nothing is decided."""
    with pytest.raises(UndecidedError, match=match) as caught:
        yield
    error = caught.value
    assert error.step == step
    assert [check.step for check in error.report.checks] == list(STEPS)
    assert error.report[step].mark is Mark.UNDECIDED
    assert all(check.mark is not Mark.FAILS for check in error.report.checks)


def changed(logged: LoggedEnvelope, **fields: Any) -> LoggedEnvelope:
    return replace(logged, **fields)
