"""The hashes of RFC 9162 for many leaves, nodes or proofs in one call, over contiguous buffers.

::

    kernel().leaf_hashes(b"onetwo", array("Q", [0, 3, 6]))   # SHA-256(0x00 ‖ "one"), … ‖ "two"
    kernel().level_above(a + b + c)                          # SHA-256(0x01 ‖ a ‖ b)

Two implementations give the same bytes. `Hashlib` is always there. `Native` is the extension in
C++, `provenance.native.kernel`, several times as fast, where the install could build it; it lets
other threads run meanwhile. The environment variable ``PROVENANCE_KERNEL`` names one: ``hashlib``,
or a kernel that the extension has and the processor can run (docs/kernel.md).

The tests hold each against `hashlib`, message by message.
"""

from __future__ import annotations

import os
from functools import cache
from hashlib import sha256
from itertools import islice, pairwise
from operator import gt
from struct import Struct
from typing import TYPE_CHECKING, Protocol, TypeAlias

from provenance.errors import InputError
from provenance.merkle.hashing import HASH_SIZE, check_whole

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence
    from mmap import mmap

__all__ = [
    "Bytes",
    "Hashlib",
    "Indices",
    "Kernel",
    "Native",
    "Offsets",
    "kernel",
    "kernel_named",
    "kernels",
]

Bytes: TypeAlias = "bytes | bytearray | memoryview | mmap"
"""Whatever holds contiguous bytes."""

Offsets: TypeAlias = "array[int] | memoryview"
"""n + 1 unsigned integers of 64 bits that bound n regions: ascending, within the data."""

Indices: TypeAlias = "array[int] | memoryview"
"""Numbers of leaves, unsigned integers of 64 bits."""


_PAIR = Struct(f"{2 * HASH_SIZE}s")


class Kernel(Protocol):
    """Hashes many messages at once.

    Every method raises ValueError for offsets that are not as `Offsets` says, for indices that are
    not below the size, and for bytes that are not whole hashes, or not as many as there should be.
    """

    name: str

    def digests(self, data: Bytes, offsets: Offsets) -> bytes:
        """Return SHA-256(data[offsets[i]:offsets[i + 1]]) for each i, 32·n bytes."""

    def leaf_hashes(self, data: Bytes, offsets: Offsets) -> bytes:
        """Return SHA-256(0x00 ‖ data[offsets[i]:offsets[i + 1]]) for each i, 32·n bytes."""

    def level_above(self, level: Bytes) -> bytes:
        """Hash each pair of a level's 32-byte hashes; a last one without a partner is left out."""

    def levels_above(self, level: Bytes) -> bytes:
        """Return every level above, bottom up, each the `level_above` of the one before."""

    def paths(self, levels: Sequence[Bytes], last: Bytes, indices: Indices, size: int) -> bytes:
        """Return the paths of the inclusion proofs of leaves, one behind the other, bottom up.

        Args:
            levels: the `size` leaf hashes, and each level above that holds a complete subtree.
            last: for each level below the root, the root of what its last subtree covers, which
                may be incomplete, 32 bytes.
        """

    def climb(self, leaf_hashes: Bytes, indices: Indices, size: int, paths: Bytes) -> bytes:
        """Return the root to which each leaf's path leads in a tree of `size` leaves, 32·n bytes.

        The paths stand one behind the other, as `paths` gives them.
        """


