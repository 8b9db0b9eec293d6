"""A small world with fixed keys, nonces and times, and the examples that docs/formats.md shows."""

from __future__ import annotations

import base64
import json
from hashlib import sha256

import rlp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_utils.crypto import keccak
from trie.hexary import HexaryTrie

from provenance import forms
from provenance.anchoring import Anchor, ChainPin, StateProof
from provenance.anchoring.contract import runtime_code
from provenance.anchoring.state import root_slot
from provenance.derivation.proof import Header
from provenance.ledger.config import ChainConfig, Config, WitnessConfig
from provenance.ledger.uses import Use
from provenance.log import Checkpoint, Entry, LogProof
from provenance.merkle import Tree, leaf_hash
from provenance.monitoring.evidence import Evidence, History
from provenance.records import JSON, Artifact, canonical_row, hash_record
from provenance.signing import (
    COSIGNATURE,
    PrivateKey,
    VerifierKey,
    add_signatures,
    cosign_note,
    pae,
    sign,
    sign_note,
)
from provenance.signing.dsse import PAYLOAD_TYPE
from provenance.statements import Account, Dataset, Key, Predicate, Statement, Subject, key_subject
from provenance.verification import (
    AnchorProof,
    Bundle,
    LoggedEnvelope,
    Policy,
    RecordProof,
    Signer,
)

ORIGIN = "acme.example/ml"
ROWS = [{"id": 7, "text": "hello"}, {"text": "wörld", "id": 8, "score": 0.5}, {"id": 9}]


def key(name: str) -> PrivateKey:
    return PrivateKey(Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest()))


LOG, ADMIN, SIGNER = key("log"), key("admin"), key("signer")
PIN = ChainPin(
    name="embedded",
    chain_id=4503599627370497,
    contract="0x5fbdb2315678afecb367f032d93f642f64180aa3",
    ledger_id=sha256(b"ledger id").digest(),
    code_sha256=sha256(b"runtime code").digest(),
    confirmations=1,
    embedded=True,
)


def stamp(number: int) -> dict[str, object]:
    return {"nonce": bytes([number] * 16), "issued": f"2026-01-31T12:00:0{number}.000Z"}


def statements() -> list[tuple[Statement, list[PrivateKey]]]:
    account = Account(
        chain_id=PIN.chain_id,
        contract=PIN.contract,
        ledger_id=PIN.ledger_id,
        publisher="0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
    )
    genesis = Key(
        **stamp(0),
        action="genesis",
        origin=ORIGIN,
        log_key=str(VerifierKey(ORIGIN, LOG.public)),
        admin_keys=(ADMIN.public.to_pem(),),
        accounts=(account,),
    )
    add = Key(**stamp(1), action="add", public_key=SIGNER.public.to_pem())
    dataset = Dataset(
        **stamp(2),
        artifact=ARTIFACT,
        source="https://example.com/survey",
        provider="Example Institute",
        collected="2026-05/06 by survey",
        license="CC-BY-4.0",
        schema={"id": "int64", "score": "double", "text": "string"},
    )
    subject = Subject(name="train", digest={"provenance-artifact-v1": ARTIFACT.digest_hex})

    def about_key(name: str, signer: PrivateKey, predicate: Predicate) -> Statement:
        return Statement(subjects=(key_subject(name, signer.public.keyid),), predicate=predicate)

    return [
        (about_key(ORIGIN, LOG, genesis), [LOG, ADMIN]),
        (about_key("signer", SIGNER, add), [ADMIN]),
        (Statement(subjects=(subject,), predicate=dataset), [SIGNER]),
    ]


