"""A disk that is full at any point: a clear error, nothing half-written, and it works afterwards.

The limit on the size of files (RLIMIT_FSIZE) stands for the disk: a write beyond it fails, or
ends in the middle, as on a full one. It is moved through every page that a call writes.
"""

import re

PRELUDE = """
import os, resource, sys
from pathlib import Path
import provenance
from provenance.ledger import outputs
from provenance.merkle import Tree
from provenance.records import JSON, hash_record

ROWS = [{"id": number} for number in range(300)]
ledger = provenance.Ledger.open()
folder = ledger.folder.path
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

def size(name):
    path = folder / name
    return path.stat().st_size if path.exists() else 0

def limited(limit, call):
    # SIGXFSZ would end the process; Python ignores it, and the write fails.
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        return call()
    except provenance.ProvenanceError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
        print(type(error).__name__, error, flush=True)
        return None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))

def limits(name, step):
    yield from (0, 1, 32, 1000, 9600, 19000)
    for page in range(25):
        yield size(name) + step * page

def state():
    return ledger.status().size, sorted(p.name for p in (folder / "spool").iterdir())
"""

REGISTER = (
    PRELUDE
    + """
failed = done = 0
for number, limit in enumerate(limits("ledger.db-wal", step=2000)):
    before = state()
    found = limited(limit, lambda: ledger.register(ROWS, name=f"rows {number}"))
    assert not list((folder / "drafts").iterdir())
    if found is None:
        failed += 1
        assert state() == before, "half of it was written"
        continue
    done += 1
    assert state() == (before[0] + 1, before[1])
    assert ledger.prove(found, index=7).indices == (7,)
assert failed > 5 and done > 5, (failed, done)
ledger.register(ROWS, name="works")
for artifact in ledger.artifacts():
    assert ledger.prove(artifact, record={"id": 299}).indices == (299,)
"""
)

RECORD = (
    PRELUDE
    + """
acknowledged, artifacts = [], []
out = ledger.outputs(name="answers", flush_count=3, flush_seconds=600)

def record(row):
    out.record(row)
    return row

failed = 0
for limit in [0, 1, 50, 100, 150, 180, 200, *range(210, 700, 7)]:
    row = {"limit": limit}
    if limited(limit, lambda: record(row)):
        acknowledged.append(row)
    else:
        failed += 1
assert failed > 5 and len(acknowledged) > 5, (failed, len(acknowledged))
out.flush()
assert len(list((folder / "spool").iterdir())) == ledger.status().pending_outputs // 3
outputs.recover(ledger)
assert not list((folder / "spool").iterdir())
assert ledger.status().pending_outputs == 0
recorded = []
for artifact in ledger.artifacts(limit=None):
    tree = Tree.open(ledger.folder.tree(artifact.artifact.digest))
    recorded += [tree.leaf(index) for index in range(tree.size)]
lost = {hash_record(row, JSON) for row in acknowledged} - set(recorded)
assert not lost, lost
assert len(recorded) == len(set(recorded)), "recorded twice"
"""
)

ANCHOR = (
    PRELUDE
    + """
import provenance.anchoring.embedded

def in_blocks():
    # What was about to be sent when the disk was full stays submitted, in no block.
    anchors = ledger.anchors()
    assert all((anchor.state == "submitted") == (anchor.block is None) for anchor in anchors)
    return [anchor for anchor in anchors if anchor.block is not None]

failed = done = 0
for limit in limits("config.toml", step=6000):
    ledger.register([{"limit": limit}], name="rows")
    before = in_blocks()
    ledger.close()  # which empties its write-ahead file, so that the chain's is the larger one
    found = limited(limit, ledger.anchor)
    if found is None:
        failed += 1
        assert in_blocks() == before
    else:
        done += 1
        assert ledger.anchors() == in_blocks() == [*before, *found]
assert failed > 5 and done > 5, (failed, done)
(anchor,) = ledger.anchor()
assert anchor.size == ledger.status().size
for artifact in ledger.artifacts(limit=20):
    provenance.verify(ledger.prove(artifact))
"""
)

WITNESS = (
    PRELUDE
    + """
from provenance.log import Checkpoint
from provenance.log.log import Log
from provenance.witness import AddCheckpoint, Witness

witness = Witness.init("w", name="witness.example/w")
witness.watch(*ledger.policy().log_keys)
log = witness.folder / "witness.db-wal"
old = failed = done = 0
for page in range(25):
    ledger.register([{"page": page}], name="rows")
    note = ledger.checkpoint()
    size = Checkpoint.of_note(note).size
    with ledger._database.reading() as session:
        proof = Log(session, ledger.origin).prove_consistency(old, size).path if old else ()
    body = AddCheckpoint(old, proof, note.encode()).to_bytes()
    limit = log.stat().st_size + 500 * page
    if limited(limit, lambda: witness.add_checkpoint(body)) is None:
        failed += 1
        assert (witness.logs()[0].size or 0) == old, "recorded and not answered"
    else:
        done += 1
        assert witness.logs()[0].size == size
        old = size
assert failed > 5 and done > 5, (failed, done)
"""
)

INIT = (
    PRELUDE
    + """
import provenance.anchoring.embedded
for limit in (0, 100, 500, 5000, 20_000, 50_000, 100_000):
    assert limited(limit, lambda: provenance.Ledger.init("new", origin="a.example/x")) is None
    assert list(Path("new").iterdir()) == [], limit
provenance.Ledger.init("new", origin="a.example/x").register(ROWS, name="rows")
"""
)


def errors(said, home):
    return {
        re.sub(r"[0-9a-f]{16}", "#", line.replace(f"{home}/.provenance", "HERE"))
        for line in said.splitlines()
    }


LOG = "LedgerError the disk is full: HERE/ledger.db was left as it was"
TREE = "LedgerError a tree file in HERE/drafts cannot be written: File too large"


def test_register(home, run):
    assert errors(run(REGISTER), home) == {LOG, TREE}


def test_record(home, run):
    said = errors(run(RECORD), home)
    torn = "LedgerError cannot write to HERE/spool/#.spool: No space left on device"
    headless = "LedgerError cannot write HERE/spool/#.spool: No space left on device"
    assert {torn, headless} <= said
    nothing = {
        "LedgerError cannot write HERE/spool/#.spool: File too large",
        "LedgerError cannot write to HERE/spool/#.spool: File too large",
    }
    assert said <= {torn, headless, *nothing, LOG, TREE}


def test_anchor(home, run):
    said = errors(run(ANCHOR), home)
    chain = "ChainError embedded: the embedded chain HERE/chain.db cannot be used: disk I/O error"
    assert said == {LOG, chain}


def test_a_witness(home, run):
    (said,) = {line.replace(str(home), "HERE") for line in run(WITNESS).splitlines()}
    assert re.fullmatch("WitnessError HERE/w/witness.db cannot be used: disk I/O error", said)


def test_init(home, run):
    said = run(INIT)
    for line in said.splitlines():
        assert re.match(r"(LedgerError|ChainError) .*new/\.provenance\.new-", line), line
