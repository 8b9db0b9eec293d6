"""The verifier of the service: under the ledger's own policy as it stands, with a short memory."""

from __future__ import annotations

from typing import Final

from api.deps import hiding
from provenance.anchoring.recent import RecentAnchors
from provenance.ledger.ledger import Ledger
from provenance.verification import Policy
from provenance.verification.recent import RecentVerifier

__all__ = ["SECONDS", "Verifying"]

SECONDS: Final = 1.0
"""For which it is remembered that an anchor holds, and again that a bundle does which rests on it:
so nothing is older than twice that."""


class Verifying:
    """What `RecentVerifier` and `RecentAnchors` remember, of one ledger.

    Attributes:
        hide: hides in a finding what `hiding` does.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.hide = hiding(ledger)
        self._ledger = ledger
        self._anchors = RecentAnchors(SECONDS)
        self._newest: tuple[Policy, RecentVerifier] | None = None

    def under(self, policy: Policy) -> RecentVerifier:
        """Return the verifier under a policy; of another one nothing is remembered any more."""
        newest = self._newest
        if newest is None or newest[0] is not policy:
            verifier = RecentVerifier(
                policy,
                SECONDS,
                chains=self._ledger.chains,
                every_entry=self._ledger.every_entry if policy.standing == "scanned" else None,
                anchor_check=self._anchors.check,
            )
            newest = self._newest = (policy, verifier)
        return newest[1]