RECORDS = Tree.from_leaf_hashes(b"".join(hash_record(row, JSON) for row in ROWS))
ARTIFACT = Artifact(root=RECORDS.root, size=RECORDS.size, encoding=JSON)
USE = Use(
    artifact=ARTIFACT.digest,
    action="prove",
    who="4c1f09ab",
    when="2026-01-31T12:00:03.120Z",
    request="5f0e8c31-6d02-4b5b-9d0c-0a1b2c3d4e5f",
    nonce=bytes([3]) * 16,
    records=(1,),
)
STATEMENTS = statements()
ENVELOPES = [sign(statement.to_bytes(), keys).to_bytes() for statement, keys in STATEMENTS]
ENTRIES = [
    Entry.of(envelope, statement)
    for envelope, (statement, _) in zip(ENVELOPES, STATEMENTS, strict=True)
]
LOG_TREE = Tree.from_leaf_hashes(b"".join(entry.leaf_hash for entry in ENTRIES))
CHECKPOINT = Checkpoint(ORIGIN, LOG_TREE.size, LOG_TREE.root)
NOTE = sign_note(CHECKPOINT.to_text(), ORIGIN, LOG).decode()
WITNESS = VerifierKey("witness.example/w1", key("witness").public, COSIGNATURE)
COSIGNED = add_signatures(
    NOTE.encode(),
    [cosign_note(CHECKPOINT.to_text(), WITNESS.name, key("witness"), time=1769860805)],
)
ANCHOR = Anchor(
    chain_id=PIN.chain_id,
    contract=PIN.contract,
    ledger_id=PIN.ledger_id,
    size=CHECKPOINT.size,
    root=CHECKPOINT.root,
    block=3,
)
ANCHOR_SLOT = root_slot(ANCHOR.ledger_id, ANCHOR.size)


def state() -> StateProof:
    """The state of the anchor's block, with nothing in it but the contract and its one root."""
    storage = HexaryTrie({})
    storage[keccak(ANCHOR_SLOT)] = rlp.encode(ANCHOR.root)
    accounts = HexaryTrie({})
    accounts[keccak(hexstr=ANCHOR.contract)] = rlp.encode(
        [1, 0, storage.root_hash, keccak(runtime_code())]
    )
    header = [bytes(32), bytes(32), bytes(20), accounts.root_hash, bytes(32), bytes(32), bytes(256)]
    header += [0, ANCHOR.block, 30_000_000, 52_000, 1_800_000_000, b"", bytes(32), bytes(8), 7]
    return StateProof(
        header=rlp.encode(header),
        account=tuple(map(rlp.encode, accounts.get_proof(keccak(hexstr=ANCHOR.contract)))),
        storage=tuple(map(rlp.encode, storage.get_proof(keccak(ANCHOR_SLOT)))),
    )


STATE = state()
POLICY = Policy(
    origin=ORIGIN,
    log_keys=(str(VerifierKey(ORIGIN, LOG.public)),),
    admin_keys=(ADMIN.public.to_pem(),),
    signers=(Signer(name="signer", public_key=SIGNER.public.to_pem()),),
    chains=(PIN,),
)


# The second record was taken out.
KEPT = RECORDS.leaf(0) + RECORDS.leaf(2)
CLEAN = Artifact(root=Tree.from_leaf_hashes(KEPT).root, size=2, encoding=JSON)
DERIVATION_HEADER = Header.of([ARTIFACT], [CLEAN], ordered=True)
DERIVATION_BODY = RECORDS.leaf_hashes(0, 3) + bytes([1, 0, 1])


CONFIG = Config(
    origin=ORIGIN,
    chains={
        "embedded": ChainConfig(path="chain.db"),
        "sepolia": ChainConfig(
            url="env:SEPOLIA_RPC",
            chain_id=11155111,
            contract="0x5fbdb2315678afecb367f032d93f642f64180aa3",
            confirmations=12,
            account="keys/sepolia.json",
            max_fee="30 gwei",
        ),
    },
    witnesses={"w1": WitnessConfig(url="https://witness.example", vkey=str(WITNESS))},
)