class Hashlib:
    """One message after the other, by `hashlib`."""

    name = "hashlib"

    def digests(self, data: Bytes, offsets: Offsets) -> bytes:
        """Return SHA-256 of each region."""
        view = memoryview(data)
        _check_offsets(offsets, len(view))
        return b"".join([sha256(view[begin:end]).digest() for begin, end in pairwise(offsets)])

    def leaf_hashes(self, data: Bytes, offsets: Offsets) -> bytes:
        """Return SHA-256(0x00 ‖ region) of each region."""
        view = memoryview(data)
        _check_offsets(offsets, len(view))
        return b"".join(
            sha256(b"\x00" + view[begin:end]).digest() for begin, end in pairwise(offsets)
        )

    def level_above(self, level: Bytes) -> bytes:
        """Return SHA-256(0x01 ‖ left ‖ right) of each pair."""
        view = memoryview(level)
        check_whole(view)
        start = sha256(b"\x01").copy  # to copy what was begun is faster than to begin
        above = []
        for (pair,) in _PAIR.iter_unpack(view[: len(view) // _PAIR.size * _PAIR.size]):
            node = start()
            node.update(pair)
            above.append(node.digest())
        return b"".join(above)

    def levels_above(self, level: Bytes) -> bytes:
        """Return every level above, bottom up."""
        levels = []
        while above := self.level_above(level):
            levels.append(above)
            level = above
        return b"".join(levels)

    def paths(self, levels: Sequence[Bytes], last: Bytes, indices: Indices, size: int) -> bytes:
        """Return the paths of inclusion proofs."""
        views, last_ones = [memoryview(level) for level in levels], memoryview(last)
        _check_indices(indices, size)
        if len(views) != size.bit_length():
            raise ValueError(f"{len(views)} levels are not those of the tree")
        for level, view in enumerate(views):
            if len(view) < (size >> level) * HASH_SIZE:
                raise ValueError(f"level {level} is cut: {len(view)} bytes")
        if size and len(last_ones) != (size - 1).bit_length() * HASH_SIZE:
            raise ValueError(f"{len(last_ones)} bytes are not one last hash a level")
        found = []
        for index in indices:
            part, place, path = (index ^ (size - 1)).bit_length(), index, []
            for view in views[:part]:
                at = (place ^ 1) * HASH_SIZE
                path.append(view[at : at + HASH_SIZE])
                place >>= 1
            if part:  # the last of these is the one that holds the last leaf
                at = (part - 1) * HASH_SIZE
                path[-1] = last_ones[at : at + HASH_SIZE]
            for view in views[part:]:
                if place & 1:
                    at = (place - 1) * HASH_SIZE
                    path.append(view[at : at + HASH_SIZE])
                place >>= 1
            found.append(b"".join(path))
        return b"".join(found)

    def climb(self, leaf_hashes: Bytes, indices: Indices, size: int, paths: Bytes) -> bytes:
        """Return the root to which each path leads: RFC 9162, section 2.1.3.2."""
        values, siblings, roots, at = memoryview(leaf_hashes), memoryview(paths), [], 0
        _check_indices(indices, size)
        for number, index in enumerate(indices):
            value = bytes(values[number * HASH_SIZE : (number + 1) * HASH_SIZE])
            fn, sn = index, size - 1
            while sn:
                sibling = siblings[at : at + HASH_SIZE]
                if fn & 1 or fn == sn:
                    value = sha256(b"\x01" + sibling + value).digest()
                    while not fn & 1 and fn:
                        fn, sn = fn >> 1, sn >> 1
                else:
                    value = sha256(b"\x01" + value + sibling).digest()
                fn, sn, at = fn >> 1, sn >> 1, at + HASH_SIZE
            roots.append(value)
        if len(values) != len(roots) * HASH_SIZE or len(siblings) != at:
            raise ValueError(
                f"{len(values)} and {len(siblings)} bytes are not the hashes of {len(roots)} proofs"
            )
        return b"".join(roots)


class Native:
    """Many messages side by side, by a kernel of the extension."""

    def __init__(self, name: str) -> None:
        from provenance.native import kernel as extension

        self._extension = extension
        self.name = name

    def digests(self, data: Bytes, offsets: Offsets) -> bytes:
        """Return SHA-256 of each region."""
        return self._extension.digests(data, offsets, kernel=self.name)

    def leaf_hashes(self, data: Bytes, offsets: Offsets) -> bytes:
        """Return SHA-256(0x00 ‖ region) of each region."""
        return self._extension.leaf_hashes(data, offsets, kernel=self.name)

    def level_above(self, level: Bytes) -> bytes:
        """Return SHA-256(0x01 ‖ left ‖ right) of each pair."""
        return self._extension.level_above(level, kernel=self.name)

    def levels_above(self, level: Bytes) -> bytes:
        """Return every level above, bottom up."""
        return self._extension.levels_above(level, kernel=self.name)

    def paths(self, levels: Sequence[Bytes], last: Bytes, indices: Indices, size: int) -> bytes:
        """Return the paths of inclusion proofs."""
        return self._extension.paths(levels, last, indices, size)

    def climb(self, leaf_hashes: Bytes, indices: Indices, size: int, paths: Bytes) -> bytes:
        """Return the root to which each path leads."""
        return self._extension.climb(leaf_hashes, indices, size, paths, kernel=self.name)


def kernels() -> tuple[str, ...]:
    """Return the names of what can be had here, the best first; ``hashlib`` is the last."""
    try:
        from provenance.native import kernel as extension
    except ImportError:
        return (Hashlib.name,)
    return (*extension.kernels(), Hashlib.name)


def kernel_named(name: str) -> Kernel:
    """Return one of `kernels`; the best for "".

    Raises:
        InputError: there is none of this name here.
    """
    here = kernels()
    name = name or here[0]
    if name not in here:
        raise InputError(f"no kernel {name!r} here; there are {', '.join(here)}")
    return Hashlib() if name == Hashlib.name else Native(name)


@cache
def kernel() -> Kernel:
    """Return the kernel that everything here is hashed by.

    Raises:
        InputError: ``PROVENANCE_KERNEL`` names none.
    """
    try:
        return kernel_named(os.environ.get("PROVENANCE_KERNEL", ""))
    except InputError as error:
        raise InputError(f"PROVENANCE_KERNEL: {error}") from None


def _is_unsigned(numbers: Offsets | Indices) -> bool:
    view = memoryview(numbers)
    return view.format in ("Q", "L") and view.itemsize == 8


def _check_indices(indices: Indices, size: int) -> None:
    if not 0 <= size < 1 << 64:
        raise ValueError(f"no tree has {size} leaves")
    if not _is_unsigned(indices):
        raise ValueError("the indices are not unsigned integers of 64 bits")
    if indices and max(indices) >= size:
        raise ValueError(f"no leaf {max(indices)} in a tree of {size}")


def _check_offsets(offsets: Offsets, size: int) -> None:
    if not _is_unsigned(offsets):
        raise ValueError("the offsets are not unsigned integers of 64 bits")
    if not len(offsets):
        raise ValueError("there are no offsets; n regions have n + 1")
    if offsets[-1] > size or any(map(gt, offsets, islice(offsets, 1, None))):
        raise ValueError(f"the offsets do not ascend, or lead out of {size:,} bytes")
