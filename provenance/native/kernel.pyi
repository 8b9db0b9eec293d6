"""SHA-256 of many messages at once, and of rows of Arrow columns; many files; sorting.

Each function releases the GIL while it works.

`data` and `level` are whatever holds contiguous bytes: bytes, bytearray, mmap, memoryview.
`offsets` are n + 1 unsigned integers of 64 bits (``array("Q")``, or a slice of its memoryview),
ascending and within the data; `indices` are such integers below `size`. Both are copied first.
`kernel` is one of `kernels`, by default the best. What is hashed must not be written to meanwhile:
the result would be of neither state.

Raises:
    ValueError: offsets, indices or hashes are not so, or this processor cannot run the kernel.
"""

from collections.abc import Sequence
from typing import Any

from typing_extensions import Buffer

def kernels() -> tuple[str, ...]:
    """Return what this processor can run, the best first: avx-512, sha-ni, avx2, portable."""

def digests(data: Buffer, offsets: Buffer, *, kernel: str | None = None) -> bytes:
    """Return SHA-256(data[offsets[i]:offsets[i + 1]]) for each i, 32·n bytes."""

def leaf_hashes(data: Buffer, offsets: Buffer, *, kernel: str | None = None) -> bytes:
    """Return SHA-256(0x00 ‖ data[offsets[i]:offsets[i + 1]]) for each i, 32·n bytes."""

def level_above(level: Buffer, *, kernel: str | None = None) -> bytes:
    """Return SHA-256(0x01 ‖ left ‖ right) of each pair; a last one alone is left out."""

def levels_above(level: Buffer, *, kernel: str | None = None) -> bytes:
    """Return every level above, bottom up, as they stand in a tree file behind `level`."""

def paths(levels: Sequence[Buffer], last: Buffer, indices: Buffer, size: int) -> bytes:
    """Return the paths of the inclusion proofs of leaves, one behind the other, each bottom up.

    Level 0 of `size` hashes, the leaves, and each one above that holds a complete subtree; `last`
    holds for each level below the root the root over what its last subtree, whole or not, covers.
    """

def climb(
    leaf_hashes: Buffer, indices: Buffer, size: int, paths: Buffer, *, kernel: str | None = None
) -> bytes:
    """Return the root to which each path leads from its leaf, 32·n bytes (RFC 9162, 2.1.3.2)."""

def writes(type: Any) -> bool:
    """Tell whether `row_hashes` writes values of a type, anything with ``__arrow_c_schema__``.

    It does not of views, of lists, structs and all else that nests, of decimals of a scale below 0,
    of unions and calendar intervals; and of nothing where the C++ library is too old to write
    doubles.
    """

def row_hashes(
    batch: Any, pieces: list[bytes], texts: bytes, *, kernel: str | None = None
) -> bytes | None:
    """Return SHA-256(0x00 ‖ row) for each row of a record batch, 32·n bytes.

    A row is ``pieces[0] ‖ value of column 0 ‖ pieces[1] ‖ … ‖ pieces[-1]``, its values in the form
    that provenance/records/canonical.py gives them; where ``texts[i]`` is not 0, column i holds
    strings that are such texts already. `batch` is anything with ``__arrow_c_array__``. Offsets
    that lead back or beyond the last one are found; that the buffers are as long as the last one
    says is for the caller to know, because the interface does not tell.

    Memory: 256 KiB of text, or one row; the texts of what dictionaries hold.

    Returns:
        None where a value has no text, or none that is written here.

    Raises:
        ValueError: as above, or the pieces do not fit the columns.
    """

def list_files(folder: str) -> tuple[list[str], bytes, list[str]]:
    """Return what lies in a folder, as `provenance.records.filesystem.list_files`.

    Raises:
        OSError: the folder cannot be read.
    """

def read_files(
    folder: str, paths: list[str], states: Buffer, buffer: Buffer
) -> tuple[int, int] | None:
    """Read files into a buffer, as `provenance.records.filesystem.read_files`.

    Raises:
        ValueError: the states are not as many as the paths, or the files and one byte more do not
            fit into the buffer.
    """

def sorted_leaves(leaves: Buffer, first: int, width: int) -> bytes:
    """Return leaf hashes in order, equal ones as they were given.

    Each with the number of its leaf behind it, big-endian in `width` bytes; the first one's is
    `first`. Memory: 32 bytes a leaf beside the result.
    """

def sorted_records(records: Buffer, size: int) -> bytes:
    """Return records of `size` bytes, 8 or more, in order. Memory: as `sorted_leaves`."""