def logged(index: int) -> LoggedEnvelope:
    return LoggedEnvelope(
        envelope=ENVELOPES[index],
        entry=ENTRIES[index].to_bytes(),
        index=index,
        path=LOG_TREE.prove(index).path,
    )


BUNDLE = Bundle(
    records=(RecordProof(index=1, path=RECORDS.prove(1).path),),
    statement=logged(2),
    checkpoint=NOTE,
    anchors=(AnchorProof(anchor=ANCHOR, consistency=()),),
    standing=(logged(0), logged(1)),
)


# Another history of the same log: its last entry is another one, and then one more.
FORK_TREE = Tree.from_leaf_hashes(
    b"".join(ENTRIES[at].leaf_hash for at in (0, 1)) + leaf_hash(b"another") + leaf_hash(b"more")
)
FORK = Checkpoint(ORIGIN, FORK_TREE.size, FORK_TREE.root)
EVIDENCE = Evidence(
    kind="fork",
    origin=ORIGIN,
    time="2026-01-31T12:00:09Z",
    finding="the log signed a tree of 4 entries that does not continue the one of 3 that it signed "
    "too",
    seen=NOTE,
    checkpoint=sign_note(FORK.to_text(), ORIGIN, LOG).decode(),
    history=History.of(
        Tree.from_leaf_hashes(b"".join(FORK_TREE.leaf(at) for at in range(3))).root,
        FORK_TREE.prove_consistency(3),
        FORK.root,
    ),
)


def pretty(data: bytes) -> str:
    return json.dumps(json.loads(data), indent=2, ensure_ascii=False)


EXAMPLES = {
    "row": "\n".join(canonical_row(row).decode() for row in ROWS),
    "leaves": "\n".join(hash_record(row, JSON).hex() for row in ROWS),
    "artifact": "\n".join(
        (
            f"size      {ARTIFACT.size}",
            f"root      {ARTIFACT.root.hex()}",
            'encoding  {"encoding":"json"}',
            f"digest    {ARTIFACT.digest_hex}",
        )
    ),
    "statement": pretty(STATEMENTS[2][0].to_bytes()),
    "use": pretty(USE.to_bytes()),
    "pae": pae(PAYLOAD_TYPE, b'{"_type":"https://in-toto.io/Statement/v1"}').decode(),
    "envelope": ENVELOPES[2].decode(),
    "entry": ENTRIES[2].to_bytes().hex(" ", 32),
    "checkpoint": NOTE.rstrip("\n"),
    "proof": LogProof(2, LOG_TREE.prove(2).path, COSIGNED).to_bytes().decode().rstrip("\n"),
    "witness": str(WITNESS),
    "derivation": pretty(forms.dump(DERIVATION_HEADER.derivation)),
    "header": DERIVATION_HEADER.to_bytes().decode(),
    "body": "\n".join(
        (*(RECORDS.leaf(number).hex() for number in range(3)), DERIVATION_BODY[96:].hex(" "))
    ),
    "policy": pretty(POLICY.to_bytes()),
    "fingerprint": POLICY.fingerprint,
    "bundle": pretty(BUNDLE.to_bytes()),
    "config": CONFIG.to_toml().rstrip("\n"),
    "evidence": pretty(EVIDENCE.to_bytes()),
    "state": pretty(forms.dump(STATE)),
    "slot": "\n".join(
        (
            f"slot       {ANCHOR_SLOT.hex()}",
            "           = keccak256(u256 size ‖ keccak256(ledgerId ‖ u256 1))",
            f"size       {ANCHOR.size}",
            f"ledgerId   {ANCHOR.ledger_id.hex()}",
            f"value      {ANCHOR.root.hex()}",
            f"block hash {keccak(STATE.header).hex()}",
        )
    ),
    "keyid": f"{SIGNER.public.keyid}\n{base64.b64encode(SIGNER.public.spki).decode()}",
}
"""Name → text, as it stands in docs/formats.md between ``<!-- example: name -->`` and the fence."""
