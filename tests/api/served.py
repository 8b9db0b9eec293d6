"""What the served ledger holds."""

from __future__ import annotations

ROWS = [{"id": i, "text": "even" if i % 2 == 0 else f"odd {i}"} for i in range(20)]
# Beyond 2^53 the next two differ by one, which a double does not.
BIG = [{"id": 9007199254740993}, {"id": 9007199254740992}, {"id": 10**40}]
TWINS = [{"a": 1}, {"a": 2}, {"a": 1}, {"a": 1.0}]
