"""Versions of a ledger behind a URL: compared, proven and claimed here, whoever serves them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from lying import lying

import provenance
from provenance import InputError, Ledger, LedgerError, MalformedError
from provenance.client import RemoteLedger
from provenance.client.deriving import COUNT
from provenance.derivation import Derivation, check_derivation
from provenance.signing import PrivateKey
from provenance.statements import Step

ROWS = [{"id": number % 40} for number in range(50)]  # ten of them twice
CLEAN = ROWS[:40]
TRAIN, TEST = CLEAN[::-2], CLEAN[::2]

Connect = Callable[..., RemoteLedger]


@pytest.fixture
def connect(ledger: Ledger, key: PrivateKey, token: str) -> Connect:
    def connected(url: str, **more: Path) -> RemoteLedger:
        policy = ledger.policy()
        return provenance.connect(url, token=token, signer=key, policy=policy, patience=0.2, **more)

    return connected


@pytest.fixture
def remote(connect: Connect, url: str) -> Iterator[RemoteLedger]:
    with connect(url) as remote:
        yield remote


def claims(ledger: Ledger, index: int | None) -> tuple[Derivation, ...] | None:
    assert index is not None
    statement = ledger.entry(index).statement
    assert statement is not None
    assert isinstance(statement.predicate, Step)
    return statement.predicate.derivations


def test_a_step_claims_what_it_did_to_the_records(
    remote: RemoteLedger, ledger: Ledger, tmp_path: Path
) -> None:
    remote.register(ROWS, name="raw")
    with remote.step("deduplicate", inputs=["raw"]) as clean:
        clean.output(CLEAN, name="clean")
        clean.derive()
    with remote.step("split", inputs=["clean"]) as split:
        split.output(TRAIN, name="train")
        split.output(TEST, name="test")
        split.derive()
    joined = remote.derive(["train", "test"], remote.register(TRAIN + TEST, name="all"), step="+")
    found = [claims(ledger, step.index) for step in (clean, split, joined)]
    assert found == [tuple(step.derivations) for step in (clean, split, joined)]
    assert [(each.claim, each.ordered) for (each,) in filter(None, found)] == [
        ("subset", True),
        ("split", False),
        ("concatenation", True),
    ]
    # They are those that the ledger itself proves, and whoever reads them there checks them.
    for number, (sources, targets) in enumerate(
        [("raw", "clean"), ("clean", ["train", "test"]), (["train", "test"], "all")]
    ):
        own, its = tmp_path / f"own {number}", tmp_path / f"its {number}"
        (claim,) = claims(ledger, (clean, split, joined)[number].index) or ()
        assert remote.prove_derivation(sources, targets, own) == claim
        assert ledger.prove_derivation(sources, targets, its) == claim
        assert own.read_bytes() == its.read_bytes()
        check_derivation(own, claim)
        event = remote.history(claim.targets[0].hex(), depth=0).events[-1]
        assert isinstance(event.statement.predicate, Step)
        assert event.statement.predicate.derivations == (claim,)


def test_what_changed_between_versions(remote: RemoteLedger, ledger: Ledger) -> None:
    for name, rows in (("raw", ROWS), ("clean", CLEAN), ("train", TRAIN), ("nothing", [])):
        remote.register(rows, name=name)
    for before, after in (("raw", "clean"), ("clean", "train"), ("train", "nothing")):
        own, its = remote.diff(before, after), ledger.diff(before, after)
        assert (own.unchanged, *map(list, (own.removed, own.added, *own.moved))) == (
            its.unchanged,
            *map(list, (its.removed, its.added, *its.moved)),
        )
    with pytest.raises(InputError, match="'none'"):
        remote.diff("raw", "none")


def test_leaf_hashes_come_in_several_answers(
    remote: RemoteLedger, ledger: Ledger, tmp_path: Path
) -> None:
    size = 2 * COUNT + 7
    sizes = {"exact": 2 * COUNT, "longer": size}
    for name, n in sizes.items():
        remote.register(pa.table({"n": range(n)}), name=name)
    found = remote.derive("exact", "longer", step="append").derivations
    assert [each.claim for each in found] == ["extension"]
    assert [*remote.diff("longer", "exact").removed] == [*range(2 * COUNT, size)]
    tree = ledger.leaf_hashes("longer", first=0, limit=size)
    assert len(tree) == 32 * size
    assert ledger.leaf_hashes("longer", first=size - 1, limit=9) == tree[-32:]
    assert ledger.leaf_hashes("longer", first=size, limit=9) == b""


def test_what_does_not_hold_is_not_claimed(remote: RemoteLedger, ledger: Ledger) -> None:
    raw = remote.register(CLEAN, name="clean")
    with pytest.raises(InputError, match="record 1 of the targets is none of the sources"):  # noqa: SIM117, PT012
        with remote.step("adds", inputs=[raw]) as step:
            step.output([ROWS[0], {"id": "new"}], name="out")
            step.derive()
    assert claims(ledger, step.index) is None  # it failed, and that was recorded
    size = ledger.size()
    with pytest.raises(InputError, match="is none of the sources"):
        remote.derive("clean", "out", step="nothing")
    assert ledger.size() == size


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: bytes([data[0] ^ 1]) + data[1:], "other leaf hashes than those of 'raw'"),
        (lambda data: data[32:64] + data[:32] + data[64:], "other leaf hashes"),
        (lambda data: data[:-32], "another number of leaf hashes"),
        (lambda data: data[:-1], "another number of leaf hashes"),
        (lambda _: b"", "another number of leaf hashes"),
        (lambda data: data + bytes(32), "another number of leaf hashes"),
        (lambda data: data * 1000, "more than 1,048,576 bytes"),
    ],
)
def test_a_server_that_lies_is_not_believed(
    remote: RemoteLedger,
    ledger: Ledger,
    url: str,
    connect: Connect,
    change: Callable[[bytes], bytes],
    said: str,
) -> None:
    raw, clean = remote.register(ROWS, name="raw"), remote.register(CLEAN, name="clean")
    size = ledger.size()

    def changed(request: str, body: bytes) -> bytes:
        return change(body) if f"{raw.digest}/leaves" in request else body

    with lying(url, changed) as other, connect(other) as deceived:
        with pytest.raises(MalformedError, match=said):
            deceived.derive(raw, clean, step="deduplicate")
        with pytest.raises(MalformedError, match=said):
            deceived.diff(clean, raw)
    assert ledger.size() == size


def test_what_waits_is_proven_without_the_server(
    ledger: Ledger, url: str, connect: Connect, tmp_path: Path
) -> None:
    """And what is there, is not."""
    there = ledger.register(ROWS, name="there")
    spool = tmp_path / "spool"
    with lying(url, lambda _, body: body) as address, connect(address, spool=spool) as remote:
        known = remote.resolve("there")
    # Now nobody answers at the address that the spool is for.
    remote = connect(address, spool=spool)
    try:
        remote.register(ROWS, name="raw")
        with remote.step("deduplicate", inputs=["raw"]) as step:
            step.output(CLEAN, name="clean")
            found = step.derive()
        assert (found.claim, remote.waiting()) == ("subset", 3)
        assert list(remote.diff("raw", "clean").removed) == [*range(40, 50)]
        # What is there waits here as well, and so it is not asked for.
        assert known.artifact == there.artifact
        assert remote.derive(known, "clean", step="again").derivations == [found]
        other = ledger.register(ROWS[:45], name="other")
        with pytest.raises(LedgerError, match="does not answer"):
            remote.diff(other.digest, "clean")
    finally:
        remote.close()
