"""A file in slices: the same leaves and digest however it is cut into blocks, or an error."""

import io
import os
import threading
from hashlib import sha256
from random import Random

import pytest
from blake3 import blake3

from provenance.errors import InputError
from provenance.merkle import parallel
from provenance.records import chunks
from provenance.records.chunks import Chunks
from provenance.records.files import Part

DATA = Random(7).randbytes(100_000)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(chunks, "_BLOCK", 7_000)
    monkeypatch.setattr(parallel, "cores", lambda: 2)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "data").write_bytes(DATA)
    return tmp_path / "data"


@pytest.mark.parametrize("chunk_size", [1, 64, 1000, 7_000, 9_999, 200_000])
@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 6_999, 7_000, 14_001, 50_000])
def test_leaves_and_digest(tmp_path, size, chunk_size):
    data = DATA[:size]
    slices = [data[at : at + chunk_size] for at in range(0, size, chunk_size)]
    (tmp_path / "data").write_bytes(data)
    for source in (tmp_path / "data", data, io.BytesIO(data)):
        part = Chunks(source, "data", chunk_size)
        blocks = list(part.leaf_hash_blocks(4096))
        assert b"".join(blocks) == b"".join(sha256(b"\0" + each).digest() for each in slices)
        assert part.digests == {"sha256": sha256(data).hexdigest()}
        assert part.done == size
        assert part.total == (None if isinstance(source, io.BytesIO) else size)
        if size == 50_000 and chunk_size <= 1000:
            assert len(blocks) > 5
        if isinstance(source, io.BytesIO):
            source.seek(0)
        assert list(Chunks(source, "data", chunk_size).leaves()) == slices


@pytest.mark.parametrize("names", [(), ("sha256",), ("sha256", "blake3")])
def test_digests_asked_for(path, names):
    part = Chunks(path, "data", 1000)
    part.digest_names = names
    assert len(b"".join(part.leaf_hash_blocks(4096))) == 3200
    known = {"sha256": sha256(DATA).hexdigest(), "blake3": blake3(DATA).hexdigest()}
    assert part.digests == {name: known[name] for name in names}


def test_no_more_at_a_time_than_asked_for(path):
    blocks = list(Chunks(path, "data", 64).leaf_hash_blocks(10))
    assert {len(block) for block in blocks[:-1]} == {320}


def spoiled(path, spoil):
    """Read a block, do something to the file, and read the rest."""
    blocks = Chunks(path, "data", 1000).leaf_hash_blocks(4096)
    next(blocks)
    spoil()
    for _ in blocks:
        pass


@pytest.mark.parametrize("size", [0, 50_000, 99_999, 100_001, 200_000])
def test_a_file_that_changes_its_size_meanwhile(path, size):
    with pytest.raises(InputError, match="data changed while it was read; try again"):
        spoiled(path, lambda: os.truncate(path, size))


def test_a_file_that_is_written_to_meanwhile(path):
    with pytest.raises(InputError, match="data changed while it was read; try again"):
        spoiled(path, lambda: os.utime(path, ns=(0, 0)))


def test_a_file_that_is_replaced_meanwhile(path, tmp_path):
    (tmp_path / "other").write_bytes(DATA)
    with pytest.raises(InputError, match="data changed while it was read; try again"):
        spoiled(path, lambda: (tmp_path / "other").replace(path))


def test_a_file_that_gives_less_than_its_size(path, monkeypatch):
    real = os.preadv
    monkeypatch.setattr(
        os, "preadv", lambda file, into, at: 0 if at >= 35_000 else real(file, into, at)
    )
    with pytest.raises(InputError, match="data gave 35,000 bytes, but its size is 100,000"):
        list(Chunks(path, "data", 1000).leaf_hash_blocks(4096))


def test_a_file_that_gives_a_little_at_a_time(path, monkeypatch):
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, into, at: real(file, [into[0][:999]], at))
    part = Chunks(path, "data", 1000)
    assert len(b"".join(part.leaf_hash_blocks(4096))) == 3200
    assert part.digests == {"sha256": sha256(DATA).hexdigest()}


def test_a_file_that_cannot_be_read(path, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(InputError, match="data cannot be read: Input/output error"):
        list(Chunks(path, "data", 1000).leaf_hash_blocks(4096))


def test_reading_that_is_broken_off_leaves_nothing_open(path):
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - pathlib opens one more
    blocks = Chunks(path, "data", 1000).leaf_hash_blocks(4096)
    next(blocks)
    blocks.close()
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
    assert not [thread for thread in threading.enumerate() if "PoolExecutor" in thread.name]


class Given(Part):
    def __init__(self, leaves):
        super().__init__("given")
        self._given = leaves

    def leaves(self):
        yield from self._given


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        ([], []),
        ([0, 0, 0], [3]),
        ([1] * 10, [4, 4, 2]),
        ([1 << 20] * 3, [1, 1, 1]),
        ([1 << 19] * 5, [2, 2, 1]),
        ([3 << 20, 0, 1], [1, 2]),
    ],
)
def test_long_leaves_come_in_small_blocks(sizes, counts):
    leaves = [bytes([number]) * size for number, size in enumerate(sizes)]
    blocks = list(Given(leaves).leaf_hash_blocks(4))
    assert [len(block) // 32 for block in blocks] == counts
    assert b"".join(blocks) == b"".join(sha256(b"\0" + leaf).digest() for leaf in leaves)
