"""From the bytes of a bundle to a verdict.

- `bundle`: the file with every proof of the path
- `policy`: whom a verifier trusts, and what it demands
- `verifier`: the steps, in one list; `steps`: each of them
- `standing`: which keys count where in the log, and what was superseded
- `content`: a file or table at hand, to compare with what was signed
- `report`: what each step found
"""

from provenance.verify.bundle import BUNDLE_TYPE, AnchorProof, Bundle, LoggedEnvelope, RecordProof
from provenance.verify.content import Content
from provenance.verify.policy import Demand, Policy, Signer
from provenance.verify.report import STEPS, Check, Mark, Report
from provenance.verify.standing import Standing, StandingError
from provenance.verify.steps import Anchored, EveryEntry
from provenance.verify.verifier import Verified, Verifier

__all__ = [
    "BUNDLE_TYPE",
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
