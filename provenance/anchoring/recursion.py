"""Keep Python's recursion limit while libraries of the chain are imported.

py-evm, and py_ecc, which web3 loads too, raise it to 100,000 as they are imported. On Python 3.11
that turns a RecursionError into a crash of the process: of the standard library's JSON parser on
hostile nesting, say. Our contract calls nothing but precompiles, so the EVM needs no such depth.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["recursion_limit_kept"]


@contextmanager
def recursion_limit_kept() -> Iterator[None]:
    """Set the limit, after the block, to what it was before."""
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
