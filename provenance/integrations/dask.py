"""A data set larger than one machine: its shards hashed by the workers of a Dask cluster.

::

    with Client("tcp://scheduler:8786") as client, Ledger.open() as ledger:
        source = open_on_cluster(client, "/shared/web-2026", scratch="/shared/tmp")
        ledger.register(source, name="web-2026")

The root is the one that a single machine gets: `open_source("/shared/web-2026")` is the same
artifact. Keys stay where the ledger is; workers only hash.

**How.** A task hashes one shard, a table file: it writes the leaf hashes to a part in the scratch
folder and answers with their number and their SHA-256. Then either

- the parts are streamed in order into the tree file (`Source.leaf_hash_blocks`: `register`), or
- a second task turns each part into a `CompactRange`, now that its first index is known, and the
  ranges are merged: the root without the tree (`Source.artifact`: `verify`).

**What goes wrong.** Dask runs the shards of a worker that died again, on another. A part appears
under its name only when it is whole, and the name holds the SHA-256 of its content; whoever reads
it checks that. A shard must have the same size and time of modification when the source is opened,
before and after a worker reads it, and when all are through; and whoever reads it twice must find
the same records. Else it is an `InputError` that names the shard, never another root. What an
honest worker says is checked, then; a lying one is believed: a cluster is to be trusted like the
machine that signs.

**What it needs and costs.** All machines see the shards and the scratch folder under the same
paths, and have the same version of this package. Through the scheduler go some 2 KiB and the
schema for each shard; through the scratch folder 32 bytes a record, written once and read once.
Memory: of a worker what `provenance.records` states for reading one shard, for each of its
threads, and it uses every core of its machine for Parquet and Arrow; here 128 KiB, and some 20 KiB
a shard with the scheduler's share. A shard is never split: there should be several for each worker.

**Why Dask.** Of the engines that people run it is the lightest to put beside them: `distributed` is
pure Python, 2.5 MB with `dask`, where Ray brings 79 MB of native servers and Spark needs a JVM. It
is well kept (a release every few weeks), takes plain functions, and runs again what a dead worker
had; nothing else is asked of it.

A lazy collection (`dask.dataframe`, `dask.bag`) is written first, by `to_parquet` or
`to_textfiles`, and its files are hashed: computed once more it may be another one.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from distributed import Client, Future

from provenance.errors import InputError, ProvenanceError
from provenance.merkle import HASH_SIZE, CompactRange
from provenance.records import Artifact
from provenance.records.files import readable, regular_status
from provenance.records.opening import open_source
from provenance.records.sources import Progress, Source

__all__ = ["ClusterSource", "open_on_cluster"]

_BLOCK = 4096 * HASH_SIZE


def open_on_cluster(
    client: Client,
    shards: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    scratch: str | os.PathLike[str],
    schema: Mapping[str, str] | None = None,
) -> ClusterSource:
    """Open table files that the workers of a Dask cluster shall hash. They start when it is read.

    Args:
        client: of the cluster; it must stay open until the source was read.
        shards: a folder of table files of one format, in path order; or a list of such files and
            folders, in the order given.
        scratch: a folder that all machines share, for 32 bytes a record while this is read.
        schema: column → type for the cells of CSV files.

    Raises:
        InputError: there are no such files, or no tables in them.
    """
    local = open_source(shards, together=True, schema=schema)
    return ClusterSource(local, client, Path(scratch), schema)


class ClusterSource(Source):
    """A `Source` whose leaf hashes come from a cluster; its leaves are read here, one by one."""

    def __init__(
        self, local: Source, client: Client, scratch: Path, schema: Mapping[str, str] | None
    ) -> None:
        """Take the shards of `local`, which has not been read."""
        super().__init__(
            local.parts, local.encoding, name=local.name, media_type=local.media_type or ""
        )
        self._client = client
        # The name is drawn here: no other run, and no straggler of one, writes to it.
        self._folder = scratch.absolute() / f"provenance-parts-{os.urandom(8).hex()}"
        self._shards = [
            _Shard.of(i, part.path, self._folder, schema, alone=len(self.parts) == 1)
            for i, part in enumerate(self.parts)
            if part.path is not None
        ]

    def leaf_hash_blocks(self, progress: Progress | None = None) -> Iterator[bytes]:
        """Yield the leaf hashes, 32·n contiguous bytes at a time, n ≤ 4096.

        Raises:
            InputError: as `leaves`; or the cluster, or the scratch folder, failed.
        """
        with self._hashed(progress) as hashed:
            for leaf_hashes in hashed:
                yield from leaf_hashes.blocks()

    def artifact(self, progress: Progress | None = None) -> Artifact:
        """Return the artifact that it is: merged from the compact ranges of its shards.

        Raises:
            InputError: as `leaf_hash_blocks`.
        """
        tree, begin = CompactRange(), 0
        ranges: list[Future[Any]] = []
        with self._hashed(progress) as hashed:
            for leaf_hashes in hashed:
                with _dask_errors():
                    ranges.append(self._client.submit(_range_of, leaf_hashes, begin, pure=False))
                begin += leaf_hashes.count
            with _dask_errors():
                merging = self._client.gather(ranges)  # type: ignore[no-untyped-call]
            for part in merging:
                tree.merge(part)
        return Artifact(root=tree.root(), size=tree.end, encoding=self.encoding)

    @contextmanager
    def _hashed(self, progress: Progress | None) -> Iterator[Iterator[_LeafHashes]]:
        """Have the shards hashed; give the leaf hashes of each, in order, while they are there."""
        self._start()
        with _writable(self._folder):
            self._folder.mkdir()
        futures: list[Future[Any]] = []
        try:
            with _dask_errors():
                futures = self._client.map(_hash_shard, self._shards, pure=False)
            yield self._answers(futures, progress)
            self._check_one_reading()
            self._finished = True
        finally:
            with suppress(Exception):  # of a cluster that is gone; what is raised already counts
                self._client.cancel(futures)  # type: ignore[no-untyped-call]
            shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(
        self, futures: list[Future[Any]], progress: Progress | None
    ) -> Generator[_LeafHashes, None, None]:
        count = 0
        while count < len(futures):
            if progress is not None:
                progress(sum(part.done for part in self.parts), self.total)
            # The next one and what is through behind it: to ask for each takes milliseconds.
            end = count + 1
            while end < len(futures) and futures[end].done():  # type: ignore[no-untyped-call]
                end += 1
            with _dask_errors():
                answers = self._client.gather(futures[count:end])  # type: ignore[no-untyped-call]
            for i, answer in enumerate(answers, count):
                part = self.parts[i]
                part.schema, part.digests = answer.schema, answer.digests
                part.done = self._shards[i].size
                yield answer
            count = end
        if progress is not None:
            progress(sum(part.done for part in self.parts), self.total)

    def _check_one_reading(self) -> None:
        """Check that all readings of all shards were of one state of them."""
        with readable(str(self._folder)):
            parts = Counter(path.name.partition(".")[0] for path in self._folder.iterdir())
        for shard in self._shards:
            shard.check_unchanged()
            if parts[str(shard.index)] != 1:
                raise InputError(f"{shard.path} gave other records when it was read again")


@contextmanager
def _dask_errors() -> Iterator[None]:
    """Turn whatever befell a task, its workers or the cluster into an `InputError`."""
    try:
        yield
    except ProvenanceError:  # of a task, about its shard
        raise
    except Exception as error:
        raise InputError(f"the Dask cluster failed: {error}") from error


# --- what workers do ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shard:
    """One shard as it was when the source was opened, and where its leaf hashes go."""

    index: int
    path: Path
    size: int
    modified: int
    folder: Path
    schema: Mapping[str, str] | None
    alone: bool

    @classmethod
    def of(
        cls,
        index: int,
        path: Path,
        folder: Path,
        schema: Mapping[str, str] | None,
        *,
        alone: bool,
    ) -> _Shard:
        status = regular_status(path, str(path))
        return cls(
            index, path.absolute(), status.st_size, status.st_mtime_ns, folder, schema, alone
        )

    def check_unchanged(self) -> None:
        """Check that it is as it was. Device and inode may be others on another machine."""
        status = regular_status(self.path, str(self.path))
        if (status.st_size, status.st_mtime_ns) != (self.size, self.modified):
            raise InputError(
                f"{self.path} changed while the data set was read; try again when nothing writes "
                "to it"
            )


@dataclass(frozen=True)
class _LeafHashes:
    """The leaf hashes of one shard, in a file that all machines see."""

    path: Path
    count: int
    sha256: bytes
    schema: dict[str, str] | None
    digests: dict[str, str]

    def blocks(self) -> Iterator[bytes]:
        """Yield 32·n contiguous bytes at a time, n ≤ 4096.

        Raises:
            InputError: the file is not what was written; of what was yielded nothing may be used.
        """
        digest = sha256()
        with readable(str(self.path)), self.path.open("rb") as file:
            left = self.count * HASH_SIZE
            while left and len(block := file.read(min(left, _BLOCK))) == min(left, _BLOCK):
                digest.update(block)
                left -= len(block)
                yield block
        if digest.digest() != self.sha256:
            raise InputError(f"{self.path} is not as a worker wrote it")


def _hash_shard(shard: _Shard) -> _LeafHashes:
    """Write the leaf hashes of a shard. A worker that dies here leaves a draft nobody reads."""
    shard.check_unchanged()
    source = open_source(
        [shard.path], together=True, schema=shard.schema, tree_only=not shard.alone
    )
    digest, count = sha256(), 0
    draft = shard.folder / f".{shard.index}-{os.urandom(8).hex()}"
    with _writable(shard.folder):
        with draft.open("xb") as file:
            for block in source.leaf_hash_blocks():
                file.write(block)
                digest.update(block)
                count += len(block) // HASH_SIZE
        shard.check_unchanged()
        path = draft.replace(shard.folder / f"{shard.index}.{digest.hexdigest()}")
    return _LeafHashes(path, count, digest.digest(), source.schema, source.digests)


def _range_of(leaf_hashes: _LeafHashes, begin: int) -> CompactRange:
    part = CompactRange(begin, begin)
    for block in leaf_hashes.blocks():
        part.extend(block)
    return part


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from None
