"""From the bytes of a bundle to a verdict.

- `bundle`: the file with every proof of the path
- `policy`: whom a verifier trusts, and what it demands
- `verifier`: the steps, in one list; `steps`: each of them
- `recent`: a verifier for a server, which is sent what differs in its records alone
- `standing`: which keys count where in the log, and what was superseded
- `content`: a file or table at hand, read as what was signed
- `comparing`: what is at hand, held against what was signed
- `report`: what each step found
"""

from provenance.verification.bundle import (
    BUNDLE_TYPE,
    AnchorProof,
    Bundle,
    LoggedEnvelope,
    RecordProof,
)
from provenance.verification.content import Content
from provenance.verification.policy import DEMANDS, Demand, Policy, Signer
from provenance.verification.report import STEPS, Check, Mark, Report
from provenance.verification.standing import Standing, StandingError
from provenance.verification.steps import Anchored, EveryEntry
from provenance.verification.verifier import Verified, Verifier

__all__ = [
    "BUNDLE_TYPE",
    "DEMANDS",
    "STEPS",
    "AnchorProof",
    "Anchored",
    "Bundle",
    "Check",
    "Content",
    "Demand",
    "EveryEntry",
    "LoggedEnvelope",
    "Mark",
    "Policy",
    "RecordProof",
    "Report",
    "Signer",
    "Standing",
    "StandingError",
    "Verified",
    "Verifier",
]
