"""C2SP tlog-proof: one text, read by ten lines of our own, and by nothing that was changed."""

from __future__ import annotations

import base64
from hashlib import sha256
from pathlib import Path

import pytest
from appending import KEY, ORIGIN, submission
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import MalformedError, ProvenanceError
from provenance.log import LogProof, check_proof
from provenance.log.log import Log
from provenance.log.proof import MAX_PROOF, format_hashes, parse_hashes
from provenance.log.store import Database
from provenance.merkle import ProofError
from provenance.signing import (
    COSIGNATURE,
    PrivateKey,
    SignatureError,
    VerifierKey,
    cosign_note,
    sign_note,
)

SIZE = 21
LOG_KEY = VerifierKey(ORIGIN, KEY.public)
WITNESS = PrivateKey.generate()
WITNESS_KEY = VerifierKey("w.example/1", WITNESS.public, COSIGNATURE)
hashes = st.binary(min_size=32, max_size=32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], list[bytes]]:
    """The entries of a log, and the proof of each, cosigned by one witness."""
    database = Database.create(tmp_path_factory.mktemp("log") / "ledger.db")
    with database.writing() as session:
        Log(session, ORIGIN).append([submission(str(number)) for number in range(SIZE)])
    with database.writing() as session:
        log = Log(session, ORIGIN)
        text = log.checkpoint(KEY).partition("\n\n")[0] + "\n"
        log.cosign(SIZE, WITNESS_KEY, cosign_note(text, "w.example/1", WITNESS, time=7))
    with database.reading() as session:
        log = Log(session, ORIGIN)
        entries = list(log.leaves(SIZE))
        proofs = [log.prove_entry(index, SIZE).to_bytes() for index in range(SIZE)]
    database.close()
    return entries, proofs


def oracle(proof: bytes, entry: bytes) -> bool:
    """The standard and RFC 9162, section 2.1.3.2, in ten lines; signatures apart."""
    head, _, note = proof.decode().partition("\n\n")
    version, number, *path = head.split("\n")
    assert version == "c2sp.org/tlog-proof@v1"
    size, root = note.split("\n")[1:3]
    fn, sn, r = int(number.removeprefix("index ")), int(size) - 1, sha256(b"\0" + entry).digest()
    for p in map(base64.b64decode, path):
        r = sha256(b"\1" + (p + r if fn & 1 or fn == sn else r + p)).digest()
        while fn == sn and fn and not fn & 1:
            fn, sn = fn >> 1, sn >> 1
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == base64.b64decode(root)


def check(data: bytes, entry: bytes, **more: object) -> int:
    given = {"origin": ORIGIN, "log_keys": [LOG_KEY]} | more
    leaf_hash = sha256(b"\0" + entry).digest()
    return check_proof(LogProof.parse(data), leaf_hash=leaf_hash, **given).size  # type: ignore[arg-type]


def test_every_entry_is_proven_to_anybody(made: tuple[list[bytes], list[bytes]]) -> None:
    for index, (entry, proof) in enumerate(zip(*made, strict=True)):
        assert oracle(proof, entry)
        assert not oracle(proof, entry + b"!")
        assert check(proof, entry) == SIZE
        assert check(proof, entry, witnesses=[WITNESS_KEY], need=1) == SIZE
        assert LogProof.parse(proof).to_bytes() == proof
        with pytest.raises(ProofError):
            check(proof, made[0][index - 1])


def test_what_is_not_shown_is_refused(made: tuple[list[bytes], list[bytes]]) -> None:
    entry, proof = made[0][3], made[1][3]
    with pytest.raises(ProofError, match=r"another\.example"):
        check(proof, entry, origin="another.example")
    with pytest.raises(ProofError, match="0 of the 1 witnesses"):
        check(proof, entry, need=1)
    with pytest.raises(ProofError, match="1 of the 2 witnesses"):
        check(proof, entry, witnesses=[WITNESS_KEY], need=2)
    with pytest.raises(SignatureError, match="no known key"):
        check(proof, entry, log_keys=[VerifierKey(ORIGIN, WITNESS.public)])
    with pytest.raises(SignatureError, match="by a key of the log"):
        check(proof, entry, log_keys=[], witnesses=[WITNESS_KEY], need=1)


