"""Trees that come in pieces: what came is kept, and what is not as claimed is thrown away."""

import contextlib
import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance import InputError, LedgerError
from provenance.ledger.uploads import KEPT, NoUploadError, OffsetError
from provenance.merkle import Tree
from provenance.records import JSON, LINE, Artifact, hash_record

ROWS = [{"n": n} for n in range(1000)]
LEAVES = b"".join(hash_record(row, JSON) for row in ROWS)


def artifact_of(leaves, encoding=JSON):
    tree = Tree.from_leaf_hashes(leaves)
    return Artifact(root=tree.root, size=tree.size, encoding=encoding)


WHOLE = artifact_of(LEAVES)


@pytest.fixture
def uploads(ledger):
    return ledger.uploads


def send(uploads, upload, data, offset, owner="me"):
    appending = uploads.append(upload.id, owner, offset)
    try:
        appending.write(data)
    finally:
        appending.close()
    return uploads.find(upload.id, owner).offset


def left(ledger):
    return sorted(path.name for path in (ledger.folder.path / "uploads").rglob("*"))


def test_in_one_piece(uploads, ledger):
    upload = uploads.begin(WHOLE, "me")
    assert (upload.offset, upload.length, upload.artifact) == (0, 32_000, WHOLE)
    assert send(uploads, upload, LEAVES, 0) == 32_000
    assert Tree.open(ledger.folder.tree(WHOLE.digest)).root == WHOLE.root
    assert uploads.find(upload.id, "me").offset == 32_000
    assert uploads.begin(WHOLE, "me").offset == 32_000
    assert left(ledger) == []
    with pytest.raises(OffsetError, match="the upload is complete, at 32000"):
        uploads.append(upload.id, "me", 32_000)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.lists(st.integers(0, 640), max_size=6).map(sorted), number=st.integers(1, 20))
def test_in_any_pieces(uploads, ledger, cuts, number):
    leaves = LEAVES[: 32 * number]
    artifact = artifact_of(leaves)
    ledger.folder.tree(artifact.digest).unlink(missing_ok=True)
    offset = 0
    for cut in [*cuts, len(leaves)]:
        upload = uploads.begin(artifact, f"me {cuts}")
        assert upload.offset == offset
        if upload.offset < len(leaves):
            piece = leaves[offset : max(offset, min(cut, len(leaves)))]
            offset = send(uploads, upload, piece, offset, f"me {cuts}")
    assert Tree.open(ledger.folder.tree(artifact.digest)).root == artifact.root


def test_a_tree_of_no_leaves_needs_nothing_sent(uploads, ledger):
    nothing = artifact_of(b"")
    upload = uploads.begin(nothing, "me")
    assert (upload.offset, upload.length) == (0, 0)
    assert ledger.folder.tree(nothing.digest).is_file()
    assert uploads.begin(nothing, "me") == upload


@pytest.mark.parametrize(
    "wrong",
    [
        LEAVES[:-1] + bytes([LEAVES[-1] ^ 1]),
        LEAVES[32:] + LEAVES[:32],
        bytes(32_000),
    ],
    ids=["one bit", "order", "zeros"],
)
def test_what_makes_another_root_is_thrown_away(uploads, ledger, wrong):
    upload = uploads.begin(WHOLE, "me")
    send(uploads, upload, wrong[:20_000], 0)
    with pytest.raises(InputError, match=f"not {WHOLE.root.hex()}: nothing of them was kept"):
        send(uploads, upload, wrong[20_000:], 20_000)
    assert left(ledger) == []
    assert not any(ledger.folder.trees.iterdir())
    with pytest.raises(NoUploadError):
        uploads.find(upload.id, "me")
    again = uploads.begin(WHOLE, "me")
    assert again.offset == 0
    assert send(uploads, again, LEAVES, 0) == 32_000


def test_nobody_goes_on_with_what_others_send(uploads):
    mine, theirs = uploads.begin(WHOLE, "me"), uploads.begin(WHOLE, "them")
    assert mine.id != theirs.id
    send(uploads, mine, LEAVES[:64], 0)
    assert uploads.find(theirs.id, "them").offset == 0
    for ask in (
        lambda: uploads.find(mine.id, "them"),
        lambda: uploads.append(mine.id, "them", 64),
    ):
        with pytest.raises(NoUploadError, match=f"there is no upload '{mine.id}'"):
            ask()


@pytest.mark.parametrize("number", ["", "..", "../trees", "A" * 32, "0" * 31, "0" * 33, "é" * 32])
def test_ids_that_are_none(uploads, number):
    with pytest.raises(NoUploadError, match="there is no upload"):
        uploads.find(number, "me")


def test_only_what_comes_next_is_taken(uploads):
    upload = uploads.begin(WHOLE, "me")
    send(uploads, upload, LEAVES[:100], 0)
    for offset in (0, 99, 101, 32_000):
        with pytest.raises(OffsetError, match=f"the upload stands at 100, not at {offset}"):
            uploads.append(upload.id, "me", offset)
    appending = uploads.append(upload.id, "me", 100)
    with pytest.raises(OffsetError, match="an upload of 32000 bytes has no more of them"):
        appending.write(LEAVES)
    with pytest.raises(OffsetError, match="another request is writing"):
        uploads.append(upload.id, "me", 100)
    assert appending.close() == 100


def test_an_artifact_may_have_the_records_of_another_under_another_encoding(uploads, ledger):
    for artifact in (WHOLE, artifact_of(LEAVES, LINE)):
        send(uploads, uploads.begin(artifact, "me"), LEAVES, 0)
        assert ledger.folder.tree(artifact.digest).is_file()


