"""The tree of a checkpoint as the log's hash tiles tell it, believed only where it is proven.

Each answer is an RFC 9162 proof that leads to the checkpoint's root, so a tile that lies makes a
proof that fails, never a wrong answer.
"""

from __future__ import annotations

from provenance.errors import MalformedError, ProvenanceError
from provenance.log import Checkpoint, TilePath
from provenance.log.tiles import HEIGHT, node_from_tiles, tile_width
from provenance.merkle import (
    ConsistencyProof,
    InclusionProof,
    ProofError,
    check_consistency,
    check_inclusion,
    prove_consistency,
    prove_inclusion,
)
from provenance.merkle.proofs import range_root
from provenance.monitoring.edge import RightEdge
from provenance.monitoring.source import LogSource, read_tile

__all__ = ["ServedTree", "UnshownError"]


class UnshownError(ProvenanceError):
    """The hash tiles do not lead to the root of the checkpoint."""


class ServedTree:
    """The tree under one signed head.

    Args:
        source: the log.
        head: the signed head.
        edge: of one's own tree; where it is of the same size, it stands for the log's last tiles.
    """

    def __init__(self, source: LogSource, head: Checkpoint, edge: RightEdge | None = None) -> None:
        self._source = source
        self.head = head
        self._own = edge.levels if edge is not None and edge.size == head.size else ()
        self._read: dict[tuple[int, int], bytes] = {}
        self._node = node_from_tiles(self._tile)

    def prefix(self, size: int) -> tuple[bytes, ConsistencyProof]:
        """Return the root of the first `size` entries, 1 or more, and the proof that it is.

        Raises:
            UnshownError: the tiles do not prove it.
            SourceError: one cannot be read.
        """
        if size == self.head.size:
            return self.head.root, ConsistencyProof(size, size, ())
        try:
            root = range_root(0, size, self._node)
            proof = prove_consistency(size, self.head.size, self._node)
            check_consistency(
                old_size=size,
                old_root=root,
                size=self.head.size,
                root=self.head.root,
                path=proof.path,
            )
        except (ProofError, MalformedError) as error:
            raise UnshownError(f"the hash tiles prove no tree of {size} entries: {error}") from None
        return root, proof

    def leaf(self, index: int) -> tuple[bytes, InclusionProof]:
        """Return the hash of entry `index`, and the proof that it is.

        Raises:
            UnshownError: the tiles do not prove it.
            SourceError: one cannot be read.
        """
        try:
            leaf_hash = self._node(0, index)
            proof = prove_inclusion(index, self.head.size, self._node)
            check_inclusion(
                leaf_hash=leaf_hash,
                index=index,
                size=self.head.size,
                path=proof.path,
                root=self.head.root,
            )
        except (ProofError, MalformedError) as error:
            raise UnshownError(f"the hash tiles do not prove entry {index}: {error}") from None
        return leaf_hash, proof

    def _tile(self, level: int, index: int) -> bytes:
        if level < len(self._own) and index == self.head.size >> (HEIGHT * (level + 1)):
            return self._own[level]
        if (level, index) not in self._read:
            width = tile_width(level, index, self.head.size)
            self._read[level, index] = read_tile(self._source, TilePath(level, index, width))
        return self._read[level, index]
