"""SHA-256 of many messages at once; each function releases the GIL while it hashes.

`data` and `level` are whatever holds contiguous bytes: bytes, bytearray, mmap, memoryview.
`offsets` are n + 1 unsigned integers of 64 bits (``array("Q")``, or a slice of its memoryview),
ascending and within the data; they are copied first. `kernel` is one of `kernels`, by default
the best. What is hashed must not be written to meanwhile: the result would be of neither state.

Raises:
    ValueError: offsets or hashes are not so, or this processor cannot run the kernel.
"""

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
