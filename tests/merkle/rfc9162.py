"""RFC 9162, section 2.1, as its text reads: recursive, over leaves, nothing stored.

``D[a:b]`` of the RFC is (a, b) here, so that the cache keeps all pairs of sizes quick; leaf i is
the text of i. The product's code walks stored subtrees in loops, so the two share nothing.
"""

from functools import cache
from hashlib import sha256


def leaf(index: int) -> bytes:
    return str(index).encode()


@cache
def mth(a: int, b: int) -> bytes:
    """Section 2.1.1: MTH(D[a:b])."""
    if a == b:
        return sha256(b"").digest()
    if b - a == 1:
        return sha256(b"\x00" + leaf(a)).digest()
    k = split(b - a)
    return sha256(b"\x01" + mth(a, a + k) + mth(a + k, b)).digest()


def path(m: int, a: int, b: int) -> list[bytes]:
    """Section 2.1.3.1: PATH(m, D[a:b])."""
    if b - a == 1:
        return []
    k = split(b - a)
    if m < k:
        return [*path(m, a, a + k), mth(a + k, b)]
    return [*path(m - k, a + k, b), mth(a, a + k)]


def subproof(m: int, a: int, b: int, known: bool = True) -> list[bytes]:
    """Section 2.1.4.1: SUBPROOF(m, D[a:b], known); PROOF(m, D_n) is subproof(m, 0, n)."""
    if m == b - a:
        return [] if known else [mth(a, b)]
    k = split(b - a)
    if m <= k:
        return [*subproof(m, a, a + k, known), mth(a + k, b)]
    return [*subproof(m - k, a + k, b, known=False), mth(a, a + k)]


def split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def leaf_hashes(size: int) -> bytes:
    return b"".join(mth(i, i + 1) for i in range(size))