def test_what_nobody_goes_on_with_is_forgotten(uploads, ledger):
    old = uploads.begin(WHOLE, "me")
    send(uploads, old, LEAVES[:320], 0)
    place = ledger.folder.path / "uploads" / old.id
    then = place.stat().st_mtime - KEPT - 10
    os.utime(place, (then, then))
    uploads.begin(artifact_of(LEAVES[:64]), "me")
    with pytest.raises(NoUploadError):
        uploads.find(old.id, "me")


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_all_of_it_there_and_no_tree(uploads, ledger, monkeypatch, tmp_path):
    """As where the disk was full then: whoever asks for it has the tree built."""
    upload = uploads.begin(WHOLE, "me")
    appending = uploads.append(upload.id, "me", 0)
    appending.write(LEAVES)
    assert appending.close() == 32_000
    assert not uploads.is_kept(WHOLE)
    with monkeypatch.context() as failing:
        failing.setattr(ledger.trees, "keep", full_disk)
        with pytest.raises(LedgerError, match="cannot be kept: No space left on device"):
            uploads.find(upload.id, "me")
    place = ledger.folder.path / "uploads" / upload.id
    shutil.copytree(place, tmp_path / "copy")
    for ask in (lambda: uploads.find(upload.id, "me"), lambda: uploads.begin(WHOLE, "me")):
        assert ask().offset == 32_000
        assert uploads.is_kept(WHOLE)
        assert not place.exists()
        ledger.folder.tree(WHOLE.digest).unlink()
        shutil.copytree(tmp_path / "copy", place)


@pytest.mark.parametrize("kept", [0, 32, 100, 63_807])
def test_a_damaged_tree_is_sent_anew(uploads, ledger, kept):
    send(uploads, uploads.begin(WHOLE, "me"), LEAVES, 0)
    tree = ledger.folder.tree(WHOLE.digest)
    tree.write_bytes(tree.read_bytes()[:kept])
    upload = uploads.begin(WHOLE, "me")
    assert upload.offset == 0
    assert send(uploads, upload, LEAVES, 0) == 32_000
    assert Tree.open(tree).root == WHOLE.root


def test_several_at_once_who_begin_and_end_an_upload(ledger):
    nothing = artifact_of(b"")

    def begin(_):
        with contextlib.suppress(OffsetError):
            return ledger.uploads.begin(nothing, "me").offset

    for _ in range(20):
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(begin, range(4))) <= {0, None}
        assert ledger.uploads.is_kept(nothing)
        ledger.folder.tree(nothing.digest).unlink()


def test_one_who_looks_just_as_somebody_ends_it(uploads, monkeypatch):
    upload = uploads.begin(WHOLE, "me")
    appending = uploads.append(upload.id, "me", 0)
    appending.write(LEAVES)
    appending.close()
    is_kept = uploads.is_kept

    def is_not_yet(artifact):
        monkeypatch.setattr(uploads, "is_kept", is_kept)
        assert uploads.find(upload.id, "me").offset == upload.length  # somebody else, meanwhile
        return False

    monkeypatch.setattr(uploads, "is_kept", is_not_yet)
    assert uploads.find(upload.id, "me").offset == upload.length


def test_there_is_room_for_no_more(uploads, ledger, monkeypatch):
    huge = Artifact(root=bytes(32), size=2**53 - 1, encoding=JSON)
    with pytest.raises(InputError, match="there is no room for 9,007,199,254,740,991 leaf hashes"):
        uploads.begin(huge, "me")
    assert left(ledger) == []
    upload = uploads.begin(WHOLE, "me")
    with monkeypatch.context() as small:
        small.setattr("provenance.ledger.uploads.SPARE", 2**60)
        appending = uploads.append(upload.id, "me", 0)
        with pytest.raises(LedgerError, match="cannot be kept: No space left on device"):
            appending.write(LEAVES)
        assert appending.close() == 0
    monkeypatch.setattr("provenance.ledger.uploads.MOST", 1)
    with pytest.raises(InputError, match="1 uploads are open here"):
        uploads.begin(WHOLE, "them")
    assert uploads.begin(WHOLE, "me").offset == 0


def test_a_disk_that_is_full(uploads):
    """A limit on the size of files: what was written before stays, and an error says so."""
    upload = uploads.begin(WHOLE, "me")
    appending = uploads.append(upload.id, "me", 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(LedgerError, match="cannot be kept: File too large"):
            appending.write(LEAVES)
        assert appending.close() == 10_000
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert send(uploads, uploads.begin(WHOLE, "me"), LEAVES[10_000:], 10_000) == 32_000


KILLED = """
import os, signal, sys
from provenance import Ledger
from provenance.records import Artifact, JSON

root, data = bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.stdin.read())
with Ledger.open(sys.argv[1]) as ledger:
    artifact = Artifact(root=root, size=1000, encoding=JSON)
    upload = ledger.uploads.begin(artifact, "me")
    appending = ledger.uploads.append(upload.id, "me", 0)
    appending.write(data[: int(sys.argv[3])])
    appending.close()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("sent", [0, 20_000, 32_000])
def test_it_goes_on_after_kill_9(ledger, sent):
    home = str(ledger.folder.path.parent)
    command = [sys.executable, "-c", KILLED, home, WHOLE.root.hex(), str(sent)]
    done = subprocess.run(command, input=LEAVES.hex(), text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    upload = ledger.uploads.begin(WHOLE, "me")
    assert upload.offset == sent
    if sent < len(LEAVES):
        assert send(ledger.uploads, upload, LEAVES[sent:], sent) == 32_000
    assert Tree.open(ledger.folder.tree(WHOLE.digest)).root == WHOLE.root
