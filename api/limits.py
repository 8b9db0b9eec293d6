"""How much one may ask for: so many requests, statements and bytes of uploads a minute.

Each token has its own bucket of each kind, and so has each address of those who have none; of IPv6
the network of 64 bits counts, which is what one customer is given. A bucket holds what may be asked
for in a minute, and fills as evenly. Whoever finds it empty is told when to ask again. What costs
more than is left is answered, and the next one waits for it: so nothing is refused half done.

Kept is one number for each bucket that is not full: the moment at which it will be (this is the
generic cell rate algorithm of ATM Forum TM 4.0). Written here, since the libraries keep a time for
each unit that was asked for, or count by the clock's minute, which lets twice as much through
around its turn; and bytes are units, too.

The numbers are of this process: of several, each has its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from threading import Lock
from typing import Final, Literal

from api.errors import LimitedError
from provenance.ledger.config import LimitsConfig

__all__ = ["Kind", "Limits", "address_of"]

Kind = Literal["requests", "statements", "upload_bytes"]

MINUTE: Final = 60 * 10**9
"""In nanoseconds, as all times here."""

_NAMES: dict[Kind, str] = {
    "requests": "requests",
    "statements": "statements",
    "upload_bytes": "bytes of uploads",
}


class Limits:
    """The limits of one ledger, and how far everybody is from them. Shared between threads.

    Args:
        config: of its service.
        refused: called with each limit that was met.
        clock: in nanoseconds.
    """

    def __init__(
        self,
        config: LimitsConfig,
        *,
        refused: Callable[[Kind], None] = lambda kind: None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._most: dict[Kind, int | None] = {
            "requests": config.requests,
            "statements": config.statements,
            "upload_bytes": config.upload_bytes,
        }
        self._refused = refused
        self._clock = clock
        self._full: dict[tuple[Kind, str], int] = {}
        self._sweep_at = 1024
        self._lock = Lock()

    def take(self, who: str, kind: Kind, amount: int = 1) -> None:
        """Count what is asked for.

        Args:
            who: the id of a token, or an address.
            kind: of what.
            amount: of units; 0 only looks whether there is room for one.

        Raises:
            LimitedError: the bucket is empty. Nothing was counted.
        """
        most = self._most[kind]
        if most is None:
            return
        with self._lock:
            now = self._clock()
            full = max(self._full.get((kind, who), now), now)
            wait = full + MINUTE // most - now - MINUTE
            if wait > 0:
                self._refused(kind)
                raise LimitedError(
                    f"at most {most:,} {_NAMES[kind]} a minute are taken from one token, or one "
                    "address without",
                    seconds=-(-wait // 10**9),
                )
            self._count(who, kind, full, amount, most)

    def charge(self, who: str, kind: Kind, amount: int) -> None:
        """Count what was taken already."""
        most = self._most[kind]
        if most is not None:
            with self._lock:
                now = self._clock()
                self._count(who, kind, max(self._full.get((kind, who), now), now), amount, most)

    def _count(self, who: str, kind: Kind, full: int, amount: int, most: int) -> None:
        self._full[kind, who] = full + amount * MINUTE // most
        if len(self._full) > self._sweep_at:  # buckets that are full again say nothing
            now = self._clock()
            self._full = {key: full for key, full in self._full.items() if full > now}
            self._sweep_at = max(1024, 2 * len(self._full))


@lru_cache(1024)
def address_of(host: str | None) -> str:
    """Return by what those without a token are told apart. No token has such an id."""
    try:
        address = ip_address(host or "")
    except ValueError:  # a socket of this machine, or what a proxy made up
        return f"?{(host or '')[:64]}"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)
