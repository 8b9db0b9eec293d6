"""What the caller holds in hand: a file, a folder or a table, hashed as the statement says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provenance.merkle import HASH_SIZE
from provenance.records import Artifact, Encoding, hash_record
from provenance.records.files import SteadyFile
from provenance.records.opening import open_source
from provenance.records.sources import Source
from provenance.statements import Dataset
from provenance.statements.predicates import Described

__all__ = ["Content", "Measured"]


@dataclass(frozen=True)
class Measured:
    """What was found: the artifact, and the digests that its form allows (``sha256``, say)."""

    artifact: Artifact
    digests: Mapping[str, str]


class Content:
    """Anything that `provenance.records.opening.open_source` takes."""

    def __init__(self, data: Any) -> None:
        self._data = data

    @property
    def is_file(self) -> bool:
        """Whether it is a path, and not that of a folder."""
        return isinstance(self._data, (str, Path)) and not Path(self._data).is_dir()

    def measure(self, described: Described) -> Measured:
        """Read everything as `described`, and return the artifact that it is then.

        The signed schema of a data set gives the cells of a CSV file their types.

        Raises:
            InputError: it cannot be read, or not under this encoding.
        """
        source = self._open(described)
        return Measured(source.artifact(), source.digests)

    def leaf_hashes(self, described: Described, *, most: int) -> list[bytes]:
        """Return the leaf hash of each record, 32 bytes; where there are more than `most`, not all.

        They are read as the records of `described` were.

        Raises:
            InputError: as of `measure`.
        """
        hashes: list[bytes] = []
        for block in self._open(described).leaf_hash_blocks():
            hashes += (block[at : at + HASH_SIZE] for at in range(0, len(block), HASH_SIZE))
            if len(hashes) > most:
                break
        return hashes

    def _open(self, described: Described) -> Source:
        together = isinstance(self._data, list) and all(
            isinstance(part, (str, Path)) for part in self._data
        )
        return open_source(
            self._data,
            encoding=described.artifact.encoding,
            together=together and bool(self._data),
            schema=described.schema if isinstance(described, Dataset) else None,
        )

    def file_leaves(self, encoding: Encoding) -> Iterator[tuple[str, bytes]]:
        """Yield (name, leaf hash) of one file for every end of its path, the shortest first.

        A folder's tree names a file by its path within the folder, which is some end of the path
        at which the file lies here. Only where `is_file`, under an encoding ``file``.

        Raises:
            InputError: there is no such file, or it changes while it is read.
        """
        path, digest = Path(self._data).absolute(), str(encoding.digest)
        with SteadyFile(path, str(path), [digest]) as file:
            value = file.finish()[digest]
        for first in range(len(path.parts) - 1, 0, -1):
            name = "/".join(path.parts[first:])
            yield name, hash_record({"path": name, digest: value, "size": file.count}, encoding)
