"""One full statement of each kind, and the shortest one, as an SDK would make them."""

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.derivation import Derivation
from provenance.records.artifacts import ARTIFACT_DIGEST, CHUNK, FILE, JSON, Artifact
from provenance.signing import PrivateKey, VerifierKey
from provenance.statements import (
    Access,
    Account,
    ArtifactRef,
    Code,
    Dataset,
    Evidence,
    Key,
    Model,
    Outputs,
    Quality,
    Review,
    Statement,
    Step,
    Subject,
    Supersede,
    key_subject,
)

NONCE = bytes(range(16))
ISSUED = "2026-01-31T12:00:00Z"
COMMON = {"nonce": NONCE, "issued": ISSUED}
EVIDENCE = (
    Evidence(type="tee-quote", media_type="application/octet-stream", digest={"sha256": "ab" * 32}),
)

DATA = Artifact(root=sha256(b"data").digest(), size=3, encoding=JSON)
FILES = Artifact(root=sha256(b"files").digest(), size=2, encoding=FILE)
ANSWERS = Artifact(root=sha256(b"answers").digest(), size=9, encoding=CHUNK)


def subject(name: str, artifact: Artifact, **digests: str) -> Subject:
    return Subject(name=name, digest={ARTIFACT_DIGEST: artifact.digest_hex, **digests})


def ref(name: str, artifact: Artifact) -> ArtifactRef:
    return ArtifactRef(name=name, digest={ARTIFACT_DIGEST: artifact.digest_hex})


TRAIN = subject("train", DATA, sha256="cd" * 32)
MODEL = subject("clf", FILES)
# Fixed, since they name parametrised cases, which every worker must collect alike.
LOG, ADMIN, ALICE, BOB = (
    PrivateKey(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)).public
    for number in range(4)
)
CAROL = PrivateKey(derive_private_key(5, SECP256R1())).public
ACCOUNT = Account(
    chain_id=31337,
    contract="0x" + "0a" * 20,
    ledger_id=sha256(b"ledger").digest(),
    publisher="0x" + "0b" * 20,
)


def statement(predicate, *subjects: Subject) -> Statement:
    return Statement(subjects=subjects, predicate=predicate)


STEP = {"name": "deduplicate", "started": ISSUED, "finished": "2026-01-31T12:00:01.5Z"}
FAILED = Step(**COMMON, **STEP, outcome="failed", error="out of memory")

FULL = {
    "dataset": statement(
        Dataset(
            **COMMON,
            evidence=EVIDENCE,
            artifact=DATA,
            sensitivity="restricted",
            metadata={"rows": 3, "nested": [1.5, None, {"a": "ä"}]},
            source="https://data.example/train",
            provider="A Provider",
            collected="2026-05/06 by survey",
            license="CC-BY-4.0",
            schema={"id": "int64", "text": "string"},
        ),
        TRAIN,
    ),
    "model": statement(
        Model(**COMMON, artifact=FILES, source="trained here", license="MIT", metadata={"a": 1}),
        MODEL,
    ),
    "outputs": statement(
        Outputs(**COMMON, artifact=ANSWERS, model=ref("clf", FILES), metadata={"t": 0.7}),
        subject("predictions", ANSWERS),
    ),
    "step": statement(
        Step(
            **COMMON,
            **STEP,
            inputs=(ref("train", DATA), ref("answers", ANSWERS)),
            code=Code(command=("python", "dedupe.py"), git_commit="0a" * 20, dirty=False),
            parameters={"threshold": 0.9},
            environment={"python": "3.11"},
            outcome="succeeded",
            derivations=(
                Derivation(
                    claim="concatenation",
                    ordered=True,
                    sources=(DATA.digest, ANSWERS.digest),
                    targets=(FILES.digest,),
                ),
            ),
        ),
        MODEL,
    ),
    "quality": statement(
        Quality(
            **COMMON,
            metrics={"accuracy": 0.93, "rows": 3, "loss": "0.10000000000000000001"},
            criteria={"accuracy": ">= 0.9", "loss": "> 0.1"},
            passed=True,
        ),
        TRAIN,
        MODEL,
    ),
    "review": statement(Review(**COMMON, verdict="flag", reason="labels look odd"), TRAIN),
    "access": statement(
        Access(
            **COMMON,
            artifact=ANSWERS,
            metadata={"region": "eu"},
            uses={DATA.digest_hex: 1, FILES.digest_hex: ANSWERS.size - 1},
            started=ISSUED,
            finished="2026-01-31T13:00:00Z",
        ),
        subject("uses", ANSWERS),
        MODEL,
        TRAIN,
    ),
    "key": statement(
        Key(
            **COMMON,
            action="genesis",
            origin="acme.example/ml",
            log_key=str(VerifierKey("acme.example/ml", LOG)),
            admin_keys=(ADMIN.to_pem(), CAROL.to_pem()),
            accounts=(ACCOUNT,),
        ),
        key_subject("acme.example/ml", LOG.keyid),
    ),
    "supersede": statement(
        Supersede(**COMMON, replacement=ref("clf-2", ANSWERS), reason="mislabelled rows"), MODEL
    ),
}

SHORT = {
    "dataset": statement(Dataset(**COMMON, artifact=DATA), TRAIN),
    "model": statement(Model(**COMMON, artifact=FILES), MODEL),
    "outputs": statement(Outputs(**COMMON, artifact=ANSWERS), subject("o", ANSWERS)),
    "step": statement(FAILED, FAILED.run),
    "quality": statement(Quality(**COMMON, metrics={}, passed=True), TRAIN),
    "review": statement(Review(**COMMON, verdict="approve"), TRAIN),
    "access": statement(
        Access(
            **COMMON,
            artifact=ANSWERS,
            uses={DATA.digest_hex: ANSWERS.size},
            started=ISSUED,
            finished=ISSUED,
        ),
        subject("uses", ANSWERS),
        TRAIN,
    ),
    "key": statement(
        Key(**COMMON, action="add", public_key=ALICE.to_pem()), key_subject("alice", ALICE.keyid)
    ),
    "supersede": statement(Supersede(**COMMON, reason="withdrawn"), TRAIN),
}

KEYS = {
    "add": statement(
        Key(
            **COMMON, action="add", public_key=CAROL.to_pem(), kinds=("dataset", "quality", "step")
        ),
        key_subject("carol", CAROL.keyid),
    ),
    "revoke": statement(
        Key(
            **COMMON,
            action="revoke",
            keyid=ALICE.keyid,
            reason="laptop stolen",
            compromised_since="2026-01-30T00:00:00Z",
        ),
        key_subject("alice", ALICE.keyid),
    ),
    "rotate": statement(
        Key(**COMMON, action="rotate", public_key=BOB.to_pem(), replaces=ALICE.keyid, reason="age"),
        key_subject("bob", BOB.keyid),
    ),
}

ALL = {
    **{f"{kind}-full": value for kind, value in FULL.items()},
    **{f"{kind}-short": value for kind, value in SHORT.items()},
    **{f"key-{action}": value for action, value in KEYS.items()},
}