def test_no_byte_of_a_proof_can_change(made: tuple[list[bytes], list[bytes]]) -> None:
    entry, proof = made[0][20], made[1][20]
    for at in range(len(proof)):
        for bit in (1, 32):
            changed = proof[:at] + bytes([proof[at] ^ bit]) + proof[at + 1 :]
            with pytest.raises(ProvenanceError):
                check(changed, entry, witnesses=[WITNESS_KEY], need=1)
        with pytest.raises(ProvenanceError):
            check(proof[:at], entry, witnesses=[WITNESS_KEY], need=1)


@given(
    st.builds(
        LogProof,
        index=st.integers(0, 2**53 - 1),
        path=st.lists(hashes, max_size=63).map(tuple),
        checkpoint=st.just(sign_note("a\n1\nb\n", "a", KEY)),
        extra=st.binary(max_size=40),
    )
)
def test_reads_back(proof: LogProof) -> None:
    assert LogProof.parse(proof.to_bytes()) == proof


def test_the_extra_line_of_the_standard() -> None:
    text = b"c2sp.org/tlog-proof@v1\nextra AAE=\nindex 0\n\nnote\n"
    proof = LogProof(0, (), b"note\n", b"\0\1")
    assert LogProof.parse(text) == proof
    assert proof.to_bytes() == text


HASH = "A" * 43 + "="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1\nindex 0\n",
        "c2sp.org/tlog-proof@v2\nindex 0\n\nnote\n",
        "c2sp.org/tlog-proof@v1\r\nindex 0\n\nnote\n",
        "c2sp.org/tlog-proof@v1\n\nindex 0\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 00\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex -1\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 9007199254740992\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex \u0661\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nextra \nindex 0\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nextra AB==\nindex 0\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nextra AAE=\n\nnote\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH[1:]}\n\nnote\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH}AAAA\n\nnote\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH} \n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n" + f"{HASH}\n" * 64 + "\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n\n" + "n" * MAX_PROOF,
    ],
    ids=range(17),
)
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        LogProof.parse(text.encode())


def test_hashes_end_in_a_newline_each() -> None:
    assert parse_hashes(format_hashes([bytes(32)])) == (bytes(32),)
    with pytest.raises(MalformedError):
        parse_hashes(HASH)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_cosignatures_are_kept_with_their_checkpoint(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        database = Database.create(tmp_path / "ledger.db")
    else:
        database = Database.create(request.getfixturevalue("postgres").database())
    keys = [PrivateKey.generate() for _ in range(3)]
    vkeys = [VerifierKey(f"w{n}", key.public, COSIGNATURE) for n, key in enumerate(keys)]

    def cosign(size: int, *who: int, time: int = 1) -> None:
        with database.writing() as session:
            log = Log(session, ORIGIN)
            text = str(log.cosigned(size)).partition("\n\n")[0] + "\n"
            for number in who:
                line = cosign_note(text, f"w{number}", keys[number], time=time)
                log.cosign(size, vkeys[number], line)

    for size in (1, 2, 3):
        with database.writing() as session:
            Log(session, ORIGIN).append([submission(f"{tmp_path} {size}")])
        with database.writing() as session:
            Log(session, ORIGIN).checkpoint(KEY)
    cosign(1, 0, 1)
    cosign(2, 1)
    cosign(3, 2)
    cosign(2, 1, time=2)  # once more: the newest line of a witness counts
    with database.reading() as session:
        log = Log(session, ORIGIN)
        assert [str(log.cosigned(size)).count("\n— w") for size in (1, 2, 3)] == [2, 1, 1]
        assert log.latest_checkpoint() == log.cosigned(3)
        assert log.cosigned(4) is None
        assert log.cosigned_by(1) == {str(vkeys[0]), str(vkeys[1])}
        all_three = [str(vkey) for vkey in vkeys]
        assert log.newest_cosigned(all_three, need=1) == 3
        assert log.newest_cosigned(all_three[:2], need=1) == 2
        assert log.newest_cosigned(all_three[:2], need=2) == 1
        assert log.newest_cosigned(all_three[:2], need=2, above=1) is None
        assert log.newest_cosigned([], need=1) is None
        assert log.newest_cosigned(all_three, need=3) is None
    database.close()
