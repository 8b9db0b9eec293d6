"""Shards hashed by the workers of a real Dask cluster: the same artifact as on one machine."""

import itertools
import json
import os
import re
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provenance import InputError, Ledger, verify
from provenance.integrations import dask
from provenance.integrations.dask import open_on_cluster
from provenance.merkle import CompactRange, Tree
from provenance.records.opening import open_source
from provenance.records.rows import JsonLines

PAGE = Path(__file__).parents[2] / "docs" / "hashing.md"


@pytest.fixture
def scratch(tmp_path):
    """A shared folder; whatever happens, nothing stays in it."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    yield scratch
    assert list(scratch.iterdir()) == []


@pytest.fixture
def shards(tmp_path):
    """Make a folder of JSONL shards of so many rows each."""
    folder = tmp_path / "data"
    folder.mkdir()

    def make(*counts):
        for old in folder.iterdir():
            old.unlink()
        numbers = itertools.count()
        for i, count in enumerate(counts):
            rows = [{"id": number} for number in itertools.islice(numbers, count)]
            (folder / f"{i:03}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    return make


def check_same(client, scratch, data, **how):
    """Check that cluster and machine agree on everything that is registered; return the tree."""
    local = open_source(data, together=True, **how)
    leaf_hashes = b"".join(local.leaf_hash_blocks())
    artifact = open_source(data, together=True, **how).artifact()

    streamed = open_on_cluster(client, data, scratch=scratch, **how)
    merged = open_on_cluster(client, data, scratch=scratch, **how)
    assert b"".join(streamed.leaf_hash_blocks()) == leaf_hashes
    assert merged.artifact() == artifact
    for source in (streamed, merged):
        assert source.name == local.name
        assert source.media_type == local.media_type
        assert source.total == local.total
        assert source.schema == local.schema
        assert source.digests == local.digests
    tree = Tree.from_leaf_hashes(leaf_hashes)
    assert (tree.root, tree.size) == (artifact.root, artifact.size)
    return tree


# --- the same as on one machine -------------------------------------------------------------------


def test_every_small_cut_gives_the_same_root(client, scratch, shards):
    for counts in itertools.product(range(3), repeat=3):
        folder = shards(*counts)
        source = open_on_cluster(client, folder, scratch=scratch)
        assert source.artifact() == open_source(folder).artifact()


@pytest.mark.parametrize(
    "counts", [(0,), (1,), (9000,), (5, 0, 4097, 1, 0, 8192), (0, 0, 3), (0, 0)]
)
def test_uneven_and_empty_shards(client, scratch, shards, counts):
    assert check_same(client, scratch, shards(*counts)).size == sum(counts)


def test_parquet_of_several_types(client, scratch, tmp_path):
    whole = pa.table({"id": range(20_000), "text": [f"row {i}" for i in range(20_000)]})
    cuts = [0, 0, 7, 12_000, 20_000]
    folder = tmp_path / "data"
    folder.mkdir()
    for i, (begin, end) in enumerate(itertools.pairwise(cuts)):
        pq.write_table(whole.slice(begin, end - begin), folder / f"{i}.parquet")
    pq.write_table(pa.table({"id": [0.5]}), folder / "9.parquet")
    check_same(client, scratch, folder)
    source = open_on_cluster(client, [folder / f"{i}.parquet" for i in range(4)], scratch=scratch)
    assert source.artifact() == open_source(whole).artifact()


def test_csv_with_a_schema_and_a_list_of_mixed_tables(client, scratch, shards, tmp_path):
    cells = tmp_path / "cells.csv"
    cells.write_text("id,name\n1,a\n2,b\n")
    tree = check_same(client, scratch, [cells, shards(2, 3), str(cells)], schema={"id": "int64"})
    assert tree.size == 9
    check_same(client, scratch, cells)


def test_paths_are_those_of_the_caller(client, scratch, shards, monkeypatch):
    """Workers may have been started in another folder."""
    monkeypatch.chdir(shards(2, 2).parent)
    check_same(client, scratch, "data")


def test_progress_ends_at_everything(client, scratch, shards):
    seen = []
    source = open_on_cluster(client, shards(10, 20, 30), scratch=scratch)
    source.artifact(lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[0] == (0, source.total)
    assert seen[-1] == (source.total, source.total)


# --- registered, proven, verified -----------------------------------------------------------------


def test_what_a_cluster_hashed_is_registered_like_anything_else(client, scratch, shards, tmp_path):
    folder = shards(3000, 0, 5000, 1)
    with Ledger.init(tmp_path / "home", origin="acme.example/ml") as ledger:
        source = open_on_cluster(client, folder, scratch=scratch)
        registered = ledger.register(source, name="rows", sensitivity="public")
        assert registered.index == ledger.register(folder, name="rows", sensitivity="public").index
        ledger.anchor()
        proof = ledger.prove("rows", record={"id": 7654})
        assert proof.indices == (7654,)
        how = {"policy": ledger.policy(), "chains": ledger.chains}
        verify(proof, record={"id": 7654}, **how)
        whole = ledger.prove("rows")
        verify(whole, data=open_on_cluster(client, folder, scratch=scratch), **how)


def test_what_was_opened_elsewhere_takes_no_other_options(client, scratch, shards):
    source = open_on_cluster(client, shards(1), scratch=scratch)
    assert open_source(source, encoding="json") is source
    for other in (
        {"encoding": "line"},
        {"together": True},
        {"tree_only": True},
        {"digest": "blake3"},
        {"ignore": ["*.tmp"]},
        {"follow_symlinks": True},
    ):
        with pytest.raises(InputError, match="data was opened already, in another way"):
            open_source(source, **other)


# --- workers that die -----------------------------------------------------------------------------


def die_once(marker):
    """On a worker: the first process that reaches row 5,000 of a shard is killed there."""
    plain = JsonLines.leaves

    def leaves(self):
        for number, leaf in enumerate(plain(self)):
            if number == 5000:
                try:
                    marker.touch(exist_ok=False)
                except FileExistsError:
                    pass
                else:
                    os.kill(os.getpid(), signal.SIGKILL)
            yield leaf

    leaves.plain = plain
    JsonLines.leaves = leaves


def live_on():
    """On a worker: take that back."""
    JsonLines.leaves = getattr(JsonLines.leaves, "plain", JsonLines.leaves)


@pytest.fixture
def mortal(client, tmp_path):
    """Of both workers one will be killed, in the middle of a shard; checked at the end."""
    marker = tmp_path / "killed"
    before = set(client.run(os.getpid).values())
    client.run(die_once, marker)
    yield client
    assert marker.exists()
    client.wait_for_workers(2, timeout=120)
    client.run(live_on)
    assert len(before - set(client.run(os.getpid).values())) == 1


@pytest.mark.parametrize("way", ["streamed", "merged"])
def test_a_worker_killed_in_the_middle_changes_nothing(mortal, scratch, shards, way):
    folder = shards(100, 6000, 7000, 0, 6000)
    expected = open_source(folder)
    artifact = expected.artifact()
    source = open_on_cluster(mortal, folder, scratch=scratch)
    if way == "merged":
        assert source.artifact() == artifact
    else:
        tree = CompactRange()
        for block in source.leaf_hash_blocks():
            tree.extend(block)
        assert (tree.root(), tree.end) == (artifact.root, artifact.size)
    assert source.schema == expected.schema


def test_a_shard_that_kills_every_worker_is_an_error(mortal, cluster, scratch, shards, monkeypatch):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    source = open_on_cluster(mortal, shards(6000), scratch=scratch)
    with pytest.raises(InputError, match="the Dask cluster failed: Attempted to run task"):
        source.artifact()


def test_a_cluster_that_is_gone_is_an_error(client, scratch, shards):
    source = open_on_cluster(client, shards(3), scratch=scratch)
    client.close()
    with pytest.raises(InputError, match="the Dask cluster failed"):
        source.artifact()


# --- shards that change ---------------------------------------------------------------------------


def rewrite(path, *, keep_times):
    """Change a digit of a file, so that its size stays."""
    before = path.stat()
    path.write_text(path.read_text().replace("1", "2"))
    modified = before.st_mtime_ns + (0 if keep_times else 10**9)
    os.utime(path, ns=(before.st_atime_ns, modified))


@pytest.mark.parametrize("way", ["artifact", "leaf_hash_blocks"])
def test_a_shard_that_changed_since_it_was_opened(client, scratch, shards, way):
    folder = shards(3, 3)
    source = open_on_cluster(client, folder, scratch=scratch)
    rewrite(folder / "000.jsonl", keep_times=False)
    with pytest.raises(InputError, match=r"000\.jsonl changed while the data set was read"):
        list(iter(getattr(source, way)()))


def test_a_shard_that_changed_after_a_worker_read_it(client, scratch, shards):
    folder = shards(3, 3)
    blocks = open_on_cluster(client, folder, scratch=scratch).leaf_hash_blocks()
    next(blocks)
    rewrite(folder / "000.jsonl", keep_times=False)
    with pytest.raises(InputError, match=r"000\.jsonl changed while the data set was read"):
        list(blocks)


def test_two_readings_that_differ_without_a_trace_in_time(client, scratch, shards):
    """As when the worker that read first is cut off and thought dead, and the file is replaced."""
    folder = shards(3, 3)
    source = open_on_cluster(client, folder, scratch=scratch)
    blocks = source.leaf_hash_blocks()
    next(blocks)
    rewrite(folder / "000.jsonl", keep_times=True)
    client.submit(dask._hash_shard, source._shards[0], pure=False).result()
    with pytest.raises(InputError, match=r"000\.jsonl gave other records when it was read again"):
        list(blocks)


def test_two_readings_that_agree_are_one(client, scratch, shards):
    folder = shards(3, 3)
    source = open_on_cluster(client, folder, scratch=scratch)
    blocks = source.leaf_hash_blocks()
    first = next(blocks)
    client.submit(dask._hash_shard, source._shards[0], pure=False).result()
    assert first + b"".join(blocks) == b"".join(open_source(folder).leaf_hash_blocks())


@pytest.mark.parametrize(
    "damage",
    [
        lambda part: part.write_bytes(part.read_bytes()[:-1]),
        lambda part: part.write_bytes(part.read_bytes()[:-32]),
        lambda part: part.write_bytes(bytes([part.read_bytes()[0] ^ 1]) + part.read_bytes()[1:]),
        lambda part: part.write_bytes(b""),
    ],
)
def test_leaf_hashes_that_are_not_as_they_were_written(shards, tmp_path, damage):
    (path,) = shards(5000).iterdir()
    shard = dask._Shard.of(0, path, tmp_path, None, alone=True)
    leaf_hashes = dask._hash_shard(shard)
    assert b"".join(leaf_hashes.blocks()) == b"".join(open_source(path).leaf_hash_blocks())
    damage(leaf_hashes.path)
    with pytest.raises(InputError, match="is not as a worker wrote it"):
        list(leaf_hashes.blocks())
    leaf_hashes.path.unlink()
    with pytest.raises(InputError, match="cannot be read: No such file"):
        list(leaf_hashes.blocks())


# --- what else goes wrong -------------------------------------------------------------------------


def test_an_error_names_the_shard_and_the_row(client, scratch, shards):
    folder = shards(2, 2, 2)
    with (folder / "001.jsonl").open("a") as file:
        file.write('{"id": 1, "id": 2}\n')
    with pytest.raises(InputError, match=r"001\.jsonl, row 3 names 'id' twice"):
        open_on_cluster(client, folder, scratch=scratch).artifact()


def test_a_scratch_folder_that_is_not_there(client, tmp_path, shards):
    source = open_on_cluster(client, shards(1), scratch=tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"nowhere.* cannot be written: No such file"):
        source.artifact()


def test_what_is_no_table_is_refused_at_once(client, scratch, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"\0")
    for data in (tmp_path / "weights.bin", tmp_path / "none", [], [{"id": 1}]):
        with pytest.raises(InputError):
            open_on_cluster(client, data, scratch=scratch)


def test_a_source_is_read_once_and_leaves_nothing_when_left(client, scratch, shards):
    source = open_on_cluster(client, shards(3, 3), scratch=scratch)
    blocks = source.leaf_hash_blocks()
    next(blocks)
    with pytest.raises(ValueError, match="known only once all leaves were read"):
        _ = source.schema
    blocks.close()
    with pytest.raises(InputError, match="data was already read"):
        source.artifact()


def test_leaves_are_read_here(client, scratch, shards):
    folder = shards(2, 1)
    source = open_on_cluster(client, folder, scratch=scratch)
    assert list(source.leaves()) == list(open_source(folder).leaves())


# --- the page -------------------------------------------------------------------------------------


def test_the_example_on_the_page(cluster, shards, tmp_path, monkeypatch, scratch):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    folder = shards(3, 4)
    Ledger.init(tmp_path / "home", origin="acme.example/ml").close()
    monkeypatch.chdir(tmp_path / "home")
    for there, here in {
        "tcp://scheduler:8786": cluster.scheduler_address,
        "/shared/web-2026": str(folder),
        "/shared/tmp": str(scratch),
    }.items():
        assert there in example
        example = example.replace(there, here)
    exec(example, {})
    with Ledger.open() as ledger:
        assert ledger.resolve("web-2026").artifact == open_source(folder).artifact()
