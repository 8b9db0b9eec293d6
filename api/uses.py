"""The access log, as the routes see it: each that answers about an artifact records so first.

Recorded is what is answered, before the answer goes out; what is refused is in the server's own log
alone. Where the use cannot be recorded, the request is refused, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from api.logs import asked
from provenance.ledger.ledger import Ledger
from provenance.ledger.uses import PUBLIC, Action

__all__ = ["record_use", "record_uses"]


def record_use(
    ledger: Ledger, action: Action, digest: str, records: Sequence[int] | None = None
) -> None:
    """Record that this request asks for an artifact, where uses are recorded.

    Args:
        ledger: that is served.
        action: what is asked for.
        digest: of the artifact, hex.
        records: numbers of those that it is about.

    Raises:
        LedgerError: it cannot be.
    """
    record_uses(ledger, action, [(digest, records)])


def record_uses(
    ledger: Ledger, action: Action, used: Iterable[tuple[str, Sequence[int] | None]]
) -> None:
    """Record that this request asks for several artifacts; as `record_use`."""
    if not ledger.access_log.is_on:
        return
    request = asked()
    assert request is not None  # noqa: S101 - each is given its id before anything else is done
    artifacts = [(bytes.fromhex(digest), records) for digest, records in used]
    ledger.access_log.record(action, artifacts, who=request.token or PUBLIC, request=request.id)
